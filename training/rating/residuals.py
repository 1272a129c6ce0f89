"""Test whether one number per player explains all results (non-transitivity)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.rating.bradley_terry import BradleyTerry, Floats, Results
from training.rating.elo import ELO_PER_NAT, Ratings


@dataclass(frozen=True)
class PairResidual:
    """How far one pairing's result lies from what the ratings say (scores are first's)."""

    first: str
    second: str
    games: int
    score: float
    expected: float
    z: float


@dataclass(frozen=True)
class ResidualTest:
    """Whether one number per player explains all results; a small p-value says it does not."""

    chi_square: float
    degrees_of_freedom: int
    p_value: float
    pairs: tuple[PairResidual, ...]


def residual_test(ratings: Ratings, *, simulations: int = 999, seed: int = 0) -> ResidualTest:
    """Test the fit against its own residuals (non-transitivity), worst pairing first.

    The p-value comes from tournaments simulated and refitted under the model, since the chi-square
    law fails for pairings such as 2-0 at an expected 0.999.
    """
    results = ratings.results
    problem = BradleyTerry.of(results, ratings.prior, first_move=ratings.advantage_se > 0)
    estimate = np.append(ratings.elo, ratings.advantage)[None] / ELO_PER_NAT
    owner, pairings = _unordered(results)
    z, games, score, expected = _pair_residuals(
        problem, estimate, results.scores[None], results.games, ratings.dispersion, owner
    )
    observed = float(np.sum(z**2))
    freedom = len(pairings) - len(results.players) + 1
    p_value = 1.0
    if freedom > 0:
        points = _simulate(problem.expected(estimate)[0], ratings, simulations, seed)
        refits = problem.solve(points, np.broadcast_to(results.games, points.shape))
        simulated = _pair_residuals(
            problem, refits, points, results.games, ratings.dispersion, owner
        )[0]
        above = int(np.sum(np.sum(simulated**2, axis=1) >= observed))
        p_value = (above + 1) / (simulations + 1)
    rows = [
        PairResidual(
            first=results.players[i],
            second=results.players[j],
            games=int(games[k]),
            score=float(score[0, k]),
            expected=float(expected[0, k]),
            z=float(z[0, k]),
        )
        for k, (i, j) in enumerate(pairings)
    ]
    rows.sort(key=lambda row: -abs(row.z))
    return ResidualTest(observed, max(freedom, 0), p_value, tuple(rows))


def _unordered(results: Results) -> tuple[Floats, list[tuple[int, int]]]:
    """Return signs [E, pairings] (+1 where Black is the pairing's first player) and pairings."""
    met: dict[tuple[int, int], int] = {}
    for i, j in zip(results.black.tolist(), results.white.tolist(), strict=True):
        met.setdefault((min(i, j), max(i, j)), len(met))
    owner = np.zeros((len(results.black), len(met)))
    for e, (i, j) in enumerate(zip(results.black.tolist(), results.white.tolist(), strict=True)):
        owner[e, met[min(i, j), max(i, j)]] = 1.0 if i < j else -1.0
    return owner, list(met)


def _pair_residuals(
    problem: BradleyTerry,
    estimates: Floats,
    points: Floats,
    games: Floats,
    dispersion: float,
    owner: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return z [R, pairings], games [pairings], the first player's score and its expectation."""
    chance = problem.expected(estimates)
    as_black, as_white = np.maximum(owner, 0.0), np.maximum(-owner, 0.0)
    total = games @ np.abs(owner)
    score = points @ as_black + (games - points) @ as_white
    expected = (games * chance) @ as_black + (games * (1.0 - chance)) @ as_white
    variance = dispersion * (games * chance * (1.0 - chance)) @ np.abs(owner)
    return (score - expected) / np.sqrt(np.maximum(variance, 1e-12)), total, score, expected


def _simulate(chance: Floats, ratings: Ratings, simulations: int, seed: int) -> Floats:
    """Return Black's points [R, E] in tournaments played by the fitted model."""
    rng = np.random.default_rng(seed)
    draw = np.minimum(
        4.0 * (1.0 - ratings.dispersion) * chance * (1.0 - chance),
        2.0 * np.minimum(chance, 1.0 - chance),
    )
    law = np.stack([chance - draw / 2, draw, 1.0 - chance - draw / 2], axis=1).clip(0.0, 1.0)
    games = ratings.results.games.astype(np.int64)
    counts = rng.multinomial(games, law / law.sum(axis=1, keepdims=True), (simulations, len(games)))
    return np.asarray(counts[..., 0] + 0.5 * counts[..., 1], dtype=np.float64)
