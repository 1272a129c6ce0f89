"""What each technique is worth: variants of a preset, trained for equal effort, then matched.

    python benchmarks/techniques.py 5x5 --seconds 120 --seeds 2 --out DIR [--only a,b,c]

Every variant is the preset with a few `--set` values changed. It trains in this process by the
local runner for so many *processor* seconds (time.process_time), so that other work on the machine
costs it nothing; then it meets the unchanged preset in pairs of games, all with one search, half of
them at the board's komi and half at half a point less, where nothing is drawn.

The same command goes on where it was stopped. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from scipy import stats

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
from training.rating.bradley_terry import Results
from training.rating.elo import Ratings, rate
from training.worker import match_search

DEFAULT = "default"
KOMI_STEPS = (0.0, -0.5)  # a pair's komi beside the board's own

# What all trainings have in common: no processor time goes to gates and ratings.
TRAINING = ("loop.rate_games=0", "loop.gate_every=1000000", "gate.pairs=1", "gate.simulations=1")
# A short run before a variant's trainings, so that no kernel is compiled at their cost.
WARM_UP = ("loop.games=24", "loop.publish_steps=4", "self_play.games=8", "replay.start_rows=1")

VARIANTS: dict[str, tuple[str, ...]] = {
    DEFAULT: (),
    # heads and their targets
    "no_ownership": ("learner.losses.ownership=0",),
    "no_score": ("learner.losses.score=0",),
    "no_short_term": ("learner.losses.short_term_value=0",),
    "no_soft_policy": ("learner.losses.soft_policy=0",),
    "all_heads_off": (
        "learner.losses.ownership=0", "learner.losses.score=0",
        "learner.losses.short_term_value=0", "learner.losses.soft_policy=0",
    ),
    # network
    "no_global_pooling": ("network.pool_every=0",),
    "network_4x48": ("network.blocks=4", "network.channels=48"),
    "zero_features": ("network.features=zero",),
    # search
    "puct": ("search.root=puct",),
    "puct_forced_playouts": ("search.root=puct", "search.forced_playouts=2"),
    "gumbel_interior": ("search.interior=gumbel",),
    "playout_cap": (
        "self_play.fast_fraction=0.75", "self_play.first_simulations=32",
        "self_play.simulations=96", "self_play.fast_simulations=12",
    ),
    "constant_simulations": ("self_play.first_simulations=32", "self_play.simulations=32"),
    "choice_with_noise": ("search.choice_noise=1",),
    "choice_without_noise": ("search.choice_noise=0",),
    "no_tree_reuse": ("search.reuse=false",),
    "score_utility": ("search.score_weight=0.2",),
    "no_pass_alive_pruning": ("search.prune_pass_alive=false",),
    # games
    "no_small_sizes": (
        "loop.small_sizes=", "loop.first_small_share=0", "loop.last_small_share=0",
    ),
    "fixed_komi": ("self_play.komi_sd=0", "self_play.wide_komi=0", "self_play.even_komi=0"),
    "no_even_komi": ("self_play.even_komi=0",),
    "no_opening_moves": ("self_play.opening_moves=0",),
    "no_early_ending": ("self_play.settled_ending=0", "self_play.decided_value=2"),
    "no_forks": ("self_play.fork_fraction=0",),
    "forks": ("self_play.fork_fraction=0.1",),
    "any_forks": ("self_play.fork_fraction=0.1", "self_play.fork_choices=1"),
    "bootstrap": ("self_play.bootstrap_games=256",),
    # learner
    "no_symmetries": ("replay.symmetries=false", "self_play.random_views=false"),
    "no_average": ("learner.average=0",),
    "no_lr_anneal": ("learner.final_rate=1",),
    "search_value": ("learner.search_value=0.5",),
    "reuse_2": ("replay.first_reuse=0", "replay.reuse=2"),
    "reuse_4": ("replay.first_reuse=0", "replay.reuse=4"),
    "reuse_8": ("replay.first_reuse=0", "replay.reuse=8"),
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    preset: str
    seconds: float
    simulations: int
    pairs: int
    folder: Path

    def config(self, variant: str, seed: int) -> RunConfig:
        budget = (f"loop.hours={self.seconds / 3600!r}", f"seed={seed}")
        return load_config(self.preset, (*TRAINING, *budget, *VARIANTS[variant]))

    def run_dir(self, player: str) -> Path:
        return self.folder / "runs" / player

    def match_path(self, player: str, opponent: str) -> Path:
        name = f"{player}--{opponent}-{self.pairs}x{self.simulations}.json"
        return self.folder / "matches" / name


def main() -> None:
    given = _arguments()
    plan = Plan(
        given.preset, given.seconds, given.simulations, given.pairs,
        given.out / f"{Path(given.preset).stem}-{given.seconds:g}s",
    )  # fmt: skip
    (plan.folder / "matches").mkdir(parents=True, exist_ok=True)
    variants = list(_applicable(plan, given.only.split(",") if given.only else list(VARIANTS)))
    for seeds in [given.seeds] if given.finished else range(1, given.seeds + 1):
        players = {name: _players(name, seeds) for name in (DEFAULT, *variants)}
        if given.finished:
            players = _finished(plan, players)
        else:
            _each(train, [
                (plan, name, seed, plan.run_dir(player))
                for name, group in players.items()
                for seed, player in enumerate(group, 1)
            ], given.processes)  # fmt: skip
        _each(play, [(plan, *pair) for pair in _pairings(players)], given.processes)
        table = markdown(plan, players)
        publish_text(plan.folder / "table.md", table)
        print(f"\n{table}", flush=True)


def _each(work: Callable[..., None], jobs: Sequence[tuple[Any, ...]], processes: int) -> None:
    """Do each job, so many at a time, in processes of their own where there is more than one."""
    if processes == 1:
        for job in jobs:
            work(*job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        for _ in pool.map(work, *zip(*jobs, strict=True)):
            pass  # an error is raised here, and what has not begun by then is given up


def train(plan: Plan, variant: str, seed: int, run_dir: Path) -> None:
    """Train one player for its processor time, or go on with it; nothing if it is done."""
    config = plan.config(variant, seed)
    path = run_dir / "config.toml"
    if path.is_file() and load_config(str(path)) != config:
        raise HonteError(f"{run_dir} holds another configuration: remove it, or give another --out")
    if _done(run_dir) is not None:
        return
    print(f"{time.strftime('%H:%M:%S')}  training {run_dir.name}", flush=True)
    run_dir.mkdir(parents=True, exist_ok=True)
    log = (run_dir / "progress.txt").open("a")
    with log, contextlib.redirect_stdout(log):
        warm_up(plan.preset, variant)
        local_runner.run(config, run_dir, name=variant, clock=time.process_time)


@functools.cache
def warm_up(preset: str, variant: str) -> None:
    """Load or compile all kernels that a training needs, once in this process."""
    config = load_config(preset, (*TRAINING, *VARIANTS[variant], *WARM_UP))
    with tempfile.TemporaryDirectory() as scratch:
        local_runner.run(config, Path(scratch), name="warm-up")


def play(plan: Plan, player: str, opponent: str) -> None:
    """Play the pairs of one match and write down their games, unless that has been done."""
    path = plan.match_path(player, opponent)
    if path.is_file():
        return
    config = plan.config(DEFAULT, 1)
    search = replace(match_search(config.search), reuse=False)
    agents = []
    for name in (player, opponent):
        store = ModelStore.existing(plan.run_dir(name))
        source = store.checkpoint_path(store.numbers()[-1])
        evaluator = network_evaluator(source, config.rules.size, InferenceConfig(max_batch=64))
        agents.append(MctsAgent(evaluator, search, plan.simulations, name))
    openings = sample_openings(config.rules, config.gate.opening_moves, plan.pairs, seed=1)
    games = []
    for i, step in enumerate(KOMI_STEPS):
        komi, limit = config.rules.komi + step, 3 * config.rules.size**2
        rules = replace(config.rules, komi=komi, move_limit=limit)
        arena = Arena((agents[0], agents[1]), rules, ArenaSettings(parallel=64))
        for pair in arena.pairs(openings[i :: len(KOMI_STEPS)]):
            games += [(game.black, game.white, game.black_score) for game in pair.games]
    publish_text(path, json.dumps(games))


def markdown(plan: Plan, players: dict[str, list[str]]) -> str:
    """Return the table of all variants, the strongest first."""
    games = [
        tuple(game)
        for pairing in _pairings(players)
        for game in json.loads(plan.match_path(*pairing).read_text())
    ]
    ratings = rate(Results.of_games(games))
    elo = {name: [_elo(ratings, p) for p in group] for name, group in players.items()}
    rows = []
    for name, group in players.items():
        gain = float(np.mean(elo[name]) - np.mean(elo[DEFAULT]))
        error = half_width(ratings, elo, players, name)
        done = [_done(plan.run_dir(player)) or {} for player in group]
        mean = {key: np.mean([each[key] for each in done]) for key in ("games", "evaluations")}
        each = ", ".join(f"{value - np.mean(elo[DEFAULT]):+.0f}" for value in elo[name])
        played = sum(name in (black.rpartition("-")[0], white.rpartition("-")[0])
                     for black, white, _ in games)  # fmt: skip
        shown = "the preset" if name == DEFAULT else f"{gain:+.0f} ± {error:.0f}"
        rows.append(
            (gain, f"| {name} | {shown} | {each} | {played} | {mean['games']:,.0f} "
                   f"| {mean['evaluations'] / 1e6:.2f} M |")
        )  # fmt: skip
    title = (
        f"{plan.preset}, {plan.seconds:g} processor seconds a training, matches of "
        f"{2 * plan.pairs} games at {plan.simulations} simulations\n\n"
        "| variant | Elo against the preset, 95 % | its trainings | match games | self-play games "
        "| evaluations |\n|---|---|---|---|---|---|\n"
    )
    return title + "\n".join(text for _, text in sorted(rows, reverse=True)) + "\n"


def half_width(
    ratings: Ratings, elo: dict[str, list[float]], players: dict[str, list[str]], name: str
) -> float:
    """Return the 95 % half-width of a variant's mean Elo minus the default's.

    Trainings with other seeds differ by more than the error of their games. Their variance is taken
    to be the same for all variants and pooled; with one seed each, the default's two trainings are
    all that tells of it, and the interval is as wide as that.
    """
    if name == DEFAULT:
        return 0.0
    contrast = np.zeros(len(ratings.players))
    for group, sign in ((players[name], 1.0), (players[DEFAULT], -1.0)):
        for player in group:
            contrast[ratings.index(player)] = sign / len(group)
    of_games = float(stats.norm.ppf(0.975) * np.sqrt(contrast @ ratings.covariance @ contrast))
    freedom = sum(len(group) - 1 for group in elo.values())
    squares = sum(float(np.var(group)) * len(group) for group in elo.values())
    counts = 1 / len(elo[name]) + 1 / len(elo[DEFAULT])
    of_seeds = float(stats.t.ppf(0.975, freedom) * np.sqrt(squares / freedom * counts))
    return max(of_games, of_seeds)


def _players(variant: str, seeds: int) -> list[str]:
    """Names of a variant's trainings; the default, which all are measured by, has twice as many."""
    count = 2 * seeds if variant == DEFAULT else seeds
    return [f"{variant}-{seed}" for seed in range(1, count + 1)]


