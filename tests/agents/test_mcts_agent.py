"""The searching player: many positions at once, and one game step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.base import Decision
from agents.gtp.game import facing
from agents.mcts_agent import MctsAgent, SearchSession
from games import random_position, random_positions
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.evaluator import UniformEvaluator
from mcts.rollout import RolloutEvaluator

CONFIG = SearchConfig(root="puct", dirichlet_fraction=0.0, gumbel_scale=0.0, temperature_moves=0)
RULES = Rules(5, 0.5)
START = Position.initial(RULES)


def agent(simulations: int = 20, config: SearchConfig = CONFIG) -> MctsAgent:
    return MctsAgent(HashEvaluator(5), config, simulations)


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_each_position_is_answered_as_if_it_were_alone(root: str) -> None:
    config = replace(CONFIG, root=root)  # type: ignore[arg-type]
    positions = random_positions(RULES, 70, seed=2)
    together = agent(config=config).choose(positions)
    single = agent(config=config)
    for i in (0, 3, 63, 64, 69):
        (alone,) = single.choose([positions[i]])
        assert alone.action == together[i].action
        assert alone.value == together[i].value
        np.testing.assert_array_equal(alone.visits, together[i].visits)
        assert together[i].visits is not None
        assert together[i].visits.sum() == 20
        assert positions[i].is_legal(together[i].action)


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_games_go_on_with_their_trees(root: str) -> None:
    """Among other games, in another order, some of them new: each as if it were alone."""
    config = replace(CONFIG, root=root)  # type: ignore[arg-type]
    games = [p for p in random_positions(RULES, 40, seed=4) if p.ply < 20][:7]
    players = [agent(40, config) for _ in games]
    together = agent(40, config)
    before = together.choose(games[:5])
    alone = [player.choose([game])[0] for player, game in zip(players, games, strict=True)]
    visits = [decision.visits for decision in alone]
    np.testing.assert_array_equal([decision.visits for decision in before], visits[:5])
    for i, decision in enumerate(alone):
        after = games[i].play(decision.action)
        reply = agent(10).choose([after])[0].action
        games[i] = games[i] if after.ended else after.play(reply)
    games = [game for game in games if not game.ended]
    assert len(games) >= 6
    order = [5, 3, 0, 4, 1]  # one left, one came
    met = together.choose([games[i] for i in order])
    for i, decision in zip(order, met, strict=True):
        (expected,) = (players[i] if i < 5 else agent(40, config)).choose([games[i]])
        np.testing.assert_array_equal(decision.visits, expected.visits)
        assert decision.action == expected.action
    kept = [int(decision.visits.sum()) for decision in met if decision.visits is not None]
    assert kept[0] == 40
    assert max(kept[1:]) > 40


def test_more_games_than_fit_one_search_keep_their_trees() -> None:
    player, other = agent(8), agent(2)
    games = [START.play(i % 25) for i in range(70)]
    for _ in range(2):
        games = [g.play(d.action) for g, d in zip(games, player.choose(games), strict=True)]
        games = [g.play(d.action) for g, d in zip(games, other.choose(games), strict=True)]
    kept = [int(d.visits.sum()) for d in player.choose(games) if d.visits is not None]
    assert len(kept) == 70
    assert max(kept[:64]) > 8
    assert max(kept[64:]) > 8


def test_a_game_goes_on_as_in_a_session() -> None:
    player, found, position = agent(60), session(), START
    for _ in range(3):
        (decision,) = player.choose([position])
        found.set_position(position)
        found.run(60)
        np.testing.assert_array_equal(decision.visits, found.best().visits)
        position = position.play(decision.action)
        position = position.play(agent(10).choose([position])[0].action)


def test_no_tree_is_kept_where_none_is_wanted_or_the_move_was_out_of_turn() -> None:
    for config, color in ((replace(CONFIG, reuse=False), None), (CONFIG, START.to_play)):
        player = agent(60, config)
        (decision,) = player.choose([START])
        position = START.play(decision.action)
        position = position.play(int(np.flatnonzero(position.legal())[0]), color)
        (again,) = player.choose([position])
        assert again.visits is not None
        assert again.visits.sum() == 60


def test_sizes_and_rules_may_be_mixed() -> None:
    player = MctsAgent(UniformEvaluator(), CONFIG, 60)
    positions = [
        Position.initial(Rules(size, komi)) for size, komi in ((5, 0.5), (3, 1.0), (5, 9.0))
    ]
    decisions = player.choose(positions)
    assert [len(d.policy) for d in decisions if d.policy is not None] == [26, 10, 26]
    won, lost = (
        Position.initial(Rules(5, -30.0)).play(25),
        Position.initial(Rules(5, 30.0)).play(25),
    )
    values = [d.value for d in player.choose([won, lost])]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0] < 0 < values[1]  # White to move


def test_resignation() -> None:
    lost = Position.initial(Rules(5, 60.0))
    for bound, expected in ((None, False), (-0.9, True)):
        player = MctsAgent(RolloutEvaluator(1), CONFIG, 30, resign=bound)
        assert player.choose([lost])[0].resign is expected


def test_temperature_needs_a_generator_and_the_opening() -> None:
    config = replace(CONFIG, temperature_moves=4, temperature=1.0)
    start, late = Position.initial(RULES), random_position(RULES, 6, seed=1)
    drawn = MctsAgent(HashEvaluator(5), config, 30, rng=np.random.default_rng(0))
    assert len({drawn.choose([start])[0].action for _ in range(25)}) > 2
    assert len({drawn.choose([late])[0].action for _ in range(5)}) == 1
    greedy = MctsAgent(HashEvaluator(5), config, 30)
    assert len({greedy.choose([start])[0].action for _ in range(5)}) == 1


def test_first_sight_is_played_as_it_is_where_nothing_was_visited() -> None:
    """A session whose clock has run out knows no visits to draw from."""
    warm = replace(CONFIG, temperature_moves=8)
    player = MctsAgent(HashEvaluator(5), warm, 20, rng=np.random.default_rng(0))
    found = Decision(7, 0.1, visits=np.zeros(26, np.int32))
    assert player.settled(found, START).action == 7


def test_at_least_one_simulation() -> None:
    with pytest.raises(HonteError, match="simulations"):
        agent(simulations=0)


def session() -> SearchSession:
    found = SearchSession(HashEvaluator(5), CONFIG)
    found.set_position(START)
    return found


def test_simulations_add_up() -> None:
    found = session()
    found.run(10)
    found.run(15)
    whole = session()
    whole.run(25)
    assert found.root_visits == whole.root_visits
    one, other = found.best(), whole.best()
    assert one.action == other.action
    np.testing.assert_array_equal(one.visits, other.visits)


def test_the_tree_follows_the_game() -> None:
    found = session()
    position = START
    found.run(200)
    best = found.best()
    assert best.visits is not None
    kept = int(best.visits[best.action])
    position = position.play(best.action)
    found.set_position(position)
    found.run(10)
    assert found.root_visits == kept - 1 + 10  # the first of them judged the root itself
    reply = found.best()
    position = position.play(reply.action)
    found.set_position(position.play(int(np.flatnonzero(position.legal())[0])))  # two moves on
    found.run(5)
    found.set_position(Position.initial(Rules(5, 1.5)))  # another game: nothing is kept
    found.run(5)
    assert found.root_visits == 5


def test_a_move_taken_back_leaves_the_search_as_it_was() -> None:
    found, undisturbed = session(), session()
    for each in (found, undisturbed):
        each.run(200)
    after = START.play(found.best().action)
    found.set_position(after)
    found.run(70)
    found.set_position(after.undo())
    assert found.root_visits == 200
    for each in (found, undisturbed):
        each.run(50)
    np.testing.assert_array_equal(found.best().visits, undisturbed.best().visits)
    assert found.analysis().moves == undisturbed.analysis().moves


def test_a_move_played_again_or_another_in_its_place_finds_its_tree() -> None:
    found = session()
    found.run(200)
    first, second = (move.action for move in found.analysis().moves[:2])
    known = {move.action: move.visits for move in found.analysis().moves}
    found.set_position(START.play(first))
    assert found.root_visits == known[first] - 1
    found.run(300)
    found.set_position(START.play(second))  # at once: clients take back and play in one breath
    assert found.root_visits == known[second] - 1
    found.run(5)
    found.set_position(START.play(first))
    assert found.root_visits == known[first] - 1 + 300
    replayed = Position.initial(RULES).play(first)  # the same game, set up anew
    found.set_position(replayed)
    assert found.root_visits == known[first] - 1 + 300
    for _ in range(20):  # whatever was searched where, what it says is about the board
        replayed = replayed.play(found.best().action)
        found.set_position(replayed)
        found.run(20)
        visits = found.best().visits
        assert visits is not None
        assert visits.sum() == found.root_visits
        assert not visits[~replayed.legal()].any()


def test_no_memory_for_other_trees() -> None:
    found = SearchSession(HashEvaluator(5), CONFIG, shelf_bytes=0)
    found.set_position(START)
    found.run(100)
    best = found.best().action
    found.set_position(START.play(best))
    assert found.root_visits > 0
    found.set_position(START)
    assert found.root_visits == 0


def test_analysis_is_ordered_and_playable() -> None:
    found = session()
    found.run(300)
    analysis = found.analysis()
    assert analysis.visits == found.root_visits == 300
    assert [move.order for move in analysis.moves] == list(range(len(analysis.moves)))
    visits = [move.visits for move in analysis.moves]
    assert visits == sorted(visits, reverse=True)
    assert sum(visits) == 300
    assert analysis.moves[0].action == found.best().action
    for move in analysis.moves:
        assert -1 <= move.lcb <= move.value <= 1
        assert move.pv[0] == move.action
        position = Position.initial(RULES)
        for action in move.pv:
            position = position.play(action)
        assert len(move.pv_visits) == len(move.pv)
        assert move.pv_visits[0] == move.visits
        assert move.pv_visits == sorted(move.pv_visits, reverse=True)
    best = analysis.moves[0]
    assert len(best.pv) > 2
    found.set_position(START.play(best.pv[0]))
    assert found.analysis().moves[0].visits == best.pv_visits[1]
    assert float(analysis.policy.sum()) == pytest.approx(1, abs=1e-4)


def test_what_is_chosen_by_its_bound_stands_first_in_the_analysis() -> None:
    others = 0
    for position in random_positions(RULES, 30, seed=5):
        found = SearchSession(HashEvaluator(5), replace(CONFIG, lcb=2.0))
        found.set_position(position)
        found.run(60)
        moves = found.analysis().moves
        assert moves[0].action == found.best().action
        assert [move.order for move in moves] == list(range(len(moves)))
        others += moves[0].visits < max(move.visits for move in moves)
    assert others > 0, "it is never another than the most visited"


def test_a_position_comes_first() -> None:
    with pytest.raises(HonteError, match="position"):
        SearchSession(HashEvaluator(5), CONFIG).run(1)


def test_moves_out_of_turn_start_a_new_tree() -> None:
    found = session()
    found.run(50)
    found.set_position(START.play(7).play(8, 1))  # Black twice
    found.run(5)
    assert found.root_visits == 5
    found = session()
    found.run(50)
    after = START.play(found.best().action)
    found.set_position(facing(after, 1))  # White's turn is left out: nothing is known of that
    assert found.root_visits == 0
    own = int(np.flatnonzero(after.board.ravel())[0])
    alone = SearchSession(HashEvaluator(5), CONFIG)
    alone.set_position(facing(after, 1))
    for each in (found, alone):
        each.run(40)
        visits = each.best().visits
        assert visits is not None
        assert visits[own] == 0
    np.testing.assert_array_equal(found.best().visits, alone.best().visits)
