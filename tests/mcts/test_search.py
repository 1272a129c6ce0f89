"""What a search promises: independence of games, exact ends, bans, noise, full trees, tactics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from games import random_positions
from go_env.batch import PositionBatch
from go_env.coords import BLACK
from go_env.diagram import parse_position
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.evaluator import Evaluation, UniformEvaluator
from mcts.rollout import RolloutEvaluator
from mcts.root import draw_noise
from mcts.search import Search, SearchResult

RULES = Rules(5, 0.5)
CONFIGS = {root: SearchConfig(root=root) for root in ("gumbel", "puct")}  # type: ignore[arg-type]
PASS = 25


def search_of(
    positions: list[Position], config: SearchConfig, max_nodes: int = 200, seed: int = 0
) -> Search:
    rules = positions[0].rules
    search = Search(HashEvaluator(rules.size, seed), config, rules, len(positions), max_nodes)
    search.set_positions(positions)
    return search


def row(result: SearchResult, game: int) -> list[np.ndarray]:
    return [getattr(result, name)[game] for name in vars(result)]


@pytest.mark.parametrize("root", CONFIGS)
def test_a_game_does_not_know_its_neighbors(root: str) -> None:
    positions = random_positions(RULES, 17, seed=1)
    rng = np.random.default_rng(0)
    together = search_of(positions, CONFIGS[root])
    noise = [draw_noise(CONFIGS[root], rng, np.full(17, 20), 26) for _ in range(2)]
    first = together.run(30, noise=noise[0])
    together.play(first.action)
    second = together.run(30, noise=noise[1])
    for game in (0, 5, 16):
        alone = search_of([positions[game]], CONFIGS[root])
        for result, rows in ((first, noise[0]), (second, noise[1])):
            assert rows is not None
            mine = alone.run(30, noise=rows[game : game + 1])
            for one, other in zip(row(mine, 0), row(result, game), strict=True):
                np.testing.assert_array_equal(one, other)
            alone.play(mine.action)


@pytest.mark.parametrize("root", CONFIGS)
def test_leaves_of_all_games_are_judged_together(root: str) -> None:
    evaluator = HashEvaluator(RULES.size)
    search = Search(evaluator, CONFIGS[root], RULES, games=8, max_nodes=200)
    search.set_positions([Position.initial(RULES)] * 8)
    search.run(20)
    assert evaluator.batches == [8] * 21
    assert search.evaluations == 168


def test_games_may_ask_for_different_numbers() -> None:
    positions = random_positions(RULES, 4, seed=3)
    together = search_of(positions, CONFIGS["gumbel"])
    budgets = np.array([5, 0, 17, 30], np.int32)
    result = together.run(budgets)
    np.testing.assert_array_equal(result.visits.sum(axis=1), budgets)
    assert not result.policy[1].any()
    for game in (0, 2, 3):
        alone = search_of([positions[game]], CONFIGS["gumbel"]).run(int(budgets[game]))
        np.testing.assert_array_equal(alone.policy[0], result.policy[game])


@pytest.mark.parametrize("root", CONFIGS)
def test_a_game_that_is_over_has_its_exact_value(root: str) -> None:
    positions = [p.play(PASS) for p in random_positions(RULES, 20, seed=5)]
    positions = [position for position in positions if not position.ended]
    result = search_of(positions, CONFIGS[root]).run(60)
    seen = 0
    for game, position in enumerate(positions):
        visits = int(result.visits[game, PASS])
        if visits:
            outcome = position.play(PASS).outcome(position.to_play)
            assert result.totals[game, PASS] == outcome * visits
            seen += 1
    assert seen > 10


class FixedEvaluator(UniformEvaluator):
    """Every position is worth 0.5 and 5 points to the player to move."""

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        even, count = super().evaluate(batch), len(batch)
        return replace(
            even, value=np.full(count, 0.5, np.float32), score=np.full(count, 5, np.float32)
        )


def test_values_may_hold_a_share_of_the_score() -> None:
    # Empty board, komi 15, White to move after a pass: a second pass wins by 15 points.
    # A lead of as many points as the board has lines is worth 2/pi * atan(1) = 0.5.
    position = Position.initial(Rules(5, 15.0)).play(PASS)
    config = replace(CONFIGS["puct"], score_weight=0.4)
    search = Search(FixedEvaluator(), config, position.rules, 1, 100)
    search.set_positions([position])
    result = search.run(60)
    assert result.raw_value[0] == pytest.approx(0.6 * 0.5 + 0.4 * 0.5)
    win = 0.6 + 0.4 * 2 / np.pi * np.arctan(15 / 5)
    assert result.totals[0, PASS] == pytest.approx(win * result.visits[0, PASS], rel=1e-5)
    lost = Search(FixedEvaluator(), config, position.rules, 1, 100)
    lost.set_positions([Position.initial(Rules(5, -15.0)).play(PASS)])
    loss = lost.run(60)
    assert loss.totals[0, PASS] == pytest.approx(-win * loss.visits[0, PASS], rel=1e-5)


def test_a_share_of_the_score_needs_scores() -> None:
    position = Position.initial(Rules(5, 0.5))
    with pytest.raises(HonteError, match="needs an evaluator that tells scores"):
        search_of([position], SearchConfig(score_weight=0.1)).run(2)


def test_a_draw_is_worth_nothing() -> None:
    position = Position.initial(Rules(5, 0.0)).play(PASS)
    result = search_of([position], CONFIGS["puct"]).run(200)
    assert result.visits[0, PASS] > 0
    assert result.totals[0, PASS] == 0


def test_the_move_limit_ends_games_below_the_root() -> None:
    position = Position.initial(Rules(5, 0.5, move_limit=1))
    result = search_of([position], CONFIGS["puct"]).run(100)
    tried = np.flatnonzero(result.visits[0, :PASS])
    np.testing.assert_array_equal(
        result.totals[0, tried], result.visits[0, tried]
    )  # Black owns all
    assert result.totals[0, PASS] == -result.visits[0, PASS]  # an empty board, komi 0.5


@pytest.mark.parametrize("interior", ["gumbel", "puct"])
@pytest.mark.parametrize("root", CONFIGS)
@pytest.mark.parametrize("max_nodes", [1, 2, 7])
def test_full_trees_go_on(root: str, interior: str, max_nodes: int) -> None:
    config = replace(CONFIGS[root], interior=interior)
    positions = random_positions(RULES, 6, seed=7)
    search = search_of(positions, config, max_nodes)
    for _ in range(4):
        result = search.run(50)
        assert (search.forest.states["num_nodes"] <= max_nodes).all()
        nodes, visits = search.forest.nodes, result.visits.sum(axis=1)
        np.testing.assert_array_equal(nodes["visits"][:, 0] - 1, visits)
        assert (visits >= 50).all()
        assert (np.abs(result.totals) <= result.visits + 1e-3).all()
        np.testing.assert_allclose(result.policy.sum(axis=1), 1, atol=1e-5)
        legal = np.array([position.legal() for position in positions])
        assert not result.visits[~legal].any()
        positions = [p.play(int(a)) for p, a in zip(positions, result.action, strict=True)]
        if any(position.ended for position in positions):
            break
        search.play(result.action)


def test_a_tree_of_one_node_is_a_bandit_on_the_evaluator() -> None:
    position = Position.initial(RULES)
    search = search_of([position], CONFIGS["puct"], max_nodes=1)
    result = search.run(80)
    judge = HashEvaluator(5)
    for action in np.flatnonzero(result.visits[0]):
        batch = PositionBatch.of([position.play(int(action))], 0)
        expected = -judge.evaluate(batch).value[0] * result.visits[0, action]
        assert result.totals[0, action] == pytest.approx(expected, rel=1e-5)


SETTLED = """
. X . O . .
X X X O O O
. . X O . .
X X X O O O
X X X O . .
. X X O O O
"""
# Black's eyes A6 and A1 (and more) make the left side alive without condition, White's lie right.


@pytest.mark.parametrize("root", CONFIGS)
@pytest.mark.parametrize("to_play", [1, 2])
def test_settled_points_are_not_played(root: str, to_play: int) -> None:
    position = parse_position(SETTLED, Rules(6, 0.5), to_play)
    alive = position.pass_alive()
    assert (alive[[0, 5, 30, 35]] == [1, 2, 1, 2]).all()
    result = search_of([position], CONFIGS[root]).run(40)
    assert not result.visits[0, :36][alive != 0].any()
    assert not result.policy[0, :36][alive != 0].any()
    free = search_of([position], replace(CONFIGS[root], prune_pass_alive=False)).run(40)
    assert free.visits[0, :36][alive != 0].any()


def test_dead_stones_may_be_taken_off() -> None:
    # With a white stone inside Black's territory, Black may play there and White may not.
    rows = SETTLED.replace("\n. . X O", "\n. O X O")
    for to_play in (1, 2):
        position = parse_position(rows, Rules(6, 0.5), to_play)
        alive = position.pass_alive()
        assert alive[13] == 1  # the dead stone's point is Black's
        search = search_of([position], CONFIGS["puct"])
        search.run(1)
        assert bool(search.forest.banned[0, 12]) == (to_play == 2)
        assert search.forest.banned[0, 4]  # White's territory is closed to both
        assert not search.forest.banned[0, 36]  # a pass never is


def test_nothing_is_settled_when_the_move_limit_is_near() -> None:
    # A last move at D5, a dead stone that nobody takes off, leaves four of White's points neutral.
    rows = "\nXXO..\nXXO..\n.XOOO\nXXO.O\nXXOO.\n"
    for limit, banned in ((1, False), (11, True)):
        position = parse_position(rows, Rules(5, -1.5, move_limit=limit))
        search = Search(UniformEvaluator(), CONFIGS["puct"], position.rules, 1, 100)
        search.set_positions([position])
        action = int(search.run(64).action[0])
        assert bool(search.forest.banned[0, 3]) == banned
        assert banned or position.play(action).winner() == BLACK


def test_banned_moves_of_a_kept_tree_are_not_chosen() -> None:
    # Black alone on the board: what is alive depends on the last move, the kept visits do not.
    config = replace(CONFIGS["puct"], c_puct=5.0)
    for start in random_positions(Rules(4, 0.5), 30, seed=2):
        search = search_of([start], config)
        position = start
        for _ in range(6):
            result = search.run(40)
            alive = position.pass_alive()
            own, stones = position.to_play, position.board.ravel()
            open_own = ((alive == own) & (stones == 3 - own)).any()
            closed = (alive == 3 - own) | ((alive == own) & ~open_own)
            assert not result.policy[0, :16][closed].any()
            position = position.play(int(result.action[0]))
            if position.ended:
                break
            search.play(result.action)


def test_dirichlet_noise_is_a_share_of_the_priors() -> None:
    config = SearchConfig(root="puct", dirichlet_fraction=0.25, dirichlet_alpha=0.3)
    positions = [*random_positions(RULES, 6, seed=8)]
    noise = np.random.default_rng(0).gamma(0.3, size=(6, 26)).astype(np.float32)
    clean = search_of(positions, config).run(2).prior
    noisy = search_of(positions, config).run(2, noise=noise).prior
    np.testing.assert_allclose(noisy.sum(axis=1), 1, atol=1e-5)
    for game, position in enumerate(positions):
        allowed = position.legal()
        alive = position.pass_alive()
        if alive.any():
            continue
        share = np.where(allowed, noise[game], 0) / noise[game][allowed].sum()
        np.testing.assert_allclose(noisy[game], 0.75 * clean[game] + 0.25 * share, atol=1e-5)


def test_noise_leaves_no_trace_in_the_priors() -> None:
    position = random_positions(RULES, 1, seed=8)[0]
    noise = np.random.default_rng(0).gamma(0.3, size=(1, 26)).astype(np.float32)
    clean = search_of([position], CONFIGS["puct"]).run(2).prior
    search = search_of([position], CONFIGS["puct"])
    noisy, again = (search.run(20, noise=noise).prior for _ in range(2))
    np.testing.assert_array_equal(noisy, again)
    assert not np.array_equal(noisy, clean)
    np.testing.assert_array_equal(search.run(20).prior, clean)


def test_noise_has_the_moments_it_should_have() -> None:
    rng = np.random.default_rng(0)
    counts = np.full(4000, 26)
    gumbel = draw_noise(SearchConfig(gumbel_scale=2.0), rng, counts, 26)
    assert gumbel is not None
    assert gumbel.mean() == pytest.approx(2 * 0.5772, abs=0.02)
    assert gumbel.std() == pytest.approx(2 * np.pi / 6**0.5, abs=0.02)
    gamma = draw_noise(SearchConfig(root="puct"), rng, counts, 26)
    assert gamma is not None
    shares = gamma / gamma.sum(axis=1, keepdims=True)
    alpha = 10.83 / 26  # variance of one share: (1/26)(25/26) / (10.83 + 1)
    assert shares.var() == pytest.approx((1 / 26) * (25 / 26) / (26 * alpha + 1), rel=0.05)
    assert draw_noise(SearchConfig(gumbel_scale=0), rng, counts, 26) is None
    assert draw_noise(SearchConfig(root="puct", dirichlet_fraction=0), rng, counts, 26) is None


def test_gumbel_samples_the_policy() -> None:
    # One simulation: the action with the largest log prior + noise, a draw from the prior.
    games = 3000
    search = Search(HashEvaluator(3), SearchConfig(), Rules(3, 0.5), games, 2)
    search.set_positions([Position.initial(Rules(3, 0.5))] * games)
    result = search.run(1, np.random.default_rng(0))
    share = np.bincount(result.action, minlength=10) / games
    np.testing.assert_allclose(share, result.prior[0], atol=0.03)


def test_forced_playouts_are_made_and_pruned_away() -> None:
    config = SearchConfig(root="puct", forced_playouts=2.0, dirichlet_fraction=0.0)
    positions = random_positions(RULES, 8, seed=4)
    result = search_of(positions, config).run(150)
    plain = search_of(positions, replace(config, forced_playouts=0.0)).run(150)
    for game in range(8):
        visits, prior = result.visits[game], result.prior[game]
        tried = visits > 0
        assert (visits[tried] >= np.floor(np.sqrt(2 * prior[tried] * 149)) - 1).all()
    shares = plain.visits / plain.visits.sum(axis=1, keepdims=True)
    raw = result.visits / result.visits.sum(axis=1, keepdims=True)
    assert np.abs(result.policy - shares).sum() < np.abs(raw - shares).sum()


def test_nonsense_from_an_evaluator_becomes_a_uniform_policy() -> None:
    class Broken(UniformEvaluator):
        def evaluate(self, batch):  # type: ignore[no-untyped-def]
            answer = super().evaluate(batch)
            answer.policy[:] = np.nan
            return answer

    search = Search(Broken(), CONFIGS["puct"], RULES, 1, 50)
    search.set_positions([Position.initial(RULES)])
    np.testing.assert_allclose(search.run(10).prior[0], 1 / 26, atol=1e-6)


def test_history_of_the_root_counts() -> None:
    # White took a ko at 5: Black may not take back at once, in the tree as on the board.
    position = Position.from_moves(Rules(4, 0.5), [1, 2, 4, 7, 9, 10, 6, 5])
    result = search_of([position], CONFIGS["puct"]).run(100)
    assert result.prior[0, 6] == 0
    assert not result.visits[0, 6]


def test_other_sizes_are_refused() -> None:
    search = search_of([Position.initial(RULES)], CONFIGS["puct"])
    with pytest.raises(HonteError, match="5x5"):
        search.set_positions([Position.initial(Rules(4))])


def rollout_choice(position: Position, simulations: int = 400) -> tuple[int, float]:
    config = SearchConfig(root="puct", dirichlet_fraction=0.0, c_puct=1.4, fpu_reduction=0.0)
    search = Search(RolloutEvaluator(1), config, position.rules, 1, simulations + 2)
    search.set_positions([position])
    result = search.run(simulations)
    return int(result.action[0]), float(result.value[0])


RACE = """
. X X X X
. O O O O
. X X X X
. . O O .
. . . . .
"""


@pytest.mark.parametrize(("to_play", "best"), [(1, 5), (2, 0)])
def test_who_is_first_wins_the_race(to_play: int, best: int) -> None:
    # A5 is the last liberty of Black's upper chain, A4 that of White's: whoever plays takes four.
    action, value = rollout_choice(parse_position(RACE, Rules(5, 2.5), to_play))
    assert action == best
    assert value > 0


def test_three_by_three_opens_at_the_center() -> None:
    # Black's center wins the whole board, 9 points; nothing else does.
    assert rollout_choice(Position.initial(Rules(3, 8.5)), 3000)[0] == 4


def negamax(position: Position) -> int:
    """Return the exact outcome for the player to move."""
    if position.ended:
        return position.outcome(position.to_play)
    return max(-negamax(position.play(int(a))) for a in np.flatnonzero(position.legal()))


def test_short_games_are_solved_without_any_knowledge() -> None:
    for seed in range(8):
        played = random_positions(Rules(3, 0.5), 1, seed)[0]
        rules = Rules(3, 0.5, move_limit=played.ply + 3)
        position = played.with_rules(rules)
        search = Search(UniformEvaluator(), CONFIGS["puct"], rules, 1, 3002)
        search.set_positions([position])
        result = search.run(3000)
        outcome = negamax(position)
        assert -negamax(position.play(int(result.action[0]))) == outcome
        assert result.value[0] == pytest.approx(outcome, abs=0.35)
