"""The player without search: picks, masks, draws and passes as it should."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy_agent import PolicyAgent
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE, action_from_vertex, pass_action
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from mcts.evaluator import Evaluation


class FixedPolicy:
    """Prefers actions in the given order, whatever the position."""

    history = 0

    def __init__(self, size: int, weights: dict[str, float]) -> None:
        self.policy = np.full(size * size + 1, 1e-4, np.float32)
        for vertex, weight in weights.items():
            self.policy[action_from_vertex(vertex, size)] = weight

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        rows = len(batch)
        return Evaluation(np.tile(self.policy, (rows, 1)), np.full(rows, 0.25, np.float32))


def chosen(agent: PolicyAgent, *positions: Position) -> list[int]:
    return [decision.action for decision in agent.choose(positions)]


def test_the_most_probable_legal_action_is_played() -> None:
    agent = PolicyAgent(FixedPolicy(5, {"C3": 0.6, "D3": 0.3}))
    empty = Position.initial(Rules(size=5))
    c3, d3 = (action_from_vertex(vertex, 5) for vertex in ("C3", "D3"))
    assert chosen(agent, empty, empty.play(c3)) == [c3, d3]
    decision = agent.choose([empty])[0]
    assert decision.value == 0.25
    assert decision.policy is not None
    assert decision.policy.sum() == pytest.approx(1.0, abs=1e-5)


def test_drawing_follows_the_policy_but_never_passes_by_chance() -> None:
    agent = PolicyAgent(FixedPolicy(5, {"C3": 0.5, "D3": 0.25, "pass": 0.25}), temperature=1.0)
    empty = Position.initial(Rules(size=5))
    actions = chosen(agent, *[empty] * 600)
    assert pass_action(5) not in actions
    share = actions.count(action_from_vertex("C3", 5)) / len(actions)
    assert share == pytest.approx(2 / 3, abs=0.06)  # 3 standard deviations
    again = PolicyAgent(FixedPolicy(5, {"C3": 0.5, "D3": 0.25}), temperature=1.0, seed=0)
    assert chosen(again, *[empty] * 20) == actions[:20]


def test_it_passes_when_the_policy_says_so_most() -> None:
    agent = PolicyAgent(FixedPolicy(5, {"pass": 0.9}), temperature=1.0)
    assert chosen(agent, Position.initial(Rules(size=5))) == [pass_action(5)]


def test_it_ends_a_game_that_is_won_after_the_opponent_s_pass() -> None:
    agent = PolicyAgent(FixedPolicy(3, {"A1": 0.9}))
    stone = Position.setup(Rules(size=3, komi=2.0), black=[4], to_play=WHITE)
    assert chosen(agent, stone.play(pass_action(3))) == [pass_action(3)]  # Black +9 - 2
    behind = Position.setup(Rules(size=3, komi=20.0), black=[4], to_play=WHITE)
    assert chosen(agent, behind.play(pass_action(3))) == [action_from_vertex("A1", 3)]


def test_it_does_not_fill_what_is_alive_already() -> None:
    """Black's wall of the middle column holds both sides: two eyes that no move improves."""
    wall = [1, 4, 7]
    position = Position.setup(Rules(size=3, komi=20.0), black=wall, to_play=BLACK)
    assert position.pass_alive().tolist() == [BLACK] * 9
    agent = PolicyAgent(FixedPolicy(3, {"A1": 0.9}))
    assert chosen(agent, position) == [pass_action(3)]


def test_it_captures_dead_stones_inside_its_own_area() -> None:
    """A stone left in an area that is unconditionally the enemy's still counts for its owner."""
    stones = {"black": [1, 4, 7], "white": [0]}
    position = Position.setup(Rules(size=3, komi=20.0), **stones, to_play=BLACK)
    assert position.pass_alive()[0] == BLACK, "the white stone is dead by Benson"
    agent = PolicyAgent(FixedPolicy(3, {"C1": 0.6, "A2": 0.3}))
    assert chosen(agent, position) == [action_from_vertex("A2", 3)]


def test_sizes_may_be_mixed() -> None:
    class Corner(FixedPolicy):
        def evaluate(self, batch: PositionBatch) -> Evaluation:
            policy = np.zeros(batch.legal.shape, np.float32)
            policy[:, batch.size] = 1.0
            return Evaluation(policy, np.zeros(len(batch), np.float32))

    agent = PolicyAgent(Corner(5, {}))
    positions = [Position.initial(Rules(size=size)) for size in (5, 7, 5, 3)]
    assert chosen(agent, *positions) == [5, 7, 5, 3]


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(HonteError, match="temperature -1"):
        PolicyAgent(FixedPolicy(5, {}), temperature=-1.0)
