"""Openings for matches: short, varied, no two alike up to symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from go_env.coords import EMPTY, action_from_vertex, vertex_from_action
from go_env.errors import HonteError, IllegalMove
from go_env.position import Position
from go_env.rules import Rules, fair_komi
from go_env.sgf import read_sgf
from go_env.symmetry import NUM_SYMMETRIES, point_tables

# A draw is repeated this often for each opening still missing before one ply is added: on 5x5 there
# are 6 openings of one ply and no 7th can be found.
_DRAWS_PER_OPENING = 200
_MOST_DEAD_ENDS = 300  # draws in a row that leave no sensible move before the last ply
_MOST_BARREN_PLIES = 4  # plies added in a row that give nothing new; 2x2 has 8 openings in all
Moves = tuple[tuple[int, int], ...]  # (color, action) each

_TOO_FEW = (
    "there are not so many different openings on this board: use fewer plies or games, "
    "or --openings 0"
)


@dataclass(frozen=True)
class Opening:
    """The moves that both games of a pair start with, Black first."""

    name: str
    moves: tuple[int, ...] = ()


def sample_openings(
    rules: Rules, plies: int, count: int, seed: int, at_most: bool = False
) -> list[Opening]:
    """Draw distinct random openings; the first n of a longer list are the shorter list.

    Every move is uniform among the legal ones that are no pass, no suicide and fill no own eye.
    Where `plies` moves give fewer than `count` distinct positions, further openings are longer.
    With 0 plies all games start from the empty board. Where a board has not so many at all, that is
    an error, or with `at_most` there are fewer.
    """
    if plies < 0:
        raise HonteError(f"an opening cannot have {plies} moves")
    if plies == 0:
        return [Opening("empty board")] * count
    rng = np.random.default_rng(np.random.SeedSequence([seed, rules.size, plies]))
    seen: set[bytes] = set()
    openings: list[Opening] = []
    failures = barren = 0
    while len(openings) < count:
        position = _random_position(rules, plies, rng)
        key = canonical_key(position)
        if key in seen:
            failures += 1
            if failures >= _DRAWS_PER_OPENING:
                plies, failures, barren = plies + 1, 0, barren + 1
            if barren > _MOST_BARREN_PLIES:
                if at_most:
                    break
                raise HonteError(_TOO_FEW)
            continue
        seen.add(key)
        failures = barren = 0
        actions = tuple(action for _, action in position.moves)
        openings.append(Opening(_name(actions, rules.size), actions))
    return openings


def even_openings(rules: Rules, plies: int, count: int, seed: int) -> list[Opening]:
    """Draw openings from the book of nearly even ones that comes with Honte.

    Books serve a board's fair komi. Where there is none, and for what it lacks, random openings of
    `plies` moves take its place, many of which one side wins on small boards whoever plays; fewer
    than `count` on the smallest boards, which have not so many.
    """
    name = f"even-{rules.size}x{rules.size}"
    if name not in _shipped_books() or rules.komi != fair_komi(rules.size):
        return sample_openings(rules, plies, count, seed, at_most=True)
    book = book_openings(name, rules)
    rng = np.random.default_rng(np.random.SeedSequence([seed, rules.size, plies]))
    chosen = [book[i] for i in rng.permutation(len(book))[:count]]
    return chosen + sample_openings(rules, plies, count - len(chosen), seed, at_most=True)


def book_openings(book: str, rules: Rules) -> list[Opening]:
    """Read a book's openings in its order; of those that are alike up to symmetry the first.

    Args:
        book: a folder of SGF files (whole games, in the order of their names), a text file with
            the moves of one opening a line (`E5 C3`; `#` begins a remark), or the name of a book
            that comes with Honte.
    """
    path = Path(book)
    if path.is_dir():
        lines = [
            (str(file), _text(file.stem), _sgf_moves(file, rules)) for file in _sgf_files(path)
        ]
    else:
        lines = _text_moves(path if path.is_file() else _shipped(book), rules)
    openings: list[Opening] = []
    seen: set[bytes] = set()
    for where, name, moves in lines:
        try:
            position = Position.from_moves(rules, moves)
        except IllegalMove as error:
            raise HonteError(f"{where}: {error}") from None
        if position.ended:
            raise HonteError(f"{where}: the opening is a finished game: leave it out")
        key = canonical_key(position)
        if key not in seen:
            seen.add(key)
            openings.append(Opening(name, tuple(action for _, action in moves)))
    return openings


def canonical_key(position: Position) -> bytes:
    """Return a key that a position shares with its mirror images and rotations only."""
    stones = position.board.ravel()
    images = np.empty((NUM_SYMMETRIES, stones.size), dtype=np.int8)
    tables = point_tables(position.size)
    for symmetry in range(NUM_SYMMETRIES):
        images[symmetry, tables[symmetry]] = stones
    return min(image.tobytes() for image in images) + bytes([position.to_play])


def _text(name: str) -> str:
    """Return a file's name as text that a game's record can hold: names may be any bytes."""
    return name.encode(errors="replace").decode()


def _sgf_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.sgf"))
    if not files:
        raise HonteError(f"no *.sgf file in {folder}: give a folder of SGF openings")
    return files


def _sgf_moves(file: Path, rules: Rules) -> Moves:
    game = read_sgf(file)
    if game.size != rules.size:
        raise HonteError(f"{file} is {game.size}x{game.size}, the match {rules.size}x{rules.size}")
    if game.black_stones or game.white_stones:
        raise HonteError(f"{file} has setup stones; an opening is moves only")
    if any(color != 1 + ply % 2 for ply, (color, _) in enumerate(game.moves)):
        raise HonteError(f"{file}: Black and White do not alternate in the opening")
    return game.moves


def _shipped_books() -> dict[str, Traversable]:
    """Return the books that come with Honte by name."""
    files = (resources.files("training") / "matches" / "books").iterdir()
    return {file.name.removesuffix(".txt"): file for file in files}


def _shipped(book: str) -> Traversable:
    books = _shipped_books()
    if book not in books:
        raise HonteError(
            f"no openings called {book}: give a number of plies, a folder of SGF files, "
            f"a text file of moves, or one of {', '.join(sorted(books))}"
        )
    return books[book]


def _text_moves(file: Path | Traversable, rules: Rules) -> list[tuple[str, str, Moves]]:
    """Return (where, name, moves) of every line that is not empty."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()  # some editors write a BOM
    except UnicodeDecodeError:
        raise HonteError(f"{file} is not UTF-8 text: give a text file of moves") from None
    openings = []
    for number, line in enumerate(lines, 1):
        name = " ".join(line.partition("#")[0].upper().split())
        try:
            actions = [action_from_vertex(vertex, rules.size) for vertex in name.split()]
        except HonteError as error:
            raise HonteError(f"{file}, line {number}: {error}") from None
        if actions:
            moves = tuple((1 + ply % 2, action) for ply, action in enumerate(actions))
            openings.append((f"{file}, line {number}", name, moves))
    if not openings:
        raise HonteError(f"{file} holds no opening: write the moves of one a line, as in E5 C3")
    return openings


def _random_position(rules: Rules, plies: int, rng: np.random.Generator) -> Position:
    for _ in range(_MOST_DEAD_ENDS):
        position = _random_walk(rules, plies, rng)
        if position is not None:
            return position
    raise HonteError(_TOO_FEW)


def _random_walk(rules: Rules, plies: int, rng: np.random.Generator) -> Position | None:
    """Return the position after random moves; None where nothing sensible is left on the way."""
    position = Position.initial(rules)
    for _ in range(plies):
        actions = np.flatnonzero(position.legal()[:-1])
        for action in rng.permutation(actions).tolist():
            following = position.play(action)
            suicide = following.board.flat[action] == EMPTY
            if not suicide and not _fills_own_eye(position, action):
                position = following
                break
        else:
            return None
    return position


def _fills_own_eye(position: Position, action: int) -> bool:
    """Tell whether all neighbors are the mover's own stones."""
    side, board, color = position.size, position.board, position.to_play
    row, column = divmod(action, side)
    near = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return all(board[r, c] == color for r, c in near if 0 <= r < side and 0 <= c < side)


def _name(actions: tuple[int, ...], size: int) -> str:
    return " ".join(vertex_from_action(action, size) for action in actions)
