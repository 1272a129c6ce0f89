"""A searching player under a clock: uses its time, and never all of it."""

import time

import pytest

from agents.clocked_agent import ClockedAgent
from agents.gtp.clock import Remaining, TimeSystem
from agents.registry import make_agent
from go_env.coords import BLACK, WHITE
from go_env.position import Position
from go_env.rules import Rules


def clocked(spec: str = "rollout") -> ClockedAgent:
    return ClockedAgent(make_agent(spec, size=9), size=9)


def seconds_for(agent: ClockedAgent, system: TimeSystem, left: Remaining) -> float:
    """Return the shortest of three moves: a busy machine may hold up one, not all."""
    position = Position.initial(Rules(size=9))
    elapsed = []
    for _ in range(3):
        agent.set_clock(system, {BLACK: left, WHITE: left})
        started = time.monotonic()
        (decision,) = agent.choose([position])
        elapsed.append(time.monotonic() - started)
        assert decision.visits is not None
        position = position.play(decision.action)
    return min(elapsed)


def test_does_not_spend_more_than_the_seconds_of_a_move():
    agent = clocked()
    system = TimeSystem("canadian", 0.0, 0.6, 1)
    assert seconds_for(agent, system, Remaining(0.0, 0.6, 1)) < 0.6


def test_hurries_when_the_main_time_runs_out():
    system = TimeSystem("absolute", 60.0)
    assert seconds_for(clocked(), system, Remaining(0.3, 0.0, 0)) < 0.2


def test_is_ready_before_its_clock_runs():
    """The very first move is not the one that loads the kernels."""
    agent = clocked()
    agent.set_clock(
        TimeSystem("absolute", 1.0), {c: Remaining(1.0, 0.0, 0) for c in (BLACK, WHITE)}
    )
    started = time.process_time()
    agent.choose([Position.initial(Rules(size=9))])
    assert time.process_time() - started < 1.0


def test_simulations_that_are_named_are_not_exceeded():
    agent = clocked("rollout?sims=2e1")
    system = TimeSystem("canadian", 0.0, 30.0, 1)
    agent.set_clock(system, {color: Remaining(0.0, 30.0, 1) for color in (BLACK, WHITE)})
    (decision,) = agent.choose([Position.initial(Rules(size=9))])
    assert decision.visits.sum() <= 20 + 2 * 8  # and those that warmed it up


def test_plays_its_simulations_without_a_clock():
    agent = clocked("rollout?sims=10")
    (decision,) = agent.choose([Position.initial(Rules(size=9))])
    assert decision.visits.sum() == pytest.approx(10, abs=1)
    assert agent.name == "rollout?sims=10"
