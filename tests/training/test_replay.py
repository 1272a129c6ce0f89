"""The replay window: rebuilt rows against direct encoding of Positions, window size, dropping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import FEATURE_SETS, encode
from go_env.rules import Rules
from go_env.symmetry import transform_points, transform_policy
from self_played import RULES, made_games, one_move, positions_of
from training.records import GameRecord
from training.replay import SHORT_TERM_MOVES, ReplayConfig, ReplayWindow, short_term_values

LARGE = ReplayConfig(first_rows=1_000_000)


def window(config: ReplayConfig = LARGE, features: str = "lean") -> ReplayWindow:
    return ReplayWindow(config, RULES, FEATURE_SETS[features])


def rows_of(games: list[GameRecord]) -> list[tuple[GameRecord, int, int]]:
    """Return (game, index of the target, ply) of all rows, oldest first."""
    return [(g, r, int(ply)) for g in games for r, ply in enumerate(g.policy_plies)]


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_rows_are_what_direct_encoding_says(features: str) -> None:
    games = list(made_games()[:12])
    replay = window(features=features)
    replay.add(games)
    rows = rows_of(games)
    assert replay.rows == len(rows)
    rng = np.random.default_rng(0)
    picks = rng.permutation(len(rows))[:80]
    symmetries = rng.integers(8, size=80)
    batch = replay.build(5, picks, symmetries)
    for i, (pick, symmetry) in enumerate(zip(picks, symmetries, strict=True)):
        game, target, ply = rows[pick]
        position = positions_of(game)[ply]
        planes = np.empty((1, FEATURE_SETS[features].num_planes, 5, 5), np.float32)
        encode(PositionBatch.of([position]), FEATURE_SETS[features], planes, int(symmetry))
        np.testing.assert_array_equal(batch.planes[i], planes[0])
        policy = transform_policy(game.policies[target].astype(np.float32), symmetry, 5)
        np.testing.assert_allclose(batch.policy[i], policy / policy.sum(), atol=1e-4)
        sign = 1 if position.to_play == 1 else -1
        owner = transform_points(game.ownership.astype(np.float32), symmetry, 5)
        np.testing.assert_array_equal(batch.ownership[i], sign * owner)
        assert batch.score[i] == sign * game.score
        assert batch.value[i] == sign * np.sign(game.score)
        assert batch.short_term_value[i] == short_term_values(game)[ply]


def test_short_term_value_in_closed_form() -> None:
    game = made_games()[0]
    length, keep = len(game.moves), 1 - 1 / SHORT_TERM_MOVES
    turn = np.where(np.arange(length) % 2 == 0, 1, -1)
    black = game.values.astype(float) * turn
    for ply in range(length):
        weights = (1 - keep) * keep ** np.arange(length - ply)
        assert weights.sum() + keep ** (length - ply) == pytest.approx(1)
        expected = (weights * black[ply:]).sum() + keep ** (length - ply) * np.sign(game.score)
        assert short_term_values(game)[ply] == pytest.approx(turn[ply] * expected, abs=1e-6)


def test_a_draw_is_worth_nothing_to_both() -> None:
    game = replace(made_games()[0], score=0.0, ownership=np.zeros(25, np.int8))
    replay = window()
    replay.add([game])
    batch = replay.build(5, np.arange(replay.rows), np.zeros(replay.rows, np.int64))
    assert not batch.value.any()
    assert not batch.score.any()


def test_window_formula_by_hand() -> None:
    # s = 1000, exponent 1/2, growth 0.4: W = s + 0.4 * 2 (sqrt(s N) - s); sqrt(4e6) = 2000.
    config = ReplayConfig(first_rows=1000, growth=0.4, exponent=0.5, most_rows=2000)
    assert [config.window_rows(n) for n in (0, 999, 1000, 4000)] == [1000, 1000, 1000, 1800]
    assert config.window_rows(10**9) == 2000
    assert ReplayConfig(first_rows=1000, most_rows=300).window_rows(10) == 300
    # The window grows by `growth` rows per new row at first.
    steep = ReplayConfig(first_rows=100_000, growth=0.4, exponent=0.65)
    assert steep.window_rows(101_000) - 100_000 == pytest.approx(400, abs=2)


def test_the_oldest_games_are_dropped_whole() -> None:
    games = [game for seed in (1, 2, 3) for game in made_games(seed)]
    config = ReplayConfig(first_rows=200, growth=0.1)
    replay = window(config)
    for start in range(0, len(games), 5):
        replay.add(games[start : start + 5])
    limit = config.window_rows(replay.rows_made)
    assert replay.games_made == len(games)
    assert replay.rows_made == len(rows_of(games)) > 3 * limit
    kept = games[len(games) - replay.games :]
    assert replay.rows == len(rows_of(kept)) >= limit
    assert len(rows_of(kept[1:])) < limit
    newest = replay.newest(replay.rows)
    assert newest is not None
    for i, (game, _, ply) in enumerate(rows_of(kept)):
        assert newest.score[i] == (1 if ply % 2 == 0 else -1) * np.float32(game.score)


def test_memory_of_dropped_games_is_given_back() -> None:
    games = [replace(g, score=float(i)) for i, g in enumerate(made_games() * 20)]
    config = ReplayConfig(first_rows=1500, growth=0.0001)
    replay = window(config)
    for start in range(0, len(games), 7):
        replay.add(games[start : start + 7])
        newest = replay.newest(3)
        assert newest is not None
        assert set(np.abs(newest.score)) <= {float(i) for i in range(start - 1, start + 7)}
    shelf = replay._shelves[5]
    assert shelf.row_game.used < 6 * replay.rows
    kept = games[len(games) - replay.games :]
    batch = replay.newest(replay.rows)
    assert batch is not None
    expected = [(1 if ply % 2 == 0 else -1) * game.score for game, _, ply in rows_of(kept)]
    np.testing.assert_array_equal(batch.score, expected)
    planes = np.empty((1, 15, 5, 5), np.float32)
    for i, (game, _, ply) in list(enumerate(rows_of(kept)))[::97]:
        encode(PositionBatch.of([positions_of(game)[ply]]), FEATURE_SETS["lean"], planes)
        np.testing.assert_array_equal(batch.planes[i], planes[0])


def test_samples_are_rows_of_the_window_under_all_symmetries() -> None:
    games = list(made_games())
    replay = window(ReplayConfig(first_rows=100, growth=0.01))
    replay.add(games)
    kept = games[len(games) - replay.games :]
    batch = replay.sample(600, np.random.default_rng(5))
    scores = {np.float32(sign * game.score) for game in kept for sign in (1, -1)}
    assert set(batch.score) <= scores
    upright = replay.newest(replay.rows)
    assert upright is not None
    known = {row.tobytes() for row in upright.planes}
    share = np.mean([row.tobytes() in known for row in batch.planes])
    assert 0.05 < share < 0.5  # 1/8, and more for symmetric positions


def test_without_symmetries_all_samples_are_upright() -> None:
    replay = window(ReplayConfig(first_rows=100, growth=0.01, symmetries=False))
    replay.add(made_games())
    upright = replay.newest(replay.rows)
    assert upright is not None
    known = {row.tobytes() for row in upright.planes}
    batch = replay.sample(100, np.random.default_rng(5))
    assert {row.tobytes() for row in batch.planes} <= known


def test_sizes_are_drawn_by_their_share_of_the_rows() -> None:
    replay = window()
    small = [one_move(3, 0)] * 300
    replay.add([*small, *made_games()])
    share = 300 / replay.rows
    rng = np.random.default_rng(0)
    drawn = [replay.sample(4, rng).planes.shape[-1] for _ in range(300)]
    assert drawn.count(3) / 300 == pytest.approx(share, abs=0.1)


def test_an_empty_window_says_so() -> None:
    with pytest.raises(HonteError, match="empty"):
        window().sample(4, np.random.default_rng(0))
    assert window().newest(1) is None


def test_ko_rule_of_the_run_reaches_the_planes() -> None:
    # After a ko was taken, "forbidden by ko" is marked under any ko rule: point 6.
    moves = np.array([1, 2, 4, 7, 9, 10, 6, 5, 15], np.int16)
    policies = np.zeros((1, 17), np.float16)
    policies[0, 15] = 1
    base = made_games()[0]
    game = replace(
        base, size=4, moves=moves, values=np.zeros(9, np.float16), policies=policies,
        policy_plies=np.array([8], np.int16), ownership=np.zeros(16, np.int8),
    )  # fmt: skip
    for ko in ("positional", "situational", "simple"):
        replay = ReplayWindow(LARGE, Rules(4, 0.5, ko, suicide=False), FEATURE_SETS["lean"])  # type: ignore[arg-type]
        replay.add([game])
        planes = replay.build(4, np.array([0]), np.array([0])).planes[0]
        assert np.flatnonzero(planes[7]).tolist() == [6]
