"""Does a run learn equally fast, game for game, under Ray and in one process? Curves overlaid.

    python benchmarks/runners.py 9x9 --games 1000 --out DIR [--workers 2] [--seeds 1]

Both train the preset for the same number of self-play games by `honte train`, without gates and
ratings. Then the raw policies of all their models meet in one rated match with a random player:
DIR/curves.png shows Elo over games, DIR/match its numbers. Goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.families import honte
from training.metrics import read_events

RUNNERS = ("local", "ray")
MODELS = 8  # of each run, evenly spread; the match grows with their square


def training(preset: str, games: int, runner: str, workers: int, seed: int) -> list[str]:
    """Return the words of the command that trains under a runner, without its run directory."""
    sets = [
        f"loop.games={games}", f"loop.workers={workers}", f"seed={seed}", "loop.rate_games=0",
        "loop.gate_every=1000000", "loop.publish_steps=50", "loop.keep_every=1", "gate.pairs=1",
        "gate.simulations=1",
    ]  # fmt: skip
    return ["train", preset, "--runner", runner, *(w for s in sets for w in ("--set", s))]


def models(run: Path) -> dict[int, int]:
    """Return some of a run's models, evenly spread: number to the games that it had learned from.

    The first has learned nothing.
    """
    events = read_events(run / "metrics.jsonl")
    games = {e["model"]: e["games"] for e in events if e["kind"] == "publish"}
    last = max(games.values())
    chosen = {
        min(games, key=lambda model, i=i: abs(games[model] - last * i / (MODELS - 1)))
        for i in range(MODELS)
    }
    return {model: games[model] for model in sorted(chosen)}


def rated(runs: list[Path], match: Path, size: str, pair_games: int) -> dict[str, Any]:
    """Play the match and return the rating of each player: elo, se, interval95."""
    players = ["random"]
    for run in runs:
        for model in models(run):
            path = run / "checkpoints" / f"model-{model:06d}.safetensors"
            players.append(f"{run.name}-{model}=policy:{path}?temperature=0.3")
    honte("match", *players, "--size", size, "--games", str(pair_games), "--rules", "cgos",
          "--anchor", "random", "--workers", "0", "--out", str(match))  # fmt: skip
    standings = json.loads((match / "standings.json").read_text())
    return {row["name"]: row for row in standings["ratings"]["players"]}


def draw(runs: list[Path], ratings: dict[str, Any], path: Path) -> None:
    """Draw Elo over self-play games, a line with 95 % intervals for each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        games = models(run)
        own = [ratings[f"{run.name}-{model}"] for model in games]
        elo = np.array([row["elo"] for row in own])
        spread = np.abs(np.array([row["interval95"] for row in own]).T - elo)
        axes.errorbar(list(games.values()), elo, spread, label=run.name, capsize=3, marker="o")
    axes.set(xlabel="self-play games", ylabel="Elo of the raw policy (random player: 0)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", help="5x5, 7x7, 9x9")
    parser.add_argument("--games", type=int, default=1000, help="of self-play, each run")
    parser.add_argument("--workers", type=int, default=1, help="that play, under Ray")
    parser.add_argument("--seeds", type=int, default=1, help="runs under each runner")
    parser.add_argument("--pair-games", type=int, default=16, help="of each pair in the match")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = []
    for seed in range(1, options.seeds + 1):
        for runner in RUNNERS:
            runs.append(options.out / f"{runner}-{seed}")
            command = training(options.preset, options.games, runner, options.workers, seed)
            honte(*command, "--run", str(runs[-1]))
    size = options.preset.split("x")[0]
    ratings = rated(runs, options.out / "match", size, options.pair_games)
    draw(runs, ratings, options.out / "curves.png")


if __name__ == "__main__":
    main()
