"""What the champions of a finished run score against one opponent, over evaluations and hours.

    python benchmarks/champions.py RUN gnugo --games 40 --out DIR

One gauntlet by `honte match`, the opponent against every champion that the run has kept (or the
models that `--models` names); then DIR/curve.png and a table. Goes on where it stopped. Other than
a sum of gates this shows progress against someone who does not learn along.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.checkpoint import load_checkpoint
from benchmarks.command_line import run
from benchmarks.families import honte
from go_env.errors import HonteError
from training.matches.plan import parse_players
from training.model_store import ModelStore


@dataclass(frozen=True)
class Score:
    """What a model, made at a cost, has scored: wins, draws, losses."""

    model: int
    evaluations: float  # of the network in self-play, up to this model
    hours: float
    results: tuple[int, int, int]

    @property
    def mean(self) -> float:
        wins, draws, _ = self.results
        return (wins + draws / 2) / sum(self.results)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval (Wilson 1927), which is none too short for a player that won all."""
        n, z = sum(self.results), 1.96
        center = self.mean + z * z / (2 * n)
        half = z * math.sqrt(self.mean * (1 - self.mean) / n + (z / (2 * n)) ** 2)
        return (center - half) / (1 + z * z / n), (center + half) / (1 + z * z / n)

    def __str__(self) -> str:
        cost = f"{self.model} | {self.evaluations / 1e6:.1f} M | {self.hours:.2f}"
        low, high = (100 * bound for bound in self.interval)
        result = "-".join(str(n) for n in self.results)
        return f"| {cost} | {100 * self.mean:.1f} % ({low:.0f} to {high:.0f}) | {result} |"


def name_of(model: int) -> str:
    return f"model-{model}"


def champions(store: ModelStore) -> list[int]:
    """Return the numbers of all champions whose weights are still there."""
    champion = store.champion()
    known = (*champion.previous, champion.number) if champion else ()
    return sorted(set(known) & set(store.numbers()))


def scores(
    store: ModelStore, models: list[int], match: Path, options: argparse.Namespace
) -> list[Score]:
    """Return the scores of models that the match has games of."""
    table = json.loads((match / "standings.json").read_text())["crosstable"]
    results = {row["player"]: (row["wins"], row["draws"], row["losses"]) for row in table}
    found = []
    for model in models:
        made = load_checkpoint(store.checkpoint_path(model)).provenance
        evaluations = made["evaluations"] + options.earlier_evaluations
        hours = made["hours"] + options.earlier_hours
        found.append(Score(model, evaluations, hours, results[name_of(model)]))
    return found


def draw(found: list[Score], opponent: str, path: Path) -> None:
    """Draw the scores with their intervals, over evaluations and over hours."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    costs = {
        "network evaluations, millions": [score.evaluations / 1e6 for score in found],
        "hours": [score.hours for score in found],
    }
    low, high = zip(*(score.interval for score in found), strict=True)
    spread = [
        [score.mean - bound for score, bound in zip(found, low, strict=True)],
        [bound - score.mean for score, bound in zip(found, high, strict=True)],
    ]
    for axes, (label, cost) in zip(panels, costs.items(), strict=True):
        means = [score.mean for score in found]
        axes.errorbar(cost, means, spread, fmt="o", capsize=3)
        axes.set(xlabel=label, ylim=(min(0.5, *low), 1.02))
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"score against {opponent}, 95 % intervals")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("opponent", metavar="SPEC", help="as in honte match; NAME=SPEC for labels")
    parser.add_argument("--models", default="", help="numbers, with commas; default: champions")
    parser.add_argument("--sims", type=int, default=200, help="simulations a move")
    parser.add_argument("--games", type=int, default=40, help="of each model")
    parser.add_argument("--rules", default="cgos")
    parser.add_argument("--openings", default="2", help="as in honte match")
    parser.add_argument("--parallel", type=int, default=1, help="games at once; 1 for an engine")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--earlier-evaluations", type=float, default=0, help="paid for elsewhere")
    parser.add_argument("--earlier-hours", type=float, default=0, help="the same of time")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    store = ModelStore.existing(options.run)
    models = [int(n) for n in options.models.split(",")] if options.models else champions(store)
    if not models:
        raise HonteError(f"{options.run} has no champion yet: name models by --models")
    rules = load_checkpoint(store.checkpoint_path(models[0])).rules
    players = [
        f"{name_of(model)}=honte:{store.checkpoint_path(model)}?sims={options.sims}"
        for model in models
    ]
    honte("match", options.opponent, *players, "--gauntlet", "--size", str(rules.size),
          "--komi", str(rules.komi), "--rules", options.rules, "--games", str(options.games),
          "--openings", options.openings, "--parallel", str(options.parallel),
          "--workers", str(options.workers), "--out", str(options.out / "match"))  # fmt: skip
    found = scores(store, models, options.out / "match", options)
    draw(found, parse_players([options.opponent])[0].name, options.out / "curve.png")
    print("| model | evaluations | hours | score | wins-draws-losses |\n|---|---|---|---|---|")
    for score in found:
        print(score)


if __name__ == "__main__":
    run(main)
