"""The gate: which komi its games are played at, and whom it promotes."""

from __future__ import annotations

import pytest

from agents.base import Decision
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from scripted_agent import RandomMover, Scripted
from training.gatekeeper import GateConfig, Gatekeeper

RULES = Rules(5, 9.0)


def komis(config: GateConfig) -> list[float]:
    """Return the komi of each pair of games, from their scores."""
    gate = Gatekeeper(config)
    found = []
    for pair in gate._pairs((RandomMover("a", 1), RandomMover("b", 2)), RULES, seed=3):
        both = set()
        for game in pair.games:
            assert game.score is not None
            both.add(Position.from_moves(Rules(5, 0.0), game.moves).score() - game.score)
        (komi,) = both
        found.append(komi)
    return found


def test_pairs_are_played_below_and_above_the_fair_komi_in_turn() -> None:
    assert komis(GateConfig(pairs=5, komi_spread=0.5)) == [8.5, 9.5, 8.5, 9.5, 8.5]
    assert komis(GateConfig(pairs=1, komi_spread=0.5)) == [8.5]
    assert komis(GateConfig(pairs=3)) == [9.0, 9.0, 9.0]


@pytest.mark.parametrize("spread", [-0.5, 0.3])
def test_komi_comes_in_half_points(spread: float) -> None:
    with pytest.raises(HonteError, match="komi_spread"):
        GateConfig(komi_spread=spread)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_stronger_player_is_promoted_and_the_test_stops_early(spread: float) -> None:
    gate = Gatekeeper(GateConfig(pairs=40, komi_spread=spread))
    good = RandomMover("good")
    bad = Scripted("bad", lambda position: Decision(position.size**2, resign=True))
    verdict = gate.judge(good, bad, RULES, seed=1)
    assert verdict.promoted
    assert verdict.wins == verdict.games < 80
    assert not gate.judge(bad, good, RULES, seed=1).promoted
