"""Running means of what self-play and the learner do until the next event; the rating table."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.learner import Learner
from training.rating.bradley_terry import Results
from training.rating.elo import rate
from training.records import GameRecord
from training.replay import ReplayWindow

_EVENT_S = 5.0  # between two events of one kind
_FRESH_ROWS = 512  # newest rows that the fresh loss and the calibration are taken on
_BINS = 10


class SelfPlayMeter:
    """Collects finished games between two events."""

    def __init__(self, evaluations: int) -> None:
        self._games: list[GameRecord] = []
        self._lag = 0.0
        self._since_s = time.monotonic()
        self._evaluations = evaluations  # up to the last event

    @property
    def due(self) -> bool:
        return time.monotonic() - self._since_s >= _EVENT_S

    def add(self, games: Sequence[GameRecord], model: int) -> None:
        self._games += games
        self._lag += sum(model - game.model for game in games)

    def report(self, window: ReplayWindow, evaluations: int, rejected: int) -> dict[str, Any]:
        """Return the fields of a `selfplay` event and start over."""
        games, elapsed_s = self._games, max(time.monotonic() - self._since_s, 1e-9)
        rows = sum(len(game.policy_plies) for game in games)
        verdicts = [game for game in games if game.verdict]
        result = {
            "games": window.games_made,
            "positions": window.rows_made,
            "evaluations": evaluations,
            "games_per_s": len(games) / elapsed_s,
            "positions_per_s": rows / elapsed_s,
            "evals_per_s": (evaluations - self._evaluations) / elapsed_s,
            "window": window.rows,
            "window_games": window.games,
            "model": games[-1].model,
            "mean_length": float(np.mean([len(game.moves) for game in games])),
            "black_wins": float(np.mean([game.score > 0 for game in games])),
            "draws": float(np.mean([game.score == 0 for game in games])),
            "entropy": float(np.mean([_entropy(game) for game in games])),
            "mean_score": float(np.mean([game.score for game in games])),
            "surprise": float(np.mean([game.surprise for game in games])),
            "rejected": rejected,
            "verdicts": len(verdicts),
            "policy_lag": self._lag / len(games),
        }
        if verdicts:
            result["wrong_verdicts"] = float(np.mean([game.verdict_is_wrong for game in verdicts]))
        self._games, self._lag, self._evaluations = [], 0.0, evaluations
        self._since_s = time.monotonic()
        return result


class LearnerMeter:
    """Averages learner steps between two events."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._steps = 0
        self._busy_since_s = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._busy_since_s >= _EVENT_S

    def add(self, step: dict[str, float]) -> None:
        for name, value in step.items():
            self._sums[name] += value
        self._steps += 1

    def report(self, learner: Learner, window: ReplayWindow) -> dict[str, Any]:
        """Return the fields of a `learner` event and start over."""
        elapsed_s = max(time.monotonic() - self._busy_since_s, 1e-9)
        mean = {name: total / self._steps for name, total in self._sums.items()}
        result: dict[str, Any] = {
            "step": learner.steps,
            "samples": learner.samples,
            "samples_per_s": self._steps * learner.config.batch / elapsed_s,
            "loss": mean["loss"],
            "policy_loss": mean["policy"],
            "value_loss": mean["value"],
            "ownership_loss": mean["ownership"],
            "score_loss": mean["score"],
            "learning_rate": mean["learning_rate"],
            "grad_norm": mean["grad_norm"],
            "weight_norm": learner.weight_norm(),
            "skipped": learner.skipped,
        }
        fresh = window.newest(_FRESH_ROWS)
        if fresh is not None:
            terms, values, entropy = learner.judge(fresh)
            result["fresh_value_loss"] = terms["value"]
            result["policy_entropy"] = entropy
            result["calibration"] = _calibration(values, fresh.value)
        self._sums.clear()
        self._steps = 0
        self._busy_since_s = time.monotonic()
        return result


def rating_table(
    matches: Sequence[tuple[str, str, float]], anchors: Sequence[str]
) -> list[dict[str, Any]]:
    """Fit games (Black, White, Black's score); the last (strongest) anchor that was met has 0 Elo.

    Intervals are relative to the mean of all players: what is uncertain of an anchor that lost
    all its games moves the whole scale and says nothing about progress.
    """
    results = Results.of_games(matches)
    ratings = rate(results)
    met = [anchor for anchor in anchors if anchor in results.players]
    zero = float(ratings.elo[ratings.index(met[-1])]) if met else 0.0
    table = []
    for i, player in enumerate(ratings.players):
        low, high = (bound - zero for bound in ratings.interval(player))
        mine = (results.black == i) | (results.white == i)
        games = int(results.games[mine].sum())
        elo = float(ratings.elo[i]) - zero
        table.append({"player": player, "elo": elo, "low": low, "high": high, "games": games})
    return sorted(table, key=lambda row: -row["elo"])


def game_event(game: GameRecord, number: int) -> dict[str, Any]:
    """Return the fields of a `game` event."""
    lead = abs(game.score)
    result = "0" if lead == 0 else f"{'B' if game.score > 0 else 'W'}+{lead:g}"
    return {
        "number": number,
        "size": game.size,
        "komi": game.komi,
        "moves": [int(move) for move in game.moves],
        "result": result,
        "model": game.model,
    }


def _entropy(game: GameRecord) -> float:
    policies = game.policies.astype(np.float32)
    if len(policies) == 0:
        return 0.0
    logs = np.log(np.maximum(policies, 1e-9))
    return float(-(policies * logs).sum(axis=1).mean())


def _calibration(predicted: np.ndarray, outcome: np.ndarray) -> list[list[float]]:
    """Return [mean prediction, mean outcome, positions] for each bin of predictions."""
    bins = np.clip(((predicted + 1) / 2 * _BINS).astype(int), 0, _BINS - 1)
    return [
        [float(predicted[bins == b].mean()), float(outcome[bins == b].mean()), int(n)]
        for b, n in enumerate(np.bincount(bins, minlength=_BINS))
        if n
    ]
