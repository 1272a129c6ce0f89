"""What the games of a match say: ratings, tables of who beat whom, and warnings about the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError
from training.matches.labels import short_labels
from training.matches.log import GameRecord
from training.rating.bradley_terry import Floats, Results
from training.rating.elo import Ratings, bootstrap, rate, ratings_json
from training.rating.residuals import ResidualTest, residual_test
from training.rating.sprt import Sprt

_BOOTSTRAP_REPLICATES = 1000
_FORFEITS = ("time", "illegal move", "forfeit")


@dataclass(frozen=True)
class PlayerRow:
    """One player's games; points count draws half."""

    name: str
    games: int
    points: float
    draws: int
    black_games: int
    black_points: float
    white_games: int
    white_points: float
    forfeits: int  # lost on time, by illegal moves or by a dead engine


@dataclass(frozen=True)
class Standings:
    """The state of a match or of several result files together.

    Attributes:
        players: strongest first (by rating, else by score).
        ratings: None when no fit exists; `unrated` says why.
        pair_intervals: 95% intervals [P, 2] of the ratings from a bootstrap over game pairs, in the
            order of `ratings.players`.
        duplicates: games that repeat an earlier game move for move.
        notes: sentences on what else a reader of the ratings must know.
    """

    players: tuple[PlayerRow, ...]
    records: tuple[GameRecord, ...]
    ratings: Ratings | None
    unrated: str
    residuals: ResidualTest | None
    pair_intervals: Floats | None
    duplicates: int
    reasons: dict[str, int]
    notes: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> dict[str, str]:
        """Short names for tables."""
        return short_labels([row.name for row in self.players])

    def crosstable(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Return wins, draws and losses of the first against the second, both ways round."""
        table: dict[tuple[str, str], tuple[int, int, int]] = {}
        for record in self.records:
            for player, other, color in (
                (record.black, record.white, BLACK),
                (record.white, record.black, WHITE),
            ):
                won, drawn, lost = table.get((player, other), (0, 0, 0))
                if record.winner == 0:
                    drawn += 1
                elif record.winner == color:
                    won += 1
                else:
                    lost += 1
                table[player, other] = (won, drawn, lost)
        return table


def make_standings(
    records: Sequence[GameRecord], *, anchor: str | None = None, prior: float = 1.0
) -> Standings:
    """Rate and count finished games."""
    rows = _player_rows(records)
    ratings: Ratings | None = None
    unrated, residuals, intervals = "", None, None
    notes: list[str] = []
    try:
        results = Results.of_games((r.black, r.white, r.black_score) for r in records)
        ratings = rate(results, anchor=anchor, prior=prior)
    except HonteError as error:
        unrated = str(error)
    if ratings is not None:
        residuals = _residuals(ratings, notes)
        intervals = _pair_intervals(records, ratings, notes)
    if ratings is None:
        rows.sort(key=lambda row: -row.points / max(row.games, 1))
    else:
        elo = dict(zip(ratings.players, ratings.elo.tolist(), strict=True))
        rows.sort(key=lambda row: -elo[row.name])
    if unjudged := sum(record.unjudged for record in records):
        notes.append(f"the referee failed in {unjudged} games: every stone counted as alive there")
    seen = Counter((record.black, record.white, record.moves) for record in records)
    return Standings(
        players=tuple(rows),
        records=tuple(records),
        ratings=ratings,
        unrated=unrated,
        residuals=residuals,
        pair_intervals=intervals,
        duplicates=sum(count - 1 for count in seen.values()),
        reasons=dict(Counter(record.reason for record in records).most_common()),
        notes=tuple(notes),
    )


class SprtFeed:
    """Feeds complete pairs of two players to a sequential test, in the order of their openings.

    Pairs after a gap, or after the decision, do not count: the outcome is the same however games
    were spread over workers and interruptions.
    """

    def __init__(self, test: Sprt, first: str, second: str) -> None:
        self.test = test
        self._players = (first, second)
        self._legs: dict[int, dict[int, GameRecord]] = {}
        self._due = 0

    @property
    def decided(self) -> bool:
        return self.test.verdict != "continue"

    def add(self, record: GameRecord) -> None:
        """Take a finished game; games of other players are passed over."""
        if {record.first, record.second} != set(self._players):
            return
        self._legs.setdefault(record.pair, {})[record.leg] = record
        while not self.decided and len(self._legs.get(self._due, ())) == 2:
            legs = self._legs.pop(self._due)
            score = legs[0].first_score + legs[1].first_score
            self.test = self.test.add(score if legs[0].first == self._players[0] else 2 - score)
            self._due += 1


def standings_json(standings: Standings, test: Sprt | None = None) -> dict[str, Any]:
    """Return everything as plain JSON values."""
    table = standings.crosstable()
    data: dict[str, Any] = {
        "games": len(standings.records),
        "players": [vars(row) for row in standings.players],
        "crosstable": [
            {"player": a, "opponent": b, "wins": w, "draws": d, "losses": x}
            for (a, b), (w, d, x) in sorted(table.items())
        ],
        "reasons": standings.reasons,
        "duplicates": standings.duplicates,
        "notes": list(standings.notes),
        "ratings": None,
    }
    ratings = standings.ratings
    if ratings is None:
        data["unrated"] = standings.unrated
    else:
        data["ratings"] = ratings_json(ratings)
        data["ratings"]["superiority"] = ratings.superiority().tolist()
        if standings.pair_intervals is not None:
            data["ratings"]["interval95_over_pairs"] = dict(
                zip(ratings.players, standings.pair_intervals.tolist(), strict=True)
            )
    if standings.residuals is not None:
        data["residual_test"] = {
            **vars(standings.residuals),
            "pairs": [vars(pair) for pair in standings.residuals.pairs],
        }
    if test is not None:
        elo, low, high = test.elo()
        data["sprt"] = {
            **test.to_json(),
            "llr": test.llr,
            "bounds": [test.bounds.lower, test.bounds.upper],
            "verdict": test.verdict,
            "pairs": test.trials,
            "elo": elo,
            "interval95": [low, high],
        }
    return data


def _player_rows(records: Sequence[GameRecord]) -> list[PlayerRow]:
    points: Counter[tuple[str, int]] = Counter()
    games: Counter[tuple[str, int]] = Counter()
    draws: Counter[str] = Counter()
    forfeits: Counter[str] = Counter()
    for record in records:
        for name, color in ((record.black, BLACK), (record.white, WHITE)):
            half_points = round(2 * record.black_score)
            games[name, color] += 1
            points[name, color] += half_points if color == BLACK else 2 - half_points
            draws[name] += record.winner == 0
            lost = record.winner == BLACK + WHITE - color
            forfeits[name] += lost and record.reason in _FORFEITS
    names = dict.fromkeys(name for record in records for name in (record.first, record.second))
    return [
        PlayerRow(
            name=name,
            games=games[name, BLACK] + games[name, WHITE],
            points=(points[name, BLACK] + points[name, WHITE]) / 2,
            draws=draws[name],
            black_games=games[name, BLACK],
            black_points=points[name, BLACK] / 2,
            white_games=games[name, WHITE],
            white_points=points[name, WHITE] / 2,
            forfeits=forfeits[name],
        )
        for name in names
    ]


def _residuals(ratings: Ratings, notes: list[str]) -> ResidualTest | None:
    if len(ratings.players) <= 2:
        return None
    try:
        return residual_test(ratings)
    except HonteError as error:
        notes.append(f"no residual test: {error}")
        return None


def _pair_intervals(
    records: Sequence[GameRecord], ratings: Ratings, notes: list[str]
) -> Floats | None:
    pairs: dict[tuple[str, str, int], list[tuple[str, str, float]]] = {}
    for record in records:
        key = (record.first, record.second, record.pair)
        pairs.setdefault(key, []).append((record.black, record.white, record.black_score))
    try:
        players, samples = bootstrap(
            list(pairs.values()),
            replicates=_BOOTSTRAP_REPLICATES,
            prior=ratings.prior,
            anchor=ratings.anchor,
        )
    except HonteError as error:
        notes.append(f"no intervals over pairs of games: {error}")
        return None
    if np.ptp(samples, axis=0).max() == 0.0:
        notes.append("no intervals over pairs of games: all pairs ended alike")
        return None
    order = [players.index(name) for name in ratings.players]
    return np.quantile(samples[:, order], [0.025, 0.975], axis=0).T
