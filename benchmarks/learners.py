"""What settings of the learner are worth, told by the games of a run that has been.

    python benchmarks/learners.py RUN all:2400,replay.reuse=4 half:3300,replay.reuse=2 --out DIR

Each NAME:GAMES[,KEY=VALUE]... is a learner that takes in so many of the run's first games, in their
order, as the run's own did; then all of them meet in one `honte match`. Self-play is the same for
all, and the dearest part of a run is paid for already: minutes tell what otherwise takes whole
runs. What it cannot tell is which games a better learner would have made.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from agents.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.command_line import counted, run
from benchmarks.families import honte
from go_env.errors import HonteError
from go_env.features import feature_set
from training.config import RunConfig, load_config, load_earlier, provenance
from training.learner import Learner
from training.model_store import ModelStore
from training.records import GameRecord, load_games
from training.replay import ReplayWindow


@dataclass(frozen=True)
class Variant:
    """A learner: its name, how many games it takes in, and what is not as in the preset."""

    name: str
    games: int
    overrides: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read NAME:GAMES[,KEY=VALUE]..."""
        return cls(*counted(text, "learner: write NAME:GAMES[,KEY=VALUE]..."))


def recorded(store: ModelStore) -> Iterator[GameRecord]:
    """Yield the games of a run, the oldest first."""
    for _, path in store.chunks():
        yield from load_games(path)


def games_of(store: ModelStore, config: RunConfig, variant: Variant) -> list[GameRecord]:
    """Return the first games of a run; HonteError if they are too few, or of other boards."""
    size, played = config.rules.size, load_earlier(str(store.config_path)).rules.size
    if played != size:
        raise HonteError(f"{store.root} was played on {played}x{played}: give its --preset")
    games = list(islice(recorded(store), variant.games))
    if len(games) < variant.games:
        raise HonteError(
            f"{store.root} has {len(games):,} games, too few for {variant.name}:{variant.games}"
        )
    return games


def learn(config: RunConfig, games: Iterable[GameRecord]) -> Learner:
    """Return a learner that made the steps that these games pay for, as they came.

    The learning rate is held, as in the first part of a run; `replay.reuse` holds from the start.
    """
    features = feature_set(config.network.features, config.network.feature_version)
    window = ReplayWindow(config.replay, config.rules, features)
    learner = Learner(config.network, config.learner, config.seed)
    rng = np.random.default_rng(config.seed)
    batch = config.learner.batch
    for game in games:
        window.add([game])
        learner.owed += len(game.policy_plies) * config.replay.reuse
        while window.is_filled and learner.due_steps:
            learner.step(window.sample(batch, rng), progress=0.0)
    return learner


def refuse_another(path: Path, facts: Mapping[str, Any]) -> None:
    """Raise HonteError if a finished learner's file was made of other games or settings."""
    made = load_checkpoint(path).provenance
    other = [key for key in ("run", "games", "config_hash") if made.get(key) != facts[key]]
    if other:
        raise HonteError(f"{path} has another {', '.join(other)}: give another name or --out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("learner", nargs="+", help="NAME:GAMES[,KEY=VALUE]...")
    parser.add_argument("--preset", default="9x9", help="or a .toml file")
    parser.add_argument("--sims", type=int, default=32, help="simulations a move")
    parser.add_argument("--games", type=int, default=120, help="between two of them")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    variants = [Variant.parse(text) for text in options.learner]
    configs = [load_config(options.preset, variant.overrides) for variant in variants]
    store = ModelStore.existing(options.run)
    options.out.mkdir(parents=True, exist_ok=True)
    players = []
    for variant, config in zip(variants, configs, strict=True):
        path = options.out / f"{variant.name}.safetensors"
        players.append(f"{variant.name}=honte:{path}?sims={options.sims}")
        facts = {"run": str(options.run.resolve()), "games": variant.games, **provenance(config)}
        if path.is_file():
            refuse_another(path, facts)
            continue
        start = time.process_time()
        learner = learn(config, games_of(store, config, variant))
        facts |= {"steps": learner.steps, "samples": learner.samples}
        save_checkpoint(path, learner.playing_network(), config.rules, facts)
        seconds = time.process_time() - start
        print(f"{variant.name}: {variant.games:,} games, {learner.steps:,} steps, "
              f"{seconds:.0f} processor seconds", flush=True)  # fmt: skip
    honte("match", *players, "--size", str(configs[0].rules.size), "--games", str(options.games),
          "--komi", str(configs[0].rules.komi), "--out", str(options.out / "match"))  # fmt: skip


if __name__ == "__main__":
    run(main)
