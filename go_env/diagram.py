"""Boards as text: `X` Black, `O` White, `.` empty, `+` a star point; the last move in brackets.

Written with coordinates, so that a person can name each point; read with or without them:

       A B C D E
     5 . . . . . 5
     4 . . . . . 4
     3 . .(X)O . 3
     2 . . . . . 2
     1 . . . . . 1
       A B C D E
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from go_env.coords import BLACK, COLUMNS, EMPTY, WHITE
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import MAX_SIZE, MIN_SIZE, Rules, fair_komi

Board = NDArray[np.int8]

_LETTERS = {EMPTY: ".", BLACK: "X", WHITE: "O"}
_COLORS = {".": EMPTY, "+": EMPTY, "*": EMPTY, "X": BLACK, "#": BLACK, "O": WHITE}
_STONES_ROW = re.compile(
    r"^\s*(?:\d+(?:\s+|(?=\()))?([.+*XO#\s()\[\]]+?)\s*(?:\d+\b.*)?$", re.IGNORECASE
)


def star_points(size: int) -> list[int]:
    """Return the marked points (hoshi) of a board as actions."""
    if size < 7:
        return [size * size // 2] if size % 2 else []
    edge = 2 if size < 13 else 3
    middle = size // 2
    lines = [edge, size - 1 - edge]
    points = {(row, column) for row in lines for column in lines}
    if size % 2:
        points.add((middle, middle))
        if size >= 13:
            points |= {(row, middle) for row in lines} | {(middle, column) for column in lines}
    return sorted(row * size + column for row, column in points)


def render(
    position: Position | Board,
    marks: Mapping[int, str] | None = None,
    coordinates: bool = True,
) -> str:
    """Draw a board; a Position's last move stands in brackets.

    Args:
        position: a Position, or stones [N, N] int8 with row 0 at the top.
        marks: one character to draw instead of what stands on a point, by action.
        coordinates: whether to write letters and numbers around the board.
    """
    if isinstance(position, Position):
        board, last = position.board, position.last_action
    else:
        board, last = np.asarray(position), None
    size = len(board)
    stars = set(star_points(size))
    marks = marks or {}
    header = "   " + " ".join(COLUMNS[:size])
    lines = [header] if coordinates else []
    for row in range(size):
        line = f"{size - row:>2}" if coordinates else ""
        for column in range(size):
            action = row * size + column
            letter = _LETTERS[int(board[row, column])]
            if letter == "." and action in stars:
                letter = "+"
            before = "(" if action == last else ")" if column and action - 1 == last else " "
            line += before + marks.get(action, letter)[:1]
        line += ")" if last == row * size + size - 1 else " "
        lines.append(f"{line}{size - row}" if coordinates else line.rstrip())
    if coordinates:
        lines.append(header)
    return "\n".join(lines)


def parse_board(text: str) -> Board:
    """Read stones [N, N] int8 from rows of `.XO+`; coordinates, spaces and brackets are ignored."""
    rows = []
    for line in text.splitlines():
        match = _STONES_ROW.match(line)
        if match is None:
            if line.strip() and not _is_header(line):
                raise HonteError(f"{line.strip()[:40]!r} is not a row of a board: use . X O and +")
            continue
        letters = [letter for letter in match.group(1).upper() if letter in _COLORS]
        if letters:
            rows.append([_COLORS[letter] for letter in letters])
    size = len(rows)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise HonteError(f"a board has {MIN_SIZE} to {MAX_SIZE} rows; this text has {size}")
    for number, row in enumerate(rows, 1):
        if len(row) != size:
            raise HonteError(f"row {number} has {len(row)} points; {size} rows need {size}")
    return np.array(rows, dtype=np.int8)


def parse_position(text: str, rules: Rules | None = None, to_play: int = BLACK) -> Position:
    """Read a Position that starts from these stones; the default rules are Tromp-Taylor."""
    board = parse_board(text)
    size = len(board)
    if rules is None:
        rules = Rules(size=size, komi=fair_komi(size))
    elif rules.size != size:
        raise HonteError(f"the diagram is {size}x{size}, but the rules are for size {rules.size}")
    black, white = (np.flatnonzero(board == color).tolist() for color in (BLACK, WHITE))
    return Position.setup(rules, black=black, white=white, to_play=to_play)


def _is_header(line: str) -> bool:
    return re.fullmatch(r"[A-HJ-Z](\s+[A-HJ-Z])*", line.strip().upper()) is not None
