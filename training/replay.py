"""The replay window: the newest games, from which training batches are rebuilt by replaying moves.

Only moves and targets are kept (a 9x9 row costs some 170 bytes); the planes of a drawn position are
made on the spot by the same kernels that search uses, under a random symmetry. So nothing here
depends on the feature set, and old games serve any network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from go_env.board import fill_legal, play, record_position
from go_env.coords import BLACK
from go_env.errors import HonteError
from go_env.features import ZERO, FeatureSet, encode_lean_one, encode_zero_one
from go_env.jit import kernel
from go_env.layout import clear, new_boards
from go_env.rules import Rules
from go_env.symmetry import NUM_SYMMETRIES, action_tables
from training.records import GameRecord

POLICY_UNITS = 65535.0
SHORT_TERM_MOVES = 6.0  # horizon of the short-term value, in moves; KataGo: 6, 16, 50 on 19x19


@dataclass(frozen=True)
class ReplayConfig:
    """How much of the past is trained on, and how often.

    The window grows with the number of rows N made so far (KataGo's shuffler):
    W = first_rows + growth * (N^exponent - s^exponent) / (exponent * s^(exponent - 1))
    with s = first_rows.
    """

    first_rows: int = 30_000  # KataGo: 250,000
    growth: float = 0.4
    exponent: float = 0.65
    most_rows: int = 2_000_000  # in use; until it is tidied up, memory holds two to three times it
    reuse: float = 6.0  # training samples per new row; KataGo: 4 to 8
    first_reuse: float = 0.0  # at the start of the run, from there linearly to reuse; 0: as reuse
    start_rows: int = 2_000  # rows before the first training step
    symmetries: bool = True  # each row is drawn under one of the board's eight (AlphaGo Zero)

    def __post_init__(self) -> None:
        if min(self.first_rows, self.start_rows, self.most_rows) < 1 or self.reuse <= 0:
            raise HonteError("replay rows and reuse must be positive")
        if min(self.first_reuse, self.growth) < 0:
            raise HonteError("replay first_reuse and growth must not be negative")
        if not 0 < self.exponent <= 1:
            raise HonteError("replay.exponent must be above 0 and at most 1")

    def reuse_at(self, progress: float) -> float:
        """Return the samples that a new row pays for, `progress` of the run being over."""
        first = self.first_reuse or self.reuse
        return first + (self.reuse - first) * progress

    def window_rows(self, made: int) -> int:
        """Return the size of the window after `made` rows."""
        s, e = float(self.first_rows), self.exponent
        if made <= s:
            return min(self.first_rows, self.most_rows)
        grown = self.growth * (float(made) ** e - s**e) / (e * s ** (e - 1))
        return int(min(s + grown, self.most_rows))


@dataclass(frozen=True)
class Batch:
    """B training positions of one board size, for the player to move, under random symmetries."""

    planes: NDArray[np.float32]  # [B, C, N, N]
    policy: NDArray[np.float32]  # [B, A] sums to 1
    value: NDArray[np.float32]  # [B] +1, 0, -1
    short_term_value: NDArray[np.float32]  # [B]
    score: NDArray[np.float32]  # [B] points
    ownership: NDArray[np.float32]  # [B, N*N] +1, 0, -1


class ReplayWindow:
    """The newest games of all board sizes, newest last."""

    def __init__(self, config: ReplayConfig, rules: Rules, features: FeatureSet) -> None:
        self.config = config
        self.features = features
        self._rules = rules
        self._shelves: dict[int, _Shelf] = {}
        self._order: deque[tuple[int, int]] = deque()  # (size, rows) of each game, oldest first
        self.rows = 0
        self.rows_made = 0  # since the start of the run, also those that have left the window
        self.games_made = 0

    @property
    def games(self) -> int:
        return len(self._order)

    @property
    def is_filled(self) -> bool:
        """Whether it has seen the rows that learning waits for, and still holds some."""
        return self.rows > 0 and self.rows_made >= self.config.start_rows

    def add(self, games: Iterable[GameRecord]) -> None:
        """Take in games and drop the oldest that the window no longer holds."""
        for game in games:
            shelf = self._shelves.setdefault(game.size, _Shelf(game.size))
            shelf.append(game)
            rows = len(game.policy_plies)
            self._order.append((game.size, rows))
            self.rows += rows
            self.rows_made += rows
            self.games_made += 1
        limit = self.config.window_rows(self.rows_made)
        while len(self._order) > 1 and self.rows - self._order[0][1] >= limit:
            size, rows = self._order.popleft()
            self._shelves[size].drop_oldest()
            self.rows -= rows

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """Draw `count` rows of one board size; a size is drawn by its share of the rows."""
        sizes = [size for size, shelf in self._shelves.items() if shelf.rows]
        if not sizes:
            raise HonteError("the replay window is empty")
        shares = np.array([self._shelves[size].rows for size in sizes], float)
        size = sizes[int(rng.choice(len(sizes), p=shares / shares.sum()))]
        shelf = self._shelves[size]
        picks = shelf.first_row + rng.integers(shelf.rows, size=count)
        views = rng.integers(NUM_SYMMETRIES if self.config.symmetries else 1, size=count)
        return self.build(size, picks, views)

    def newest(self, count: int) -> Batch | None:
        """Return the newest `count` rows of the size with most rows, upright; None: too few."""
        size = max(self._shelves, key=lambda s: self._shelves[s].rows, default=0)
        if not size or self._shelves[size].rows < count:
            return None
        shelf = self._shelves[size]
        last = shelf.first_row + shelf.rows
        return self.build(size, np.arange(last - count, last), np.zeros(count, np.int64))

    def build(self, size: int, picks: NDArray[np.int64], symmetries: NDArray[np.int64]) -> Batch:
        """Return the chosen rows (indices into the shelf of that size) as a batch."""
        shelf, count, points = self._shelves[size], len(picks), size * size
        batch = Batch(
            planes=np.empty((count, self.features.num_planes, size, size), np.float32),
            policy=np.empty((count, points + 1), np.float32),
            value=np.empty(count, np.float32),
            short_term_value=np.empty(count, np.float32),
            score=np.empty(count, np.float32),
            ownership=np.empty((count, points), np.float32),
        )
        rules = Rules(size, 0.0, self._rules.ko, self._rules.suicide)
        scratch = new_boards(1, rules)
        history = self.features.history
        _build_rows(
            scratch, np.zeros((1, shelf.longest + 2), np.uint64),
            np.zeros((1, history, points), np.int8), np.zeros((1, points + 1), np.uint8),
            picks, symmetries, action_tables(size),
            shelf.row_game.data, shelf.row_ply.data, shelf.row_short.data,
            shelf.row_policy.data,
            shelf.game_start.data, shelf.game_komi.data, shelf.game_score.data,
            shelf.game_owner.data, shelf.moves.data, self.features == ZERO,
            batch.planes.reshape(count, -1, points), batch.policy, batch.value,
            batch.short_term_value, batch.score, batch.ownership,
        )  # fmt: skip
        return batch


class _Column:
    """A growing array whose oldest rows can be forgotten; absolute index i lies at i - base."""

    def __init__(self, dtype: type, width: int | None = None) -> None:
        shape = (1024,) if width is None else (1024, width)
        self.data: NDArray[Any] = np.zeros(shape, dtype)
        self.used = 0

    def extend(self, values: NDArray[np.generic]) -> None:
        needed = self.used + len(values)
        if needed > len(self.data):
            grown = np.zeros(
                (max(needed, 2 * len(self.data)), *self.data.shape[1:]), self.data.dtype
            )
            grown[: self.used] = self.data[: self.used]
            self.data = grown
        self.data[self.used : needed] = values
        self.used = needed

    def forget(self, count: int) -> None:
        """Drop the first `count` rows; the rest moves to the front."""
        rest = self.data[count : self.used].copy()
        self.data[: len(rest)] = rest
        self.used = len(rest)


class _Shelf:
    """Games of one size in flat arrays. Indices into `row_*` and `game_*` are plain positions."""

    def __init__(self, size: int) -> None:
        points = size * size
        self.moves = _Column(np.int16)
        self.game_start = _Column(np.int64)  # index of the first move; one more entry than games
        self.game_start.extend(np.zeros(1, np.int64))
        self.game_komi = _Column(np.float32)
        self.game_score = _Column(np.float32)
        self.game_owner = _Column(np.int8, points)
        self.game_rows = _Column(np.int64)
        self.row_game = _Column(np.int64)
        self.row_ply = _Column(np.int16)
        self.row_short = _Column(np.float32)
        self.row_policy = _Column(np.uint16, points + 1)  # in units of 1 / POLICY_UNITS
        self.first_game = 0
        self.first_row = 0
        self.longest = 0

    @property
    def rows(self) -> int:
        return self.row_game.used - self.first_row

    def append(self, game: GameRecord) -> None:
        index = self.game_komi.used
        self.moves.extend(game.moves)
        self.game_start.extend(np.array([self.moves.used]))
        self.game_komi.extend(np.array([game.komi]))
        self.game_score.extend(np.array([game.score]))
        self.game_owner.extend(game.ownership[None])
        self.game_rows.extend(np.array([len(game.policy_plies)]))
        self.row_game.extend(np.full(len(game.policy_plies), index))
        self.row_ply.extend(game.policy_plies)
        self.row_short.extend(short_term_values(game)[game.policy_plies])
        scaled = game.policies.astype(np.float32) * POLICY_UNITS
        self.row_policy.extend(np.round(scaled))
        self.longest = max(self.longest, len(game.moves))

    def drop_oldest(self) -> None:
        self.first_row += int(self.game_rows.data[self.first_game])
        self.first_game += 1
        if self.first_row > max(4096, self.row_game.used // 2):
            self._compact()

    def _compact(self) -> None:
        """Give back the memory of dropped games."""
        games, rows = self.first_game, self.first_row
        moves = int(self.game_start.data[games])
        self.moves.forget(moves)
        self.game_start.forget(games)
        self.game_start.data[: self.game_start.used] -= moves
        for column in (self.game_komi, self.game_score, self.game_owner, self.game_rows):
            column.forget(games)
        for column in (self.row_game, self.row_ply, self.row_short, self.row_policy):
            column.forget(rows)
        self.row_game.data[: self.row_game.used] -= games
        self.first_game = self.first_row = 0


def short_term_values(game: GameRecord) -> NDArray[np.float32]:
    """Return [T]: an exponentially weighted mean of the next moves' values, to move at each ply.

    The horizon is SHORT_TERM_MOVES; the final outcome stands in for what lies beyond the end.
    """
    sign = np.where(np.arange(len(game.moves)) % 2 == 0, 1.0, -1.0)  # Black moves first
    black_values = game.values.astype(np.float64) * sign
    ahead = float(np.sign(game.score))
    keep = 1.0 - 1.0 / SHORT_TERM_MOVES
    result = np.empty(len(game.moves))
    for ply in range(len(game.moves) - 1, -1, -1):
        ahead = keep * ahead + (1.0 - keep) * black_values[ply]
        result[ply] = ahead
    return (result * sign).astype(np.float32)


@kernel(allocates=True)
def _build_rows(
    boards, hashes, snapshots, legal, picks, symmetries, tables,
    row_game, row_ply, row_short, row_policy,
    game_start, game_komi, game_score, game_owner, moves, zero,
    planes, policy, value, short_term_value, score, ownership,
):  # fmt: skip
    """Rebuild the picked rows into the batch arrays."""
    b = boards[0]
    points = np.int64(b.side) * np.int64(b.side)
    scratch = np.empty((3, b.color.shape[0]), np.int16)
    for i in range(len(picks)):
        row = picks[i]
        game, table = row_game[row], tables[symmetries[i]]
        clear(b)
        b.komi = game_komi[game]
        record_position(b, hashes, 0, snapshots, 0)
        start = game_start[game]
        for move in range(start, start + row_ply[row]):
            play(b, hashes, 0, snapshots, 0, np.int64(moves[move]))
        if zero:
            encode_zero_one(b, snapshots, 0, table, planes, i)
        else:
            fill_legal(b, hashes, 0, legal, 0)
            encode_lean_one(b, legal, 0, table, scratch, planes, i)
        sign = np.float32(1.0 if b.to_play == BLACK else -1.0)
        total = np.float32(0.0)
        for action in range(points + 1):
            total += row_policy[row, action]
        for action in range(points + 1):
            policy[i, table[action]] = row_policy[row, action] / total
        for point in range(points):
            ownership[i, table[point]] = sign * game_owner[game, point]
        margin = sign * game_score[game]
        score[i] = margin
        value[i] = 1.0 if margin > 0 else (-1.0 if margin < 0 else 0.0)
        short_term_value[i] = row_short[row]