def _finished(plan: Plan, players: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the trainings that have ended, of the variants that have any."""
    ended = {
        name: [player for player in group if _done(plan.run_dir(player)) is not None]
        for name, group in players.items()
    }
    if len(ended[DEFAULT]) < 2:
        raise HonteError("no table before two trainings of the default have ended")
    return {name: group for name, group in ended.items() if group}


def _pairings(players: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Every training of a variant meets every one of the default, and those meet each other."""
    fixed = players[DEFAULT]
    for i, player in enumerate(fixed):
        for opponent in fixed[:i]:
            yield player, opponent
    for name, group in players.items():
        if name != DEFAULT:
            for player in group:
                for opponent in fixed:
                    yield player, opponent


def _applicable(plan: Plan, names: Sequence[str]) -> Iterator[str]:
    """Yield the variants that differ from the preset."""
    for name in names:
        if name not in VARIANTS:
            raise HonteError(f"unknown variant '{name}': {', '.join(VARIANTS)}")
        if name == DEFAULT:
            continue
        if plan.config(name, 1) == plan.config(DEFAULT, 1):
            print(f"left out: {name} changes nothing in {plan.preset}")
        else:
            yield name


def _done(run_dir: Path) -> dict[str, float] | None:
    """Return the last event of a run that has ended."""
    path = run_dir / "metrics.jsonl"
    events = read_events(path) if path.is_file() else []
    ended = [event for event in events if event["kind"] == "done"]
    return ended[-1] if ended else None


def _elo(ratings: Ratings, player: str) -> float:
    return float(ratings.elo[ratings.index(player)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", help="5x5, 7x7, .. or a .toml file")
    parser.add_argument("--seconds", type=float, default=120, help="processor time of a training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each variant")
    parser.add_argument("--processes", type=int, default=1, help="trainings at a time, a core each")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and matches")
    parser.add_argument("--only", default="", help=f"some of {','.join(list(VARIANTS)[1:])}")
    parser.add_argument(
        "--finished", action="store_true", help="train nothing: match and show what has ended"
    )
    parser.add_argument("--simulations", type=int, default=32, help="per move of match games")
    parser.add_argument("--pairs", type=int, default=18, help="of games between two trainings")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except HonteError as error:
        sys.exit(f"techniques: {error}")
