"""Fit the Bradley-Terry model: a logistic regression on who met whom, for many data sets at once.

Model: Black beats White with probability sigmoid(r_black - r_white + b); b is the advantage of the
first move. A draw is half a win. The prior is BayesElo's: every player has `prior` virtual draws,
spread over the opponents that it really met. It pulls neighbors together, never a player towards a
fixed rating: that trap (virtual games against rating 0) shortens long ladders.

Letters: P players, E ordered pairings (Black, White), R data sets, K = P + 1 parameters (b last).

Source: Bradley and Terry 1952; Coulom, BayesElo, for the prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from go_env.errors import HonteError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAX_NEWTON_STEPS = 100
_NEWTON_TOLERANCE = 1e-9
_LEAST_CURVATURE = 1e-6  # below it the likelihood rises forever in some direction


@dataclass(frozen=True)
class Results:
    """Counts of game results by ordered pairing; all arrays are [E].

    `wins`, `draws` and `losses` are Black's. Black and White exchanged make another pairing.
    """

    players: tuple[str, ...]
    black: Ints
    white: Ints
    wins: Floats
    draws: Floats
    losses: Floats

    @classmethod
    def of_games(
        cls, games: Iterable[tuple[str, str, float]], players: Sequence[str] = ()
    ) -> Results:
        """Count games given as (Black, White, Black's score in {0, 0.5, 1})."""
        counts: dict[tuple[str, str], list[float]] = {}
        for black, white, score in games:
            if score not in (0.0, 0.5, 1.0):
                raise HonteError(f"a game's score must be 0, 0.5 or 1 (given {score})")
            row = counts.setdefault((black, white), [0.0, 0.0, 0.0])
            row[{1.0: 0, 0.5: 1, 0.0: 2}[score]] += 1
        rows = [(black, white, row[0], row[1], row[2]) for (black, white), row in counts.items()]
        return cls.of_table(rows, players)

    @classmethod
    def of_table(
        cls, rows: Iterable[tuple[str, str, float, float, float]], players: Sequence[str] = ()
    ) -> Results:
        """Build from rows (Black, White, Black's wins, draws, Black's losses)."""
        table = list(rows)
        seen = dict.fromkeys(players)
        seen.update(dict.fromkeys(name for black, white, *_ in table for name in (black, white)))
        names = tuple(seen)
        index = {name: i for i, name in enumerate(names)}
        for black, white, *_ in table:
            if black == white:
                raise HonteError(f"player {black!r} cannot be rated against itself")
        columns = [np.array([row[c] for row in table], dtype=np.float64) for c in (2, 3, 4)]
        return cls(
            players=names,
            black=np.array([index[row[0]] for row in table], dtype=np.int64),
            white=np.array([index[row[1]] for row in table], dtype=np.int64),
            wins=columns[0],
            draws=columns[1],
            losses=columns[2],
        )

    @property
    def games(self) -> Floats:
        """Number of games of each ordered pairing, [E]."""
        return self.wins + self.draws + self.losses

    @property
    def scores(self) -> Floats:
        """Black's points in each ordered pairing, [E]."""
        return self.wins + 0.5 * self.draws


@dataclass(frozen=True)
class BradleyTerry:
    """The logistic regression behind the ratings: design rows for games and for virtual draws."""

    design: Floats  # [E, K]
    prior_design: Floats  # [V, K]
    prior_games: Floats  # [V]
    prior: float
    first_move: bool

    @classmethod
    def of(cls, results: Results, prior: float, first_move: bool) -> BradleyTerry:
        count, edges = len(results.players), len(results.black)
        design = np.zeros((edges, count + 1))
        rows = np.arange(edges)
        design[rows, results.black] = 1.0
        design[rows, results.white] = -1.0
        prior_design = np.vstack([design, np.zeros((1, count + 1))])
        prior_design[-1, count] = 1.0  # a virtual draw of equals tells of the first move
        design[:, count] = 1.0 if first_move else 0.0
        played = np.zeros(count)
        np.add.at(played, results.black, results.games)
        np.add.at(played, results.white, results.games)
        share = 0.5 / played[results.black] + 0.5 / played[results.white]
        return cls(
            design, prior_design, prior * np.append(results.games * share, 1.0), prior, first_move
        )

    def expected(self, estimates: Floats) -> Floats:
        """Return Black's expected score [R, E] for parameters [R, K]."""
        return np.asarray(special.expit(estimates @ self.design.T), dtype=np.float64)

    def solve(self, points: Floats, games: Floats) -> Floats:
        """Return the parameters [R, K] of R tournaments at once, by damped Newton steps.

        Args:
            points: Black's points, [R, E].
            games: games played, [R, E].
        """
        free = self._free()
        rows = np.vstack([self.design, self.prior_design])[:, free]
        virtual = np.broadcast_to(self.prior_games, (len(points), len(self.prior_games)))
        target = np.hstack([points, 0.5 * virtual])
        weight = np.hstack([games, virtual])
        x = np.zeros((len(points), int(free.sum())))
        value = _log_likelihood(x, rows, target, weight)
        for _ in range(_MAX_NEWTON_STEPS):
            chance = special.expit(x @ rows.T)
            slope = (target - weight * chance) @ rows
            spread = weight * chance * (1 - chance)
            curve = np.stack([(rows.T * one) @ rows for one in spread])
            curve += 1e-12 * np.eye(x.shape[1])
            step = np.linalg.solve(curve, slope[..., None])[..., 0]
            step *= np.minimum(1.0, 5.0 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
            x, value = _ascend(x, step, value, (rows, target, weight))
            if np.abs(step).max() < _NEWTON_TOLERANCE:
                break
        if np.linalg.eigvalsh(curve).min() < _LEAST_CURVATURE:
            raise HonteError(
                "ratings do not exist without a prior: a group of players never lost a point"
                " to the others; use prior > 0"
            )
        full = np.zeros((len(points), len(free)))
        full[:, free] = x
        return full

    def covariance(self, estimate: Floats, games: Floats, dispersion: float) -> Floats:
        """Return the inverse Hessian [K, K] with player 0 as the ground."""
        free = self._free()
        rows, prior_rows = self.design[:, free], self.prior_design[:, free]
        chance = special.expit(estimate[free] @ rows.T)
        virtual = special.expit(estimate[free] @ prior_rows.T)
        hessian = (rows.T * (games * chance * (1 - chance) / dispersion)) @ rows
        hessian += (prior_rows.T * (self.prior_games * virtual * (1 - virtual))) @ prior_rows
        full = np.zeros((len(free), len(free)))
        full[np.ix_(free, free)] = np.linalg.pinv(hessian, hermitian=True)
        return full

    def _free(self) -> npt.NDArray[np.bool_]:
        """Return which parameters are fitted: player 0 is the ground of the differences."""
        free = np.ones(self.design.shape[1], dtype=bool)
        free[0] = False
        free[-1] = self.first_move
        return free


def _log_likelihood(x: Floats, rows: Floats, target: Floats, weight: Floats) -> Floats:
    logit = x @ rows.T
    return np.asarray(np.sum(target * logit - weight * np.logaddexp(0.0, logit), axis=1))


def _ascend(
    x: Floats, step: Floats, value: Floats, data: tuple[Floats, Floats, Floats]
) -> tuple[Floats, Floats]:
    """Take each replicate's step, halved until its likelihood does not fall."""
    scale = np.ones(len(x))
    for _ in range(30):
        trial = x + scale[:, None] * step
        reached = _log_likelihood(trial, *data)
        worse = reached < value - 1e-9 * (1.0 + np.abs(value))
        if not worse.any():
            break
        scale[worse] *= 0.5
    return trial, reached


def require_connected(results: Results) -> None:
    """Raise when the games leave two players without any chain of opponents between them."""
    if len(results.players) < 2:
        raise HonteError("rating needs the games of at least two players")
    group = list(range(len(results.players)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, j in zip(results.black.tolist(), results.white.tolist(), strict=True):
        group[root(i)] = root(j)
    apart = [name for i, name in enumerate(results.players) if root(i) != root(0)]
    if apart:
        raise HonteError(
            f"no chain of games links {apart[0]!r} with {results.players[0]!r}; let them play"
        )
