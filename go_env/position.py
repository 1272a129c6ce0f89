"""One position of a game with its whole past: immutable to its callers, cheap to copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from go_env import board, chains, layout
from go_env.benson import fill_pass_alive_all
from go_env.coords import BLACK, EMPTY, WHITE, pass_action, vertex_from_action
from go_env.errors import HonteError, IllegalMove
from go_env.rules import Rules

_NO_SNAPSHOTS = np.zeros((1, 0, 0), np.int8)


class Position:
    """A board, whose turn it is, and all that led to it.

    `record` is the kernels' view (`go_env.board`): a structured array of shape (1,); `history` is
    uint64 [1, length], the situations so far for the ko rule. Neither may be written to.
    """

    __slots__ = ("_previous", "history", "moves", "record", "rules")

    def __init__(
        self,
        rules: Rules,
        record: np.ndarray,
        history: NDArray[np.uint64],
        moves: tuple[tuple[int, int], ...],
        previous: Position | None,
    ) -> None:
        self.rules = rules
        self.record = record
        self.history = history
        self.moves = moves  # (color, action) since the root; setup stones are not moves
        self._previous = previous

    @classmethod
    def initial(cls, rules: Rules) -> Position:
        """Return the empty board, Black to play."""
        return cls.setup(rules)

    @classmethod
    def setup(
        cls,
        rules: Rules,
        black: Iterable[int] = (),
        white: Iterable[int] = (),
        to_play: int = BLACK,
    ) -> Position:
        """Return a position with stones placed on the given points; its history starts here."""
        _check_color(to_play)
        record = layout.new_boards(1, rules)
        side = rules.size
        for color, actions in ((BLACK, black), (WHITE, white)):
            for action in actions:
                if not 0 <= action < side * side:
                    raise HonteError(f"setup point {action} is not on a {side}x{side} board")
                cell = int(layout.cell_of(action, side))
                if record["color"][0, cell] != EMPTY:
                    vertex = vertex_from_action(action, side)
                    raise HonteError(f"setup puts two stones on {vertex}")
                chains.put_one(record, cell, color)
        if np.count_nonzero(record["taken"]):
            raise HonteError("setup leaves a chain without liberties: remove it or its enemy")
        record["to_play"] = to_play
        record["ko"] = 0
        history = np.zeros((1, 1), np.uint64)
        board.record_all(record, history, _NO_SNAPSHOTS)
        return cls(rules, record, history, (), None)

    @classmethod
    def from_moves(cls, rules: Rules, moves: Sequence[int | tuple[int, int]]) -> Position:
        """Replay actions, or (color, action) pairs, from the empty board."""
        return cls.initial(rules)._after(moves)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the moves: the chain of earlier positions is too long to walk."""
        return _replayed, (self.rules, *self._course())

    @property
    def size(self) -> int:
        return self.rules.size

    @property
    def komi(self) -> float:
        return self.rules.komi

    @property
    def to_play(self) -> int:
        """BLACK or WHITE."""
        return int(self.record["to_play"][0])

    @property
    def ply(self) -> int:
        """Moves played since the root, passes included."""
        return int(self.record["ply"][0])

    @property
    def ended(self) -> bool:
        """Two passes in a row, or the move limit."""
        return bool(self.record["passes"][0] >= 2 or self.ply >= self.record["move_limit"][0])

    @property
    def hash(self) -> int:
        """Hash of the stones alone."""
        return int(self.record["hash"][0])

    @property
    def last_action(self) -> int | None:
        return self.moves[-1][1] if self.moves else None

    @property
    def captures(self) -> tuple[int, int]:
        """Stones taken (from White by Black, from Black by White)."""
        taken = self.record["taken"][0]
        return int(taken[WHITE]), int(taken[BLACK])

    @property
    def board(self) -> NDArray[np.int8]:
        """[N, N] int8 of EMPTY, BLACK, WHITE; row 0 at the top; a copy."""
        side = self.size
        cells = self.record["color"][0, side + 1 : (side + 1) * (side + 1)]
        return np.ascontiguousarray(cells.reshape(side, side + 1)[:, 1:])

    @property
    def previous(self) -> Position | None:
        """The position one move earlier, None at the root."""
        return self._previous

    def legal(self) -> NDArray[np.bool_]:
        """[A] bool: the legal actions of the player to move. A pass is always legal."""
        mask = np.zeros((1, self.size * self.size + 1), np.uint8)
        board.fill_legal_all(self.record, self.history, mask)
        return np.asarray(mask[0] == layout.LEGAL)

    def why_illegal(self, action: int, color: int | None = None) -> str | None:
        """Return the reason why a move is not legal, or None if it is."""
        color = self.to_play if color is None else color
        _check_color(color)
        if not 0 <= action <= pass_action(self.size):
            return f"action {action} does not exist on a {self.size}x{self.size} board"
        if action == pass_action(self.size):
            return None
        code = board.classify_action(self.record, 0, self.history, 0, action, color)
        if code == layout.LEGAL:
            return None
        vertex = vertex_from_action(action, self.size)
        if self.board.flat[action] != EMPTY:
            return f"{vertex} is occupied"
        if code == layout.KO_BANNED:
            return f"{vertex} is forbidden by the {self.rules.ko} ko rule"
        return f"{vertex} is suicide"

    def is_legal(self, action: int, color: int | None = None) -> bool:
        return self.why_illegal(action, color) is None

    def play(self, action: int, color: int | None = None) -> Position:
        """Return the position after a move; `color` moves even if it is not its turn.

        Playing on after the end is allowed (clients of GTP do it); environments refuse it.
        """
        color = self.to_play if color is None else color
        reason = self.why_illegal(action, color)
        if reason is not None:
            raise IllegalMove(f"illegal move: {reason}")
        record = self.record.copy()
        record["to_play"] = color
        length = self.history.shape[1]
        history = np.empty((1, length + 1), np.uint64)
        history[0, :length] = self.history[0]
        board.play_all(record, history, _NO_SNAPSHOTS, np.array([action]))
        return Position(self.rules, record, history, (*self.moves, (color, int(action))), self)

    def undo(self) -> Position:
        """Return the position before the last move."""
        if self._previous is None:
            raise HonteError("cannot undo: no move has been played")
        return self._previous

    def root(self) -> Position:
        """Return the position that `moves` start from."""
        position = self
        while position._previous is not None:
            position = position._previous
        return position

    def with_komi(self, komi: float) -> Position:
        """Return the same game with another komi."""
        return self.with_rules(replace(self.rules, komi=komi))

    def with_rules(self, rules: Rules) -> Position:
        """Return the same game replayed under other rules of the same board size."""
        if rules.size != self.size:
            raise HonteError("a game cannot be carried over to another board size")
        return _replayed(rules, *self._course())

    def _after(self, moves: Sequence[int | tuple[int, int]]) -> Position:
        position = self
        for move in moves:
            color, action = move if isinstance(move, tuple) else (None, move)
            position = position.play(action, color)
        return position

    def _course(self) -> tuple[list[int], list[int], int, tuple[tuple[int, int], ...]]:
        """Return all that led here: Black's and White's setup stones, who began, and the moves."""
        root = self.root()
        stones = root.board.ravel()
        black, white = (np.flatnonzero(stones == color).tolist() for color in (BLACK, WHITE))
        return black, white, root.to_play, self.moves

    def ownership(self) -> NDArray[np.int8]:
        """[N*N] int8: +1 Black's point, -1 White's, 0 neither, as the board stands."""
        return self._area()[0]

    def score(self) -> float:
        """Black's area minus White's minus komi, as the board stands."""
        return self._area()[1]

    def winner(self) -> int:
        """BLACK, WHITE, or 0 for a draw, as the board stands."""
        score = self.score()
        return BLACK if score > 0 else WHITE if score < 0 else 0

    def outcome(self, color: int) -> int:
        """+1 if this color has won as the board stands, -1 if it has lost, 0 for a draw."""
        winner = self.winner()
        return 0 if winner == 0 else 1 if winner == color else -1

    def pass_alive(self) -> NDArray[np.int8]:
        """[N*N] int8: the color that owns the point without condition (Benson), or 0."""
        out = np.zeros((1, self.size * self.size), np.int8)
        fill_pass_alive_all(self.record, out)
        return out[0]

    def _area(self) -> tuple[NDArray[np.int8], float]:
        owner = np.zeros((1, self.size * self.size), np.int8)
        score = np.zeros(1, np.float32)
        board.fill_area_all(self.record, owner, score)
        return owner[0], float(score[0])


def _check_color(color: int) -> None:
    if color not in (BLACK, WHITE):
        raise HonteError(f"color {color} is no player's: use {BLACK} (Black) or {WHITE} (White)")


def _replayed(
    rules: Rules,
    black: list[int],
    white: list[int],
    to_play: int,
    moves: tuple[tuple[int, int], ...],
) -> Position:
    """Return the position after these moves, (color, action), from a setup."""
    return Position.setup(rules, black, white, to_play)._after(moves)
