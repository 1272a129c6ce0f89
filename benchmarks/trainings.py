"""Trainings for equal processor time, and the matches between them: what the scripts beside share.

A training runs in this process by the local runner for so many *processor* seconds
(time.process_time), so that other work on the machine costs it nothing. Matches have one search for
all, half of their games at the board's komi and half at half a point less, where nothing is drawn.
What has been done is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.inference import network_evaluator
from agents.inference_config import InferenceConfig
from agents.mcts_agent import MctsAgent
from go_env.errors import HonteError
from training import local_runner
from training.config import RunConfig, load_config
from training.files import publish_text
from training.matches.arena import Arena, ArenaSettings
from training.matches.openings import sample_openings
from training.metrics import read_events
from training.model_store import ModelStore
from training.worker import match_search

KOMI_STEPS = (0.0, -0.5)  # a pair's komi beside the board's own

# What all trainings have in common: no processor time goes to gates and ratings.
TRAINING = ("loop.rate_games=0", "loop.gate_every=1000000", "gate.pairs=1", "gate.simulations=1")
# A short run before the trainings of a configuration, so that no kernel is compiled at their cost.
WARM_UP = (
    "loop.games=16", "loop.publish_steps=4", "self_play.games=8", "replay.start_rows=1",
    "self_play.first_simulations=8", "self_play.simulations=8", "self_play.bootstrap_games=4",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    preset: str
    seconds: float  # of processor time, each training
    simulations: int  # a move, in matches
    pairs: int  # of games, in a match of two trainings
    folder: Path
    common: tuple[str, ...] = ()  # settings of all trainings

    @classmethod
    def of(cls, given: argparse.Namespace, common: Sequence[str] = ()) -> Plan:
        """Return the plan of a command line (`arguments`)."""
        folder = given.out / f"{Path(given.preset).stem}-{given.seconds:g}s"
        return cls(
            given.preset, given.seconds, given.simulations, given.pairs, folder, tuple(common)
        )

    def config(self, settings: Sequence[str], seed: int) -> RunConfig:
        budget = (f"loop.hours={self.seconds / 3600!r}", f"seed={seed}")
        return load_config(self.preset, (*TRAINING, *budget, *self.common, *settings))

    def run_dir(self, player: str) -> Path:
        return self.folder / "runs" / player

    def match_path(self, player: str, opponent: str) -> Path:
        name = f"{player}--{opponent}-{self.pairs}x{self.simulations}.json"
        return self.folder / "matches" / name


def arguments(description: str, seconds: float, pairs: int, names: str) -> argparse.ArgumentParser:
    """Return a parser of what both scripts are told.

    Args:
        description: of the script.
        seconds: how long a training takes, unless told.
        pairs: of games in a match of two trainings, unless told.
        names: what `--only` may choose, separated by commas.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", help="5x5, 7x7, .. or a .toml file")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help="processor time of a training"
    )
    parser.add_argument("--processes", type=int, default=1, help="trainings at a time, a core each")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and matches")
    parser.add_argument("--only", default="", help=f"some of {names}")
    parser.add_argument("--simulations", type=int, default=32, help="per move of match games")
    parser.add_argument("--pairs", type=int, default=pairs, help="of games between two trainings")
    return parser


def applicable(
    plan: Plan, kind: str, known: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    names: Sequence[str],
) -> Iterator[str]:  # fmt: skip
    """Yield those of the names whose two settings differ in this preset; `kind` is for errors."""
    for name in names:
        if name not in known:
            raise HonteError(f"unknown {kind} '{name}': {', '.join(known)}")
        one, other = known[name]
        if plan.config(one, 1) == plan.config(other, 1):
            print(f"left out: {name} changes nothing in {plan.preset}")
        else:
            yield name


def each(work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], processes: int) -> None:
    """Do each job, so many at a time, in processes of their own where there is more than one."""
    if processes == 1:
        for job in jobs:
            work(*job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        for _ in pool.map(work, *zip(*jobs, strict=True)):
            pass  # an error is raised here, and what has not begun by then is given up


def train(plan: Plan, player: str, settings: tuple[str, ...], seed: int) -> None:
    """Train one player for its processor time, or go on with it; nothing if it is done."""
    config, run_dir = plan.config(settings, seed), plan.run_dir(player)
    path = run_dir / "config.toml"
    if path.is_file() and load_config(str(path)) != config:
        raise HonteError(f"{run_dir} holds another configuration: remove it, or give another --out")
    if done(run_dir) is not None:
        return
    print(f"{time.strftime('%H:%M:%S')}  training {player}", flush=True)
    run_dir.mkdir(parents=True, exist_ok=True)
    log = (run_dir / "progress.txt").open("a")
    with log, contextlib.redirect_stdout(log):
        warm_up(plan, settings)
        local_runner.run(config, run_dir, name=player, clock=time.process_time)


@functools.cache
def warm_up(plan: Plan, settings: tuple[str, ...]) -> None:
    """Load or compile all kernels that a training needs, once in this process."""
    config = load_config(plan.preset, (*TRAINING, *plan.common, *settings, *WARM_UP))
    with tempfile.TemporaryDirectory() as scratch:
        local_runner.run(config, Path(scratch), name="warm-up")


def play(plan: Plan, player: str, opponent: str) -> None:
    """Play the pairs of one match and write down their games, unless that has been done."""
    path = plan.match_path(player, opponent)
    if path.is_file():
        return
    config = plan.config((), 1)
    search = replace(match_search(config.search), reuse=False)
    inference = InferenceConfig(max_batch=64, details=search.score_weight > 0)
    agents = []
    for name in (player, opponent):
        store = ModelStore.existing(plan.run_dir(name))
        source = store.checkpoint_path(store.numbers()[-1])
        evaluator = network_evaluator(source, config.rules.size, inference)
        agents.append(MctsAgent(evaluator, search, plan.simulations, name))
    openings = sample_openings(config.rules, config.gate.opening_moves, plan.pairs, seed=1)
    games = []
    for i, step in enumerate(KOMI_STEPS):
        komi, limit = config.rules.komi + step, 3 * config.rules.size**2
        rules = replace(config.rules, komi=komi, move_limit=limit)
        arena = Arena((agents[0], agents[1]), rules, ArenaSettings(parallel=64))
        for pair in arena.pairs(openings[i :: len(KOMI_STEPS)]):
            games += [(game.black, game.white, game.black_score) for game in pair.games]
    path.parent.mkdir(parents=True, exist_ok=True)
    publish_text(path, json.dumps(games))


def played(plan: Plan, pairings: Sequence[tuple[str, str]]) -> list[tuple[str, str, float]]:
    """Return the games of these matches: Black, White, Black's score (1, 1/2 or 0)."""
    return [
        (black, white, float(score))
        for pairing in pairings
        for black, white, score in json.loads(plan.match_path(*pairing).read_text())
    ]


def done(run_dir: Path) -> dict[str, float] | None:
    """Return the last event of a run that has ended."""
    path = run_dir / "metrics.jsonl"
    events = read_events(path) if path.is_file() else []
    ended = [event for event in events if event["kind"] == "done"]
    return ended[-1] if ended else None
