"""Decide between two players with as few games as needed: a sequential test on game pairs.

A pair is one opening played twice with colors swapped; its score in half points is 0..4, so the
data are five counts (pentanomial). Single games give three counts (loss, draw, win). The statistic
is the generalized log-likelihood ratio (GSPRT) of "the expected score is s1" against "it is s0",
where the law of the outcomes is whatever fits the data best under each hypothesis. Nothing is
assumed about draws or about the two games of a pair being independent.

Source: Wald, "Sequential analysis" 1947; Van den Bergh, "A practical introduction to the GSPRT" and
"Comments on normalized Elo" (cantate.be/Fishtest: support_MLE_multinomial.pdf Prop. 1.1,
normalized_elo_practical.pdf sec. 4.2), as in official-stockfish/fishtest server/fishtest/stats.
Differences to fishtest, for short tests such as a gate's (it plays tens of thousands of games): a
quarter of an even pair is mixed in, and n results weigh as n^2 / (n + 1), since their variance is
only estimated. With both, simulated error rates stay at or below nominal (tests/training).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from go_env.errors import HonteError

Floats = npt.NDArray[np.float64]
Verdict = Literal["accept", "reject", "continue"]

NORMALIZED_ELO = 800.0 / math.log(10.0)
_BISECTIONS = 60
_MOST_ELO = 2_000  # beyond, a win says nothing that a number holds
# Laws of an even pair and an even game, mixed in with this weight (in pairs or games).
_PRIOR_WEIGHT = 0.25
_EVEN = {
    5: np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0,
    3: np.array([1.0, 2.0, 1.0]) / 4.0,
}


def score_from_elo(elo: float) -> float:
    """Return the expected score in [0, 1] of a player that is `elo` stronger (logistic)."""
    return 1.0 / (1.0 + math.pow(10.0, -elo / 400.0))


def elo_from_score(score: float) -> float:
    """Return the Elo difference that explains an expected score in (0, 1)."""
    return 400.0 * math.log10(score / (1.0 - score))


@dataclass(frozen=True)
class SprtBounds:
    """The two hypotheses and the allowed errors.

    H0: the first player is at most `elo0` stronger; H1: it is at least `elo1` stronger.

    Attributes:
        alpha: chance to accept H1 when the truth is elo0 (fishtest: 0.05).
        beta: chance to accept H0 when the truth is elo1 (fishtest: 0.05).
        model: "logistic" Elo, or "normalized" Elo (per standard deviation of a game, so that test
            lengths do not depend on the draw rate).
    """

    elo0: float = 0.0
    elo1: float = 35.0
    alpha: float = 0.05
    beta: float = 0.05
    model: Literal["logistic", "normalized"] = "logistic"

    def __post_init__(self) -> None:
        if not -_MOST_ELO <= self.elo0 < self.elo1 <= _MOST_ELO:
            raise HonteError(
                f"SPRT needs elo0 < elo1, both within {_MOST_ELO:,} "
                f"(given {self.elo0:g} and {self.elo1:g})"
            )
        for name, error in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0.0 < error < 0.5:
                raise HonteError(f"SPRT needs 0 < {name} < 0.5 (given {error})")
        if self.model not in ("logistic", "normalized"):
            raise HonteError(f"SPRT model must be logistic or normalized (given {self.model!r})")

    @property
    def lower(self) -> float:
        """Accept H0 at or below this log-likelihood ratio."""
        return math.log(self.beta / (1.0 - self.alpha))

    @property
    def upper(self) -> float:
        """Accept H1 at or above this log-likelihood ratio."""
        return math.log((1.0 - self.beta) / self.alpha)


@dataclass(frozen=True)
class Sprt:
    """A running test; adding a result returns the next state.

    Attributes:
        counts: five counts of pairs by score (0, 1, 2, 3, 4 half points of the first player), or
            three counts of games (losses, draws, wins).
    """

    bounds: SprtBounds
    counts: tuple[int, ...] = (0, 0, 0, 0, 0)

    def __post_init__(self) -> None:
        if len(self.counts) not in _EVEN or min(self.counts) < 0:
            raise HonteError("SPRT counts are five (pairs) or three (games) numbers >= 0")

    def add(self, score: float) -> Sprt:
        """Add one result: the first player's points in a pair (0..2) or in a game (0..1)."""
        half_points = round(2.0 * score)
        if half_points != 2.0 * score or not 0 <= half_points < len(self.counts):
            raise HonteError(f"no pair or game ends with {score} points")
        counts = list(self.counts)
        counts[half_points] += 1
        return replace(self, counts=tuple(counts))

    @property
    def trials(self) -> int:
        """Pairs (or single games) seen."""
        return sum(self.counts)

    @property
    def llr(self) -> float:
        """Log-likelihood ratio of H1 against H0."""
        return float(log_likelihood_ratio(np.array(self.counts, dtype=np.float64), self.bounds))

    @property
    def verdict(self) -> Verdict:
        llr = self.llr
        if llr >= self.bounds.upper:
            return "accept"
        return "reject" if llr <= self.bounds.lower else "continue"

    def score(self) -> tuple[float, float]:
        """Return the mean score in [0, 1] and its standard error, prior included."""
        law = _law(np.array(self.counts, dtype=np.float64))
        mean, variance = _moments(law)
        return float(mean), math.sqrt(float(variance) / (self.trials + _PRIOR_WEIGHT))

    def elo(self) -> tuple[float, float, float]:
        """Return Elo and its 95% interval, as if the test had run to a fixed length."""
        mean, error = self.score()
        elo, low, high = (
            elo_from_score(min(max(mean + z * error, 1e-3), 1 - 1e-3)) for z in (0.0, -1.96, 1.96)
        )
        return elo, low, high

    def to_json(self) -> dict[str, Any]:
        return {
            "elo0": self.bounds.elo0,
            "elo1": self.bounds.elo1,
            "alpha": self.bounds.alpha,
            "beta": self.bounds.beta,
            "model": self.bounds.model,
            "counts": list(self.counts),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Sprt:
        fields = dict(state)
        counts = tuple(int(n) for n in fields.pop("counts"))
        return cls(SprtBounds(**fields), counts)


def log_likelihood_ratio(counts: Floats, bounds: SprtBounds) -> Floats:
    """Return the GSPRT statistic of outcome counts [..., 5] or [..., 3], shape [...]."""
    law = _law(counts)
    trials = counts.sum(axis=-1)
    trials = trials * trials / (trials + 1.0)
    if bounds.model == "normalized":
        return _normalized_ratio(law, trials, bounds)
    at0 = _tilt(law, score_from_elo(bounds.elo0))
    at1 = _tilt(law, score_from_elo(bounds.elo1))
    return np.asarray(trials * np.sum(law * (np.log(at0) - np.log(at1)), axis=-1))


def expected_trials(bounds: SprtBounds, elo: float, variance: float) -> float:
    """Return about how many pairs (or games) the test takes when the truth is `elo` (logistic).

    Args:
        bounds: the test.
        elo: the true difference, logistic Elo.
        variance: of a pair's (or game's) mean score; 1/8 for pairs of decisive, even games.

    The statistic is treated as a Brownian motion between the bounds (Wald's approximation); the
    bounds are logistic.
    """
    s0, s1 = score_from_elo(bounds.elo0), score_from_elo(bounds.elo1)
    drift = (s1 - s0) * (score_from_elo(elo) - (s0 + s1) / 2.0) / variance
    spread = (s1 - s0) ** 2 / variance
    low, high = bounds.lower, bounds.upper
    if abs(drift) < 1e-9 * spread:
        return -low * high / spread
    rate = -2.0 * drift / spread
    to_high = (1.0 - math.exp(rate * low)) / (math.exp(rate * high) - math.exp(rate * low))
    return (to_high * high + (1.0 - to_high) * low) / drift


def _law(counts: Floats) -> Floats:
    """Return the empirical law with the even prior mixed in: all cells positive, sums to 1."""
    total = counts.sum(axis=-1, keepdims=True) + _PRIOR_WEIGHT
    law: Floats = (counts + _PRIOR_WEIGHT * _EVEN[counts.shape[-1]]) / total
    return law


def _moments(law: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of the score in [0, 1]."""
    values = np.linspace(0.0, 1.0, law.shape[-1])
    mean = law @ values
    return mean, np.sum(law * (values - mean[..., None]) ** 2, axis=-1)


def _tilt(law: Floats, score: float) -> Floats:
    """Return 1 + x (v - score) [..., cells]: the law over its best fit with mean `score`.

    The maximum-likelihood fit is law / (1 + x (v - score)), where x solves
    sum law (v - score) / (1 + x (v - score)) = 0.
    """
    gap = np.linspace(0.0, 1.0, law.shape[-1]) - score
    low = np.full(law.shape[:-1], -1.0 / gap[-1] + 1e-9)
    high = np.full(law.shape[:-1], -1.0 / gap[0] - 1e-9)
    for _ in range(_BISECTIONS):
        x = 0.5 * (low + high)
        rising = np.sum(law * gap / (1.0 + x[..., None] * gap), axis=-1) > 0
        low, high = np.where(rising, x, low), np.where(rising, high, x)
    return np.asarray(1.0 + x[..., None] * gap, dtype=np.float64)


def _normalized_ratio(law: Floats, trials: Floats, bounds: SprtBounds) -> Floats:
    """Source: normalized_elo_practical.pdf sec. 4.2; a pair counts as two games."""
    games = 2.0 if law.shape[-1] == 5 else 1.0
    mean, variance = _moments(law)
    t = (mean - 0.5) / np.sqrt(games * variance)
    t0, t1 = bounds.elo0 / NORMALIZED_ELO, bounds.elo1 / NORMALIZED_ELO
    ratio = np.log((1.0 + (t - t0) ** 2) / (1.0 + (t - t1) ** 2))
    return np.asarray(0.5 * games * trials * ratio, dtype=np.float64)
