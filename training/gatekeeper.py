"""The gatekeeper: is the candidate better than the champion? A sequential test on paired games."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from agents.base import Agent
from go_env.errors import HonteError
from go_env.rules import Rules
from training.matches.arena import Arena, ArenaSettings
from training.matches.openings import even_openings
from training.rating.sprt import Sprt, SprtBounds


@dataclass(frozen=True)
class GateConfig:
    """How candidates are judged.

    `latest`: self-play uses the newest weights unless they lose significantly; the gate decides
    what is published as champion. `strict`: self-play uses the champion's (AlphaGo Zero).
    """

    mode: Literal["latest", "strict"] = "latest"
    simulations: int = 48
    pairs: int = 40  # at most; each opening is played with both colors
    opening_moves: int = 2  # of random openings, where no book of even ones comes with Honte
    elo0: float = 0.0  # H0: the candidate is at most this much better
    elo1: float = 50.0  # H1: it is at least this much better
    accept_score: float = 0.5  # needed where the test is undecided at the end; KataGo: 0.5

    def __post_init__(self) -> None:
        if min(self.pairs, self.simulations, self.opening_moves) < 1:  # 0 moves: all pairs alike
            raise HonteError("gate pairs, simulations and opening_moves must be at least 1")
        SprtBounds(self.elo0, self.elo1)  # says what is wrong with them
        if not 0 <= self.accept_score <= 1:
            raise HonteError("gate.accept_score must lie between 0 and 1")


@dataclass(frozen=True)
class Verdict:
    """The gate's judgement with its numbers."""

    promoted: bool
    lost: bool  # significantly worse than the champion
    wins: int
    draws: int
    losses: int
    score: float  # of the candidate, in [0, 1]
    elo: float
    reason: str

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses


class Gatekeeper:
    """Judges candidates; knows nothing of where they come from or go to."""

    def __init__(self, config: GateConfig) -> None:
        self.config = config

    def judge(self, candidate: Agent, champion: Agent, rules: Rules, seed: int) -> Verdict:
        """Play pairs of games from drawn openings until the test decides or the cap is met."""
        config = self.config
        test = Sprt(SprtBounds(config.elo0, config.elo1))
        scores: list[float] = []
        openings = even_openings(rules, config.opening_moves, config.pairs, seed)
        limited = replace(rules, move_limit=3 * rules.size**2)
        arena = Arena((candidate, champion), limited, ArenaSettings(parallel=2 * config.pairs))
        for pair in arena.pairs(openings):
            test = test.add(pair.score)
            scores += [game.first_score for game in pair.games]
            if test.verdict != "continue":
                break
        return self._verdict(test, scores)

    def _verdict(self, test: Sprt, scores: list[float]) -> Verdict:
        score = sum(scores) / len(scores)
        elo, _, high = test.elo()
        decided = test.verdict
        if decided == "continue":
            promoted = score >= self.config.accept_score
            reason = (
                f"score {score:.3f} after all {test.trials} pairs, "
                f"{'at least' if promoted else 'below'} {self.config.accept_score:g}"
            )
        else:
            promoted = decided == "accept"
            bound = self.config.elo1 if promoted else self.config.elo0
            reason = (
                f"sequential test: {'at least' if promoted else 'at most'} {bound:+g} Elo "
                f"(LLR {test.llr:+.2f} after {test.trials} pairs)"
            )
        return Verdict(
            promoted=promoted,
            lost=high < 0,
            wins=scores.count(1.0),
            draws=scores.count(0.5),
            losses=scores.count(0.0),
            score=score,
            elo=elo,
            reason=reason,
        )
