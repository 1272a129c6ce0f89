"""Rate players from game results: Elo with honest error bars.

Elo = 400 / ln(10) * r of `bradley_terry`. A draw counts as half a win (the score equation of a
logistic mean model); the covariance is the inverse Hessian, shrunk by the share of variance that
draws take away. Intervals for games that share openings come from `bootstrap` over pairs.

Letters: P players, E ordered pairings (Black, White), R replicates.

Source: McCullagh and Nelder, "Generalized linear models" 1989, ch. 9 (dispersion); Efron 1979.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from go_env.errors import HonteError
from training.rating.bradley_terry import BradleyTerry, Floats, Results, require_connected

ELO_PER_NAT = 400.0 / np.log(10.0)
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Ratings:
    """A fit: ratings in Elo with their full covariance, and the advantage of moving first."""

    results: Results
    elo: Floats
    covariance: Floats
    advantage: float
    advantage_se: float
    dispersion: float
    prior: float
    anchor: str | None

    @property
    def players(self) -> tuple[str, ...]:
        return self.results.players

    @property
    def se(self) -> Floats:
        """Standard error of each rating relative to the zero of the scale, [P]."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def index(self, player: str) -> int:
        if player not in self.players:
            raise HonteError(f"no rated player {player!r}; there are {', '.join(self.players)}")
        return self.players.index(player)

    def interval(self, player: str) -> tuple[float, float]:
        """Return the 95% interval of one rating (relative to the zero of the scale)."""
        i = self.index(player)
        half = Z95 * float(self.se[i])
        return float(self.elo[i]) - half, float(self.elo[i]) + half

    def difference(self, first: str, second: str) -> tuple[float, float]:
        """Return first minus second and its standard error, both in Elo."""
        i, j = self.index(first), self.index(second)
        return float(self.elo[i] - self.elo[j]), float(self.difference_se[i, j])

    @property
    def difference_se(self) -> Floats:
        """Standard errors of all rating differences, [P, P]."""
        variance = np.diag(self.covariance)
        spread = variance[:, None] + variance[None, :] - 2.0 * self.covariance
        return np.sqrt(np.maximum(spread, 0.0))

    def superiority(self) -> Floats:
        """Return the likelihood of superiority [P, P]: that row's rating is above column's."""
        gap = self.elo[:, None] - self.elo[None, :]
        error = self.difference_se
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(error > 0, gap / error, 0.0)
        return np.asarray(stats.norm.cdf(z), dtype=np.float64)

    def expected(self, black: str, white: str) -> float:
        """Return Black's expected score against White."""
        gap = self.elo[self.index(black)] - self.elo[self.index(white)] + self.advantage
        return float(special.expit(gap / ELO_PER_NAT))


def rate(
    results: Results, *, prior: float = 1.0, anchor: str | None = None, first_move: bool = True
) -> Ratings:
    """Fit ratings by maximum (penalized) likelihood.

    Args:
        results: the games.
        prior: virtual draws of each player; 0 is plain maximum likelihood, which exists only when
            the players cannot be split in two groups of which one never lost a point to the other.
        anchor: the player at 0 Elo; None puts the mean of all players at 0.
        first_move: estimate the advantage of moving first, else fix it at 0.
    """
    if anchor is not None and anchor not in results.players:
        raise HonteError(f"the anchor {anchor!r} is not among {', '.join(results.players)}")
    require_connected(results)
    problem = BradleyTerry.of(results, prior, first_move)
    estimate = problem.solve(results.scores[None], results.games[None])[0]
    return _ratings(problem, estimate, results, anchor)


