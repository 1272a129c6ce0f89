"""A short run that never happened, told in the events of `training.metrics`."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.model_store import ModelStore

SIZE = 5
CORNERS = [0, 4, 20, 24, SIZE * SIZE, SIZE * SIZE]


def synthetic_events(num_rounds: int = 12) -> Iterator[dict[str, Any]]:
    """Yield stamped events of every kind."""
    stories = [("config", _config())]
    table = [_row("random", 0.0), _row("rollout?sims=1000", 600.0)]
    for i in range(1, num_rounds + 1):
        share = i / num_rounds
        stories += [("selfplay", _selfplay(i, share)), ("learner", _learner(i, share))]
        if i % 4 == 0:
            table = [*table, _row(f"model {i}", 900 * share)]
            stories += [
                (
                    "publish",
                    {"model": i, "step": 100 * i, "games": 40 * i, "evaluations": 9000 * i},
                ),
                ("gate", _gate(i, promoted=i != 8)),
                ("rating", {"model": i, "table": table, "games": 40 * i, "evaluations": 9000 * i}),
                ("game", _game(i)),
            ]
    stories.append(("alarm", {"name": "length", "message": "games are <short>", "value": 3.0}))
    stories.append(("done", {"reason": "time is up", "games": 480, "step": 1200, "champion": 12}))
    for i, (kind, values) in enumerate(stories):
        yield {"kind": kind, "time_s": 1.7e9 + 10 * i, "elapsed_s": 10.0 * i, **values}


def write_run(root: Path, events: Iterator[Mapping[str, Any]]) -> ModelStore:
    """Lay the events down as a run directory."""
    store = ModelStore(root)
    with store:
        store.config_path.write_text("seed = 1\n")
        store.metrics_path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return store


def _config() -> dict[str, Any]:
    return {
        "name": "5x5",
        "size": SIZE,
        "komi": 25.0,
        "network": "4x32",
        "simulations": 32,
        "search": "gumbel",
        "runner": "local",
        "workers": 1,
        "budget_s": 900.0,
        "versions": {"honte": "0.1.0"},
    }


def _selfplay(i: int, share: float) -> dict[str, Any]:
    return {
        "games": 40 * i,
        "games_per_s": 4.0 + math.sin(i),
        "evals_per_s": 3000.0,
        "window": 800 * i,
        "mean_length": 30 - 10 * share,
        "black_wins": 0.5,
        "draws": 0.1 + 0.3 * share,
        "entropy": 2.5 - share,
        "evaluations": 9000 * i,
    }


def _learner(i: int, share: float) -> dict[str, Any]:
    return {
        "step": 100 * i,
        "samples_per_s": 800.0,
        "loss": 4 - 2 * share,
        "policy_loss": 3 - 2 * share,
        "value_loss": 1 - share / 2,
        "calibration": [[-0.5, -0.4 * share, 30], [0.5, 0.4 * share, 60]],
    }


def _gate(i: int, promoted: bool) -> dict[str, Any]:
    wins = 45 if promoted else 15
    return {
        "candidate": i,
        "champion": max(i - 4, 0),
        "games": 60,
        "wins": wins,
        "draws": 5,
        "losses": 55 - wins,
        "score": (wins + 2.5) / 60,
        "promoted": promoted,
        "reason": "log-likelihood ratio 3.1 > 2.94",
    }


def _game(i: int) -> dict[str, Any]:
    return {
        "number": 40 * i,
        "size": SIZE,
        "komi": 25.0,
        "moves": CORNERS,
        "result": "W+25",
        "model": i,
    }


def _row(player: str, elo: float) -> dict[str, Any]:
    return {"player": player, "elo": elo, "low": elo - 50, "high": elo + 50, "games": 100}
