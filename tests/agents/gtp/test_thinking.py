"""Searches end by simulations, by time, early, and when told to."""

import time

import numpy as np
import pytest

from agents.base import Decision
from agents.gtp.searcher import AgentSearcher
from agents.gtp.thinking import Limits, Thinker
from agents.random_agent import RandomAgent
from go_env.position import Position
from go_env.rules import Rules


class FakeSearch:
    """Takes `cost_s` per simulation of a clock that it moves; the first move leads by `lead`."""

    def __init__(self, cost_s=0.001, lead=lambda visits: visits // 2):
        self.now = 0.0
        self.root_visits = 0
        self.largest = 0
        self._cost_s, self._lead = cost_s, lead

    def set_position(self, position):
        raise AssertionError("the thinker does not set positions")

    def run(self, simulations):
        self.now += simulations * self._cost_s
        self.root_visits += simulations
        self.largest = max(self.largest, simulations)

    def analysis(self):
        raise AssertionError("an analysis costs time")

    def best(self):
        lead = self._lead(self.root_visits)
        visits = [(self.root_visits - lead) // 2, (self.root_visits + lead) // 2, 0]
        return Decision(1, 0.0, None, np.array(visits, np.int32))


def think(search, limits, stop=lambda: False):
    return Thinker(now=lambda: search.now).think(search, limits, stop)


def test_simulations_are_exact():
    search = FakeSearch()
    assert think(search, Limits(simulations=777)) == 777 == search.root_visits


def test_without_a_clock_slices_do_not_depend_on_the_speed():
    """Batches of leaves end with a slice: a game must not depend on how busy the machine was."""

    class Recording(FakeSearch):
        def __init__(self, cost_s):
            super().__init__(cost_s)
            self.slices = []

        def run(self, simulations):
            self.slices.append(simulations)
            super().run(simulations)

    fast, slow = Recording(1e-6), Recording(0.3)
    for search in (fast, slow):
        think(search, Limits(simulations=300))
    assert fast.slices == slow.slices
    assert len(fast.slices) > 3  # and somebody may interrupt


@pytest.mark.parametrize("cost_s", [1e-5, 1e-3, 0.05])
def test_time_is_kept(cost_s):
    search = FakeSearch(cost_s, lead=lambda visits: visits // 4)
    think(search, Limits(planned_end=2.0, latest_end=5.0))
    assert 1.55 <= search.now <= 2.0 + 0.1 + cost_s


def test_the_latest_end_is_kept_while_undecided():
    search = FakeSearch(0.001, lead=lambda visits: visits // 100)  # two moves are level: go on
    think(search, Limits(planned_end=1.0, latest_end=2.0))
    assert 1.9 <= search.now <= 2.01


@pytest.mark.parametrize("times", [5, 20, 100])
def test_a_machine_that_stalls_in_the_middle_is_not_waited_for(times):
    """All simulations after the first second take so many times as long as the ones before."""

    class Stalling(FakeSearch):
        def run(self, simulations):
            self._cost_s = 0.001 if self.now < 1.0 else 0.001 * times
            super().run(simulations)

    search = Stalling(lead=lambda visits: visits // 100)
    think(search, Limits(planned_end=2.0, latest_end=2.0))
    # The slice that meets the stall was planned for 50 ms; those after it know better.
    assert search.now <= max(2.0, 1.05 + 0.05 * times) + 0.001 * times


def test_the_speed_at_the_end_of_a_game_is_not_expected_of_the_next():
    """Simulations of decided positions cost next to nothing: 5,000 of them were asked for."""
    end, beginning = FakeSearch(1e-5), FakeSearch(1e-3, lead=lambda visits: visits // 100)
    now = [end]
    thinker = Thinker(now=lambda: now[0].now)
    thinker.think(end, Limits(latest_end=2.0), lambda: False)
    assert end.largest > 4000
    now[0] = beginning
    thinker.think(beginning, Limits(latest_end=0.5), lambda: False)
    assert 0.45 < beginning.now < 0.51


def test_a_player_without_a_tree_does_not_sit_out_its_clock():
    searcher = AgentSearcher(RandomAgent(0))
    searcher.set_position(Position.initial(Rules(size=5)))
    hours = time.monotonic() + 10_000.0
    assert Thinker().think(searcher, Limits(planned_end=hours, latest_end=hours), lambda: False) < 9


def test_a_new_position_of_the_same_search_begins_with_few():
    search = FakeSearch(1e-5)
    thinker = Thinker(now=lambda: search.now)
    thinker.think(search, Limits(latest_end=1.0), lambda: False)
    search.root_visits = 77  # another root
    assert thinker.slice_count(search) <= 8


def test_no_time_still_gives_a_move():
    search = FakeSearch(0.001)
    assert think(search, Limits(planned_end=0.0, latest_end=0.0)) == 1
    assert think(search, Limits(planned_end=0.0, latest_end=0.0)) == 0  # there is one already


def test_stops_when_the_leader_cannot_be_overtaken():
    search = FakeSearch(0.001, lead=lambda visits: visits)  # all visits go to the first move
    think(search, Limits(planned_end=10.0, latest_end=20.0))
    assert 4.9 <= search.now <= 5.2  # then 5,000 visits lead with 5,000 to come


def test_stop_is_looked_at_between_slices():
    search = FakeSearch(0.001)
    assert think(search, Limits(simulations=10**6), lambda: search.now > 0.3) < 500


def test_slices_are_short_even_at_high_speed():
    search = FakeSearch(1e-5)
    think(search, Limits(simulations=100_000))
    assert search.largest <= 5_000 * 1.01  # 50 ms


def test_on_slice_is_called():
    search, calls = FakeSearch(), []
    Thinker(now=lambda: search.now).think(
        search, Limits(simulations=300), lambda: False, lambda: calls.append(1)
    )
    assert len(calls) >= 5
