"""Q-learning, policy gradients and AlphaZero after equal time on one core, in one rated match.

    python benchmarks/families.py 5x5 --minutes 30 --out DIR [--seeds 3] [--games 40]

Each family trains by its own `honte` command with the preset of that name, one after the other, on
this machine with the local runner; then all play each other, a random player and (where it is
installed) GNU Go. Both go on where they stopped. Players of AlphaZero search 64 simulations; a
second one plays its raw policy, as the baselines do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.worker import is_installed

REPOSITORY = Path(__file__).resolve().parent.parent
GNUGO = (
    "gtp:gnugo --mode gtp --level 10 --chinese-rules --capture-all-dead --positional-superko "
    "--play-out-aftermath"
)
_LEAST_LOST = 0.2  # %, where the drawing puts a player that lost none
KOMI = {"5x5": "0.5", "7x7": "9"}  # the baselines' presets: at 25 Black can only draw on 5x5


def honte(*words: str) -> None:
    """Run one `honte` command of this checkout; stop with its exit status if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    print("honte", *words, flush=True)
    done = subprocess.run([sys.executable, "-m", "training.cli", *words], env=environment)
    if done.returncode:
        sys.exit(done.returncode)


def families(preset: str, minutes: float) -> dict[str, tuple[str, ...]]:
    """Return the command that trains each family, without run directory and seed."""
    gradient = ("baseline", "policy-gradient", preset, "--set", f"loop.minutes={minutes}")
    reinforce = ("--set", "policy_gradient.method=reinforce")
    alone = ("--set", "policy_gradient.opponents=self")
    return {
        "q-learning": ("baseline", "q-learning", preset, "--set", f"loop.minutes={minutes}"),
        "reinforce-pool": (*gradient, *reinforce),
        "reinforce-self": (*gradient, *reinforce, *alone),
        "ppo": gradient,
        "alphazero": ("train", preset, "--set", f"loop.hours={minutes / 60}"),
    }


def players(out: Path, names: list[str]) -> list[str]:
    """Return the match's players: the first seed of each family, and the fixed ones."""
    specs = []
    for name in names:
        run = out / f"{name}-1"
        if name == "alphazero":
            specs += [f"alphazero=honte:{run}?sims=64", f"alphazero-policy=policy:{run}"]
        else:
            specs.append(f"{name}={'q' if name == 'q-learning' else 'pg'}:{run}")
    if is_installed(GNUGO):
        specs.append(f"gnugo={GNUGO}")
    return [*specs, "random"]


def draw(out: Path) -> None:
    """Draw what every run loses to a random player, over time: DIR/curves.png."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    from training.metrics import read_events

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    colors: dict[str, str] = {}
    for path in sorted(out.glob("*/metrics.jsonl")):
        events = [event for event in read_events(path) if event["kind"] == "evaluation"]
        if not events:  # AlphaZero rates itself otherwise
            continue
        minutes = [event["elapsed_s"] / 60 for event in events]
        family = path.parent.name.rpartition("-")[0]
        color = colors.setdefault(family, f"C{len(colors)}")
        label = family if path.parent.name.endswith("-1") else None
        lost = [max(100 * (1 - event["score"]), _LEAST_LOST) for event in events]
        axes.plot(minutes, lost, color=color, label=label)
    axes.set(xlabel="minutes", ylabel="games lost to a random player, %", yscale="log")
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda lost, _: "none" if lost <= _LEAST_LOST else f"{lost:g}")
    )
    axes.set_yticks([_LEAST_LOST, 1, 10, 100])
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    figure.savefig(out / "curves.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", choices=sorted(KOMI))
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, each run")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each family")
    parser.add_argument("--games", type=int, default=40, help="of each pair in the match; 0: none")
    parser.add_argument("--only", default="", help="names of families, with commas between them")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    commands = families(options.preset, options.minutes)
    names = options.only.split(",") if options.only else list(commands)
    for seed in range(1, options.seeds + 1):
        for name in names:
            run = str(options.out / f"{name}-{seed}")
            honte(*commands[name], "--runner", "local", "--run", run, "--set", f"seed={seed}")
    draw(options.out)
    if options.games:
        match = ("--size", options.preset.split("x")[0], "--komi", KOMI[options.preset])
        rated = ("--rules", "cgos", "--games", str(options.games), "--anchor", "random")
        where = ("--workers", "0", "--out", str(options.out / "match"))
        honte("match", *players(options.out, names), *match, *rated, *where)


if __name__ == "__main__":
    main()
