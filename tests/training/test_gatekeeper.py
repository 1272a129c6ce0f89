"""The gate: whom it promotes."""

from __future__ import annotations

from agents.base import Decision
from go_env.rules import Rules
from scripted_agent import RandomMover, Scripted
from training.gatekeeper import GateConfig, Gatekeeper

RULES = Rules(5, 9.0)


def test_the_stronger_player_is_promoted_and_the_test_stops_early() -> None:
    gate = Gatekeeper(GateConfig(pairs=40))
    good = RandomMover("good")
    bad = Scripted("bad", lambda position: Decision(position.size**2, resign=True))
    verdict = gate.judge(good, bad, RULES, seed=1)
    assert verdict.promoted
    assert verdict.wins == verdict.games < 80
    assert not gate.judge(bad, good, RULES, seed=1).promoted
