"""A searching player under a clock: uses its time, and never all of it."""

import time

import pytest

from agents.clocked_agent import ClockedAgent
from agents.gtp.clock import Remaining, TimeSystem
from agents.registry import make_agent
from go_env.coords import BLACK, WHITE
from go_env.position import Position
from go_env.rules import Rules


def clocked() -> ClockedAgent:
    return ClockedAgent(make_agent("rollout?sims=10", size=9))


def test_spends_the_seconds_of_a_move_and_not_more():
    agent = clocked()
    position = Position.initial(Rules(size=9))
    agent.choose([position])  # compiled kernels are loaded before the clock runs
    system = TimeSystem("canadian", 0.0, 0.6, 1)
    for _ in range(2):
        agent.set_clock(system, {c: Remaining(0.0, 0.6, 1) for c in (BLACK, WHITE)})
        started = time.monotonic()
        (decision,) = agent.choose([position])
        elapsed_s = time.monotonic() - started
        assert 0.2 < elapsed_s < 0.6
        assert decision.visits is not None
        assert decision.visits.sum() > 50  # ten simulations would be the untimed player's
        position = position.play(decision.action)


def test_hurries_when_the_main_time_runs_out():
    agent = clocked()
    position = Position.initial(Rules(size=9))
    agent.choose([position])
    system = TimeSystem("absolute", 60.0)
    agent.set_clock(system, {BLACK: Remaining(0.2, 0.0, 0), WHITE: Remaining(60.0, 0.0, 0)})
    started = time.monotonic()
    agent.choose([position])
    assert time.monotonic() - started < 0.2


def test_plays_its_simulations_without_a_clock():
    agent = clocked()
    (decision,) = agent.choose([Position.initial(Rules(size=9))])
    assert decision.visits.sum() == pytest.approx(10, abs=1)
    assert agent.name == "rollout?sims=10"
