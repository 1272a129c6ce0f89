"""Self-play: what the records say is what happened on the board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from go_env.batch import PositionBatch
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from self_played import CONFIG, RULES, made_games, plan, player, positions_of, same
from training.records import LIMIT, PASSES, SETTLED, why_refused
from training.self_play import SelfPlayConfig

ROOTS = ("gumbel", "puct")


@pytest.mark.parametrize("root", ROOTS)
def test_moves_and_results_follow_the_rules(root: str) -> None:
    games = made_games(root=root)
    assert len(games) >= 30
    for game in games:
        assert why_refused(game, CONFIG.rules(RULES, 5)) is None
        final = positions_of(game)[-1]
        if game.ending == SETTLED:
            owner = np.where(final.pass_alive() == 1, 1, -1)
            assert final.pass_alive().all()
        else:
            owner = final.ownership()
            assert (final.score(), len(game.moves) == 57) == (game.score, game.ending == LIMIT)
        np.testing.assert_array_equal(game.ownership, owner)
        assert game.score == owner.sum() - game.komi
        assert (game.ending == PASSES) == (list(game.moves[-2:]) == [25, 25])


@pytest.mark.parametrize("root", ROOTS)
def test_games_end_at_once_when_they_are_over(root: str) -> None:
    for game in made_games(root=root):
        assert not any(position.ended for position in positions_of(game)[:-1])
        assert len(game.moves) <= 57  # 2.2 * 25 + 2


@pytest.mark.parametrize("root", ROOTS)
def test_targets_are_distributions_over_legal_moves(root: str) -> None:
    rows = 0
    for game in made_games(root=root):
        positions = positions_of(game)
        assert (np.diff(game.policy_plies) > 0).all()
        assert (game.policy_plies >= game.opening).all()
        for ply, policy in zip(game.policy_plies, game.policies, strict=True):
            assert policy[~positions[ply].legal()].sum() == 0
            assert policy.astype(float).sum() == pytest.approx(1, abs=0.01)
            rows += 1
        assert np.abs(game.values).max() <= 1
        assert len(game.values) == len(game.moves)
    assert rows > 200


def test_numbers_of_games_are_unique_and_counted_from_the_first() -> None:
    assert sorted(game.game_id for game in made_games()) == list(
        range(1001, 1001 + len(made_games()))
    )


def test_rollouts_do_not_count_as_values_of_a_network() -> None:
    """One random game lies far from what a search thinks: no sign that a network is lost."""
    for rollouts in (False, True):
        games = player().play(60, replace(plan(), rollouts=rollouts))
        assert {game.raw_gap > 0 for game in games} == {not rollouts}


def test_the_seed_decides_everything() -> None:
    games, again, other = (player(seed=seed).play(40, plan()) for seed in (4, 4, 5))
    assert len(games) == len(again) > 3
    assert all(same(a, b) for a, b in zip(games, again, strict=True))
    assert not all(same(a, b) for a, b in zip(games, other, strict=False))


@pytest.mark.parametrize(("groups", "threads"), [(2, 1), (2, 2), (1, 0)])
def test_groups_and_threads_make_the_same_games(groups: int, threads: int) -> None:
    plain = player(seed=4).play(40, plan())
    config = replace(CONFIG, groups=groups, threads=threads)
    piped = player(config=config, seed=4).play(40, plan())
    assert len(plain) == len(piped) > 3
    assert all(same(a, b) for a, b in zip(plain, piped, strict=True))


def test_calls_do_not_cut_games() -> None:
    whole = player(seed=4).play(40, plan())
    stretched = player(seed=4)
    parts = [game for _ in range(20) for game in stretched.play(2, plan())]
    assert len(whole) == len(parts)
    assert all(same(a, b) for a, b in zip(whole, parts, strict=True))


def test_records_do_not_change_afterwards() -> None:
    makers = player(seed=4)
    games = makers.play(30, plan())
    copies = [replace(g, moves=g.moves.copy(), policies=g.policies.copy()) for g in games]
    makers.play(30, plan())
    assert all(same(a, b) for a, b in zip(games, copies, strict=True))


def test_fast_searches_have_no_target() -> None:
    slow = replace(CONFIG, fast_fraction=0.0, decided_value=2.0, opening_moves=0.0)
    games = player(config=slow).play(60, plan())
    assert all(list(game.policy_plies) == list(range(len(game.moves))) for game in games)
    assert all(game.opening == 0 for game in games)
    quick = replace(slow, fast_fraction=0.9)
    games = player(config=quick).play(60, plan())
    share = sum(len(g.policy_plies) for g in games) / sum(len(g.moves) for g in games)
    assert 0.02 < share < 0.25


def test_decided_games_are_played_out_without_targets() -> None:
    # The table's opinions are arbitrary, so a leader who stays the same for two moves is rare but
    # happens; with a bound that everything passes, it is the sign that decides.
    config = replace(
        CONFIG, fast_fraction=0.0, opening_moves=0.0, decided_value=0.0, decided_moves=2
    )
    for game in player(config=config).play(60, plan()):
        black = np.sign(game.values) * np.where(np.arange(len(game.moves)) % 2 == 0, 1, -1)
        streak, light = 0, []
        for ply in range(len(game.moves)):
            light.append(streak >= 2)
            streak = streak + 1 if ply and black[ply] == black[ply - 1] else 1
        expected = [ply for ply in range(len(game.moves)) if not light[ply]]
        assert list(game.policy_plies) == expected


def test_no_pass_alive_point_is_filled() -> None:
    config = replace(CONFIG, opening_moves=0.0)
    for root in ROOTS:
        search = SearchConfig(root=root, considered=6, reuse=True)  # type: ignore[arg-type]
        for game in player(search, config).play(80, plan()):
            for position, action in zip(positions_of(game), game.moves, strict=False):
                alive, own = position.pass_alive(), position.to_play
                dead_inside = (position.board.ravel() == 3 - own) & (alive == own)
                near_limit = 57 - position.ply <= 10
                if action < 25 and not dead_inside.any() and not near_limit:
                    assert alive[action] == 0


def test_the_plan_says_how_many_root_actions_are_considered() -> None:
    config = replace(CONFIG, fast_fraction=0.0, opening_moves=0.0)
    searched = []
    for considered in (0, 2, 12):
        self_play = player(SearchConfig(considered=6, reuse=False), config)
        self_play.play(1, replace(plan(), considered=considered))
        searched.append(int((self_play.search.forest.counts > 0).sum(axis=1).max()))
    assert searched == [6, 2, 12]


def test_komi_is_drawn_around_the_two_centers() -> None:
    config = SelfPlayConfig(games=4000, simulations=2, first_simulations=2, even_komi=0.25)
    many = player(config=config)
    many._restart(np.arange(4000), replace(plan(), fair_komi=7.0, even_komi=-5.0))
    komi = many.search.forest.roots["komi"]
    np.testing.assert_array_equal(2 * komi, np.round(2 * komi))
    assert np.mean(np.abs(komi + 5.0) < 3.0) == pytest.approx(0.25, abs=0.04)
    assert np.mean(np.abs(komi - 7.0) < 3.0) == pytest.approx(0.72, abs=0.04)


def test_control_games_are_played_in_full_and_remember_their_verdict() -> None:
    config = replace(
        CONFIG, fast_fraction=0.0, opening_moves=0.0, decided_value=0.0, decided_moves=2,
        decided_control=0.5,
    )  # fmt: skip
    games = player(config=config).play(120, plan())
    controls = [game for game in games if game.verdict]
    assert 0.3 < len(controls) / len(games) < 0.7
    for game in controls:
        assert list(game.policy_plies) == list(range(len(game.moves)))
        black = np.sign(game.values) * np.where(np.arange(len(game.moves)) % 2 == 0, 1, -1)
        decided = next(ply for ply in range(1, len(black)) if black[ply] == black[ply - 1])
        assert game.verdict == black[decided]
        assert game.verdict_is_wrong == (np.sign(game.score) != black[decided])
    assert {game.verdict_is_wrong for game in controls} == {True, False}


def test_forks_leave_a_recent_game_by_another_move() -> None:
    config = replace(CONFIG, fork_fraction=0.5, opening_moves=0.0)
    games = player(config=config).play(130, plan())
    forks = [game for game in games if game.opening]
    assert 0.2 < len(forks) / len(games) < 0.6
    for game in forks:
        assert why_refused(game, CONFIG.rules(RULES, 5)) is None
        assert (game.policy_plies >= game.opening).all()
        line = game.moves[: game.opening].tolist()
        earlier = [other.moves.tolist() for other in games if other.game_id < game.game_id]
        assert any(
            other[: len(line) - 1] == line[:-1] and other[len(line) - 1] != line[-1]
            and len(line) <= len(other) // 2 + 1
            for other in earlier
        )  # fmt: skip
    assert len({len(game.moves[: game.opening]) for game in forks}) > 3


def test_forks_play_the_move_that_the_evaluator_likes_best() -> None:
    config = replace(CONFIG, fork_fraction=1.0, fork_choices=26, opening_moves=0.0)
    judge = HashEvaluator(RULES.size)
    forks = [game for game in player(config=config).play(130, plan()) if game.opening]
    assert len(forks) > 10
    for game in forks:
        line = positions_of(game)
        parent, forked = line[game.opening - 1], line[game.opening]
        others = [parent.play(int(a)) for a in np.flatnonzero(parent.legal()[:-1])]
        value = judge.evaluate(PositionBatch.of([forked, *others], 0)).value
        better = np.sum(value[1:] < value[0])  # for the side that moves next: less is better
        assert better <= 1  # the move that was played in the earlier game is left out