def _ratings(
    problem: BradleyTerry, estimate: Floats, results: Results, anchor: str | None
) -> Ratings:
    count = len(results.players)
    dispersion = _dispersion(problem, estimate, results)
    covariance = problem.covariance(estimate, results.games, dispersion)
    to_zero = np.eye(count)
    if anchor is None:
        to_zero -= 1.0 / count
    else:
        to_zero[:, results.players.index(anchor)] -= 1.0
    ratings = to_zero @ estimate[:count]
    return Ratings(
        results=results,
        elo=ratings * ELO_PER_NAT,
        covariance=to_zero @ covariance[:count, :count] @ to_zero.T * ELO_PER_NAT**2,
        advantage=float(estimate[count] * ELO_PER_NAT),
        advantage_se=float(np.sqrt(max(covariance[count, count], 0.0)) * ELO_PER_NAT),
        dispersion=dispersion,
        prior=problem.prior,
        anchor=anchor,
    )


def _dispersion(problem: BradleyTerry, estimate: Floats, results: Results) -> float:
    """Return the variance of a game's score over that of a game without draws.

    A score with mean p and draw probability d has variance p(1-p) - d/4. With d proportional to
    p(1-p), as even games are drawn more often, the ratio is one number. One virtual decisive game
    keeps it above zero.
    """
    chance = problem.expected(estimate[None])[0]
    coin_flips = float(np.sum(4.0 * results.games * chance * (1.0 - chance)))
    draws = float(np.sum(results.draws))
    return max(1.0 - draws / (coin_flips + 1.0), 1.0 / (coin_flips + 1.0))


def bootstrap(
    pairs: Sequence[Sequence[tuple[str, str, float]]],
    *,
    replicates: int = 1000,
    seed: int = 0,
    prior: float = 1.0,
    anchor: str | None = None,
) -> tuple[tuple[str, ...], Floats]:
    """Resample whole game pairs, the independent units when colors are swapped on one opening.

    Each pair holds a few games (Black, White, Black's score) that share an opening.

    Returns:
        The players and ratings [R, P] in Elo, one row a replicate, each with the anchor (or the
        mean) at 0. Resampling is within each pairing of players, so that no pairing vanishes; one
        whose pairs all ended alike adds no spread, however few they are.
    """
    games = [game for pair in pairs for game in pair]
    whole = Results.of_games(games)
    require_connected(whole)
    problem = BradleyTerry.of(whole, prior, first_move=True)
    rng = np.random.default_rng(seed)
    edge = {
        (whole.players[b], whole.players[w]): e
        for e, (b, w) in enumerate(zip(whole.black, whole.white, strict=True))
    }
    kinds = Counter(tuple(sorted(pair)) for pair in pairs)  # equal pairs are drawn together
    points = np.zeros((len(kinds), len(edge)))
    played = np.zeros((len(kinds), len(edge)))
    strata: dict[frozenset[str], list[int]] = {}
    for k, kind in enumerate(kinds):
        for black, white, score in kind:
            points[k, edge[black, white]] += score
            played[k, edge[black, white]] += 1
        strata.setdefault(frozenset(kind[0][:2]), []).append(k)
    counts = np.array(list(kinds.values()))
    weights = np.zeros((replicates, len(kinds)))
    for members in strata.values():
        total = int(counts[members].sum())
        weights[:, members] = rng.multinomial(total, counts[members] / total, size=replicates)
    estimates = problem.solve(weights @ points, weights @ played)[:, : len(whole.players)]
    zero = estimates.mean(axis=1) if anchor is None else estimates[:, whole.players.index(anchor)]
    return whole.players, (estimates - zero[:, None]) * ELO_PER_NAT


def ratings_json(ratings: Ratings) -> dict[str, Any]:
    """Return the fit as plain JSON values, strongest player first."""
    order = np.argsort(-ratings.elo)
    return {
        "anchor": ratings.anchor,
        "prior_draws": ratings.prior,
        "first_move_advantage": {"elo": ratings.advantage, "se": ratings.advantage_se},
        "dispersion": ratings.dispersion,
        "players": [
            {
                "name": ratings.players[i],
                "elo": float(ratings.elo[i]),
                "se": float(ratings.se[i]),
                "interval95": list(ratings.interval(ratings.players[i])),
            }
            for i in order
        ],
        "covariance": {
            "players": list(ratings.players),
            "matrix": ratings.covariance.tolist(),
        },
    }
