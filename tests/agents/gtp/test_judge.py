"""Dead stones and final scores on boards that a person can judge."""

import numpy as np
import pytest

from agents.gtp.judge import (
    dead_chains,
    estimate_ownership,
    is_informative,
    judged_score,
    playout_ownership,
    without,
)
from go_env.coords import BLACK, WHITE, vertex_from_action
from go_env.diagram import parse_board, parse_position
from go_env.position import Position
from go_env.rules import Rules
from mcts.evaluator import Evaluation
from mcts.rollout import RolloutEvaluator

# White's two stones in the lower left have no room to live; everything else is settled.
DEAD_IN_THE_CORNER = """
    . X . X O . O . .
    X X X X O O . O O
    . X X O O . O O .
    X X X O . O O . O
    X X X O O O . O O
    . . X X X O O O .
    O O . X X X O O O
    . . X X . X X O .
    . . X X X . X O O
"""


def position(diagram, komi=7.0):
    return parse_position(diagram, Rules(size=len(parse_board(diagram)), komi=komi))


def dead_vertices(at, evaluator=None):
    chains = dead_chains(at, estimate_ownership(at, evaluator))
    return {vertex_from_action(point, at.size) for chain in chains for point in chain}


def test_dead_stones_are_found_by_playouts():
    assert dead_vertices(position(DEAD_IN_THE_CORNER)) == {"A3", "B3"}


def test_single_playouts_of_an_evaluator_are_not_believed():
    at = position(DEAD_IN_THE_CORNER)
    assert dead_vertices(at, RolloutEvaluator(0)) == {"A3", "B3"}
    assert not is_informative(np.array([1, -1, 0], np.float32)) and not is_informative(None)
    assert is_informative(np.array([1, -0.5], np.float32))


class SureEvaluator:
    """Says that all points belong to White."""

    history = 0

    def evaluate(self, batch):
        count, points = len(batch), batch.size**2
        sign = np.where(batch.boards["to_play"] == WHITE, 1, -1)[:, None]
        return Evaluation(
            np.ones((count, points + 1), np.float32),
            np.zeros(count, np.float32),
            ownership=(0.99 * sign * np.ones((count, points))).astype(np.float32),
        )


def test_an_evaluator_is_believed_except_against_unconditional_life():
    lonely = Position.initial(Rules()).play(40)
    assert dead_vertices(lonely, SureEvaluator()) == {"E5"}
    settled = position(DEAD_IN_THE_CORNER)
    assert (settled.pass_alive() == BLACK).any()
    assert dead_vertices(settled, SureEvaluator()) == set()


def test_judged_score_removes_the_dead():
    at = position(DEAD_IN_THE_CORNER)
    cleaned = without(at, dead_chains(at, estimate_ownership(at, None)))
    assert judged_score(at, None) == cleaned.score() > at.score()
    expected = parse_board(DEAD_IN_THE_CORNER).ravel().copy()
    expected[[54, 55]] = 0
    assert (cleaned.board.ravel() == expected).all()


@pytest.mark.parametrize("size", [2, 5, 19])
def test_playout_ownership_of_an_empty_board_is_about_even(size):
    owner = playout_ownership(Position.initial(Rules(size=size)), 200, 1)
    assert owner.shape == (size * size,) and abs(float(owner.mean())) < 0.5
    assert np.abs(owner).max() <= 1


def test_the_position_is_left_alone():
    at = position(DEAD_IN_THE_CORNER)
    before = at.record.tobytes()
    playout_ownership(at, 50, 0)
    assert at.record.tobytes() == before
