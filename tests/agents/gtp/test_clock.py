"""Clocks: what is left, how it is spent, and that it always suffices."""

import random

import pytest

from agents.gtp.clock import Allotment, Clock, Lateness, TimeSystem, moves_left
from go_env.coords import BLACK, WHITE


def clock(*settings):
    result = Clock()
    result.set_system(TimeSystem.from_gtp(*settings))
    return result


@pytest.mark.parametrize("settings", [(300, 10, 0), (0, 10, 0), (1, 1, 0), (0, 0, 0)])
def test_no_limit(settings):
    assert clock(*settings).allot(BLACK, 9, 0) is None


def test_absolute_time_lasts_for_the_longest_game():
    watch, left_s = clock(60, 0, 0), 60.0
    for ply in range(0, 250, 2):  # a 9x9 game of absurd length, on a slow machine
        allotted = watch.allot(BLACK, 9, ply)
        assert 0 <= allotted.planned_s <= allotted.longest_s
        left_s -= allotted.longest_s + 0.04
        assert left_s > 0, f"lost on time at ply {ply}"
        watch.spend(BLACK, allotted.longest_s + 0.001, 0.001)  # we do not see all of it
    assert watch.left(WHITE).main_s == 60


def test_planned_time_is_well_used():
    """A player who takes the planned time uses most of it in a game of usual length."""
    watch = clock(60, 0, 0)
    for ply in range(0, 64, 2):
        allotted = watch.allot(BLACK, 9, ply)
        watch.spend(BLACK, allotted.planned_s)
    assert 3 < watch.left(BLACK).main_s < 30


def test_an_empty_clock_allots_nothing():
    watch = clock(10, 0, 0)
    watch.set_left(BLACK, 0, 0)
    allotted = watch.allot(BLACK, 9, 30)
    assert allotted.longest_s == 0


@pytest.mark.parametrize("lag_s", [0.0, 0.01, 0.2])
def test_canadian_periods_are_never_overrun(lag_s):
    watch = clock(2, 10, 5)
    main, period, stones = 2.0, 10.0, 5
    for ply in range(0, 300, 2):
        allotted = watch.allot(BLACK, 9, ply)
        spent = allotted.longest_s + lag_s  # of which we see nothing
        if main > 0:
            over, main = max(0.0, spent - main), max(0.0, main - spent)
        else:
            over = spent
        if over or main == 0:
            period -= over
            stones -= 1
            assert period > 0, f"lost on time at ply {ply}"
            if stones == 0:
                period, stones = 10.0, 5
        watch.spend(BLACK, allotted.longest_s)
    assert allotted.longest_s > 1  # and the periods are used


def test_time_left_with_stones_is_overtime():
    watch = clock(300, 30, 10)
    watch.set_left(WHITE, 12, 4)
    assert watch.allot(WHITE, 9, 60).longest_s == pytest.approx(12 / 4 - 0.5 - 0.05)
    watch.set_left(WHITE, 100, 0)  # main time again: the period is whole
    assert watch.left(WHITE).period_s == 30


def test_byoyomi_uses_each_period_but_never_exceeds_it():
    watch = Clock()
    watch.set_system(TimeSystem("byoyomi", 0, 5, 3))
    for ply in range(0, 200, 2):
        allotted = watch.allot(BLACK, 19, ply)
        assert 3 < allotted.longest_s < 5
        watch.spend(BLACK, allotted.longest_s)
    assert watch.left(BLACK).stones == 3
    watch.spend(BLACK, 6)
    assert watch.left(BLACK).stones == 2


def test_lateness_is_learned():
    watch = clock(100, 0, 0)
    before = watch.allot(BLACK, 9, 20)
    watch.spend(BLACK, before.longest_s + 4.0, 4.0)
    watch.set_left(BLACK, 10, 0)
    assert watch.allot(BLACK, 9, 20).longest_s < 1.0  # 8 of the 10 s are kept for the lag
    for _ in range(60):
        watch.spend(BLACK, 0.0)
    watch.set_left(BLACK, 10, 0)
    assert watch.allot(BLACK, 9, 20).longest_s > 0.4  # forgotten again


def test_lateness_is_counted_from_the_end_of_the_search_or_the_latest_end():
    allotted = Allotment(1.0, 2.0)
    assert allotted.lateness_s(elapsed_s=0.75, thought_s=0.5) == 0.25  # a search that ended early
    assert allotted.lateness_s(elapsed_s=3.0, thought_s=2.75) == 1.0  # one that overran
    assert allotted.lateness_s(elapsed_s=0.5, thought_s=0.5) == 0.0


def test_frequent_lateness_is_reserved_even_when_the_latest_moves_were_punctual():
    lateness = Lateness()
    assert lateness.reserve_s == 0.05
    for move in range(100):
        lateness.note(0.3 if move % 10 == 0 else 0.0)  # the worst of the last ten fades: 0.12 s
    assert lateness.reserve_s == pytest.approx(0.6)


def test_one_late_answer_costs_a_few_moves_only():
    watch = clock(0, 10, 1)
    usual = watch.allot(BLACK, 9, 0).longest_s
    for _ in range(5):
        watch.spend(BLACK, 1.0, 0.0)
    watch.spend(BLACK, 10.0, 6.0)
    given = []
    for ply in range(0, 16, 2):
        given.append(watch.allot(BLACK, 9, ply).longest_s)
        watch.spend(BLACK, 1.0, 0.0)
    assert given[0] == 0.0  # it may come again at once
    assert given == sorted(given)
    assert given[3] > 0.5 * usual
    assert given[7] > 0.9 * usual


@pytest.mark.parametrize(("period", "stones"), [(1, 1), (5, 10), (2, 1), (10, 25)])
def test_short_periods_survive_stalls(period, stones):
    """After a second of main time every move may stall for 40% of its share, every 20th for 60%."""
    watch, rng = clock(1, period, stones), random.Random(period)
    main, left, moves = 1.0, float(period), stones
    for ply in range(0, 2000, 2):
        allotted = watch.allot(BLACK, 9, ply)
        share = period / stones
        stall = share * (0.6 * rng.random() if ply % 40 == 0 else 0.4 * rng.random())
        spent = allotted.longest_s + stall
        over = max(0.0, spent - main)
        main = max(0.0, main - spent)
        if main == 0.0:
            left, moves = left - over, moves - 1
            assert left > 0, f"lost on time at ply {ply}"
            if moves == 0:
                left, moves = float(period), stones
        watch.spend(BLACK, spent, allotted.lateness_s(spent, allotted.longest_s))


def test_settings_reset_and_none_stops():
    watch = clock(10, 0, 0)
    watch.spend(BLACK, 5)
    watch.reset()
    assert watch.left(BLACK).main_s == 10
    watch.set_system(TimeSystem())
    watch.set_left(BLACK, 1, 0)
    assert watch.allot(BLACK, 9, 0) is None


@pytest.mark.parametrize("size", [5, 9, 13, 19])
def test_moves_left_falls_but_never_vanishes(size):
    estimates = [moves_left(size, ply) for ply in range(3 * size * size)]
    assert estimates == sorted(estimates, reverse=True) and estimates[-1] >= 4
