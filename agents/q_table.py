"""Values of all situations of a tiny board, one row a situation, as one for its eight images.

The rules must make the future depend on few things: a simple ko (a superko would need the whole
past) and a move limit (without one simple-ko games may cycle forever). Then a situation is
(stones, player to move, simple-ko point, whether the last move was a pass, ply): the next situation
and the result depend on nothing else, which is the Markov property that Q-learning rests on. The
player to move follows from the ply. Rows stand in the *canonical* view: of the eight symmetries the
one with the smallest key.

Letters: B batch, N side, A = N*N + 1, S situations.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env.errors import HonteError
from go_env.layout import cell_of
from go_env.position import Position
from go_env.rules import Rules
from go_env.symmetry import NUM_SYMMETRIES, action_tables, point_tables

MOST_SIDE = 3  # 3**16 arrangements of 4x4 are beyond a table


@dataclass(frozen=True)
class QTable:
    """keys int64 [S], ascending; values float32 [S, A], outcomes for the player to move."""

    rules: Rules
    keys: NDArray[np.int64]
    values: NDArray[np.float32]

    def look_up(self, position: Position) -> NDArray[np.float32] | None:
        """Return the values [A] of all actions as this board lies; None if it is unknown."""
        if position.size != self.rules.size:
            raise HonteError(
                f"this table is for {self.rules.size}x{self.rules.size} boards, "
                f"not {position.size}x{position.size}"
            )
        keys, symmetries = canonical_keys(position.record)
        row = int(np.searchsorted(self.keys, keys[0]))
        if row == len(self.keys) or self.keys[row] != keys[0]:
            return None
        table = action_tables(position.size)[symmetries[0]]
        return np.asarray(self.values[row][table])


def check_rules(rules: Rules) -> None:
    """Refuse rules under which a row of a table would not say all that matters."""
    if rules.size > MOST_SIDE:
        raise HonteError(f"a table holds boards up to {MOST_SIDE}x{MOST_SIDE}: use a network")
    if rules.ko != "simple" or rules.move_limit is None:
        raise HonteError("a table needs rules.ko = simple and a rules.move_limit (Markov property)")


def canonical_keys(boards: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys [B] of situations and the symmetry [B] that leads to their canonical view.

    boards: records [B] (`go_env.board`) of one side.
    """
    side = int(boards["side"][0])
    points = side * side
    rows = boards["color"][:, side + 1 : (side + 1) * (side + 1)]
    stones = rows.reshape(len(boards), side, side + 1)[:, :, 1:].reshape(len(boards), points)
    tables = point_tables(side)
    powers = 3 ** np.arange(points, dtype=np.int64)
    ko_points = _ko_points(side)[boards["ko"]]
    images = np.empty((NUM_SYMMETRIES, len(boards)), np.int64)
    for symmetry in range(NUM_SYMMETRIES):
        ko = action_tables(side)[symmetry][ko_points]
        images[symmetry] = stones.astype(np.int64) @ powers[tables[symmetry]]
        images[symmetry] += ko * 3**points
    symmetries = images.argmin(axis=0)
    passed = (boards["passes"] > 0).astype(np.int64)
    above = 3**points * (points + 1)
    keys = images.min(axis=0) + above * (passed + 2 * boards["ply"].astype(np.int64))
    return keys, symmetries


@functools.cache
def _ko_points(side: int) -> NDArray[np.int64]:
    """Return the point of each cell; N*N for cell 0, which stands for no ko."""
    points = np.full((side + 1) * (side + 2), side * side, np.int64)
    for point in range(side * side):
        points[cell_of(point, side)] = point
    return points
