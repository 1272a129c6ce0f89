"""Sequential halving: the schedule against the paper's rule, worked out by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from go_env.position import Position
from go_env.rules import Rules
from mcts.config import SearchConfig
from mcts.evaluator import UniformEvaluator
from mcts.root import halving_schedule, schedule_table
from mcts.search import Search
from slow_search import slow_schedule


def final_visits(considered: int, simulations: int) -> list[int]:
    """Return how many visits the actions end with, most first, if the first are always best."""
    reached = Counter(halving_schedule(considered, simulations))
    return [sum(1 for level in reached if reached[level] > rank) for rank in range(considered)]


def test_two_hundred_simulations_of_sixteen_actions() -> None:
    # Four phases of 200 / 4 = 50: 16 x 3, 8 x 6, 4 x 12, 2 x 25 = 194; 6 left over go to the two.
    schedule = halving_schedule(16, 200)
    assert schedule[:48] == (0,) * 16 + (1,) * 16 + (2,) * 16
    assert schedule[48:96] == tuple(level for level in range(3, 9) for _ in range(8))
    assert schedule[96:144] == tuple(level for level in range(9, 21) for _ in range(4))
    assert schedule[144:] == tuple(level for level in range(21, 49) for _ in range(2))
    assert final_visits(16, 200) == [49, 49, 21, 21, *[9] * 4, *[3] * 8]


def test_nineteen_simulations() -> None:
    # 3 actions: 19 // (2 x 3) = 3 rounds of all, then pairs; 4 actions: 19 // (2 x 4) = 2 rounds.
    expected = [
        [*range(19)],
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9],
        [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7],
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7],
    ]
    for considered, schedule in enumerate(expected, start=1):
        assert list(halving_schedule(considered, 19)) == schedule


def test_fewer_simulations_than_actions_try_each_once() -> None:
    assert halving_schedule(16, 5) == (0,) * 5


@pytest.mark.parametrize("considered", range(1, 20))
def test_each_visit_follows_an_earlier_one(considered: int) -> None:
    for simulations in range(1, 130):
        schedule = halving_schedule(considered, simulations)
        assert list(schedule) == slow_schedule(considered, simulations)
        assert len(schedule) == simulations
        reached = Counter(schedule)
        for level in range(1, max(schedule) + 1):
            assert reached[level] <= reached[level - 1]


def test_tables_hold_all_schedules() -> None:
    table = schedule_table(6, (0, 4, 30))
    assert table.shape == (3, 7, 30)
    for row, simulations in enumerate((0, 4, 30)):
        for considered in range(1, 7):
            np.testing.assert_array_equal(
                table[row, considered, :simulations], halving_schedule(considered, simulations)
            )


def test_one_search_can_consider_other_numbers_than_the_configured() -> None:
    root = [Position.initial(Rules(5))]
    searches = [
        Search(UniformEvaluator(), SearchConfig(considered=considered), Rules(5), 1, 62)
        for considered in (3, 9)
    ]
    for search in searches:
        search.set_positions(root)
    few, many = searches
    np.testing.assert_array_equal(few.run(60, considered=9).visits, many.run(60).visits)
    for search in searches:
        search.set_positions(root)
    assert np.count_nonzero(few.run(60).visits) == 3


def test_no_more_actions_are_considered_than_there_are() -> None:
    visits = []
    for considered in (26, 10**12):
        search = Search(UniformEvaluator(), SearchConfig(considered=considered), Rules(5), 1, 62)
        search.set_positions([Position.initial(Rules(5))])
        visits.append(search.run(60).visits)
    np.testing.assert_array_equal(*visits)
