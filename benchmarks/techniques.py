"""What each technique is worth: variants of a preset, trained for equal effort, then matched.

    python benchmarks/techniques.py 5x5 --seconds 120 --seeds 2 --out DIR [--only a,b,c]

Every variant is the preset with a few `--set` values changed. It trains for so many processor
seconds, then it meets the unchanged preset in pairs of games (trainings.py). Where many techniques
are to be told apart, screening.py needs a ninth of the trainings for the same error.

The same command goes on where it was stopped. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from scipy import stats

from benchmarks.command_line import run
from benchmarks.trainings import Plan, applicable, arguments, done, each, play, played, train
from go_env.errors import HonteError
from training.files import publish_text
from training.rating.bradley_terry import Results
from training.rating.elo import Ratings, rate

DEFAULT = "default"
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
    "no_bootstrap": ("self_play.bootstrap_games=0",),
    "bootstrap": ("self_play.bootstrap_games=300", "self_play.bootstrap_simulations=300"),
    # learner
    "no_symmetries": ("replay.symmetries=false", "self_play.random_views=false"),
    "no_average": ("learner.average=0",),
    "no_lr_anneal": ("learner.final_rate=1",),
    "search_value": ("learner.search_value=0.5",),
    "reuse_2": ("replay.first_reuse=0", "replay.reuse=2"),
    "reuse_4": ("replay.first_reuse=0", "replay.reuse=4"),
    "reuse_8": ("replay.first_reuse=0", "replay.reuse=8"),
}  # fmt: skip


def main() -> None:
    given = _arguments()
    plan = Plan.of(given)
    known = {name: (settings, VARIANTS[DEFAULT]) for name, settings in VARIANTS.items()}
    names = given.only.split(",") if given.only else list(VARIANTS)
    chosen = [name for name in names if name != DEFAULT]
    variants = list(applicable(plan, "variant", known, chosen))
    for seeds in [given.seeds] if given.finished else range(1, given.seeds + 1):
        players = {name: _players(name, seeds) for name in (DEFAULT, *variants)}
        if given.finished:
            players = _finished(plan, players)
        else:
            each(train, [
                (plan, player, VARIANTS[name], seed)
                for name, group in players.items()
                for seed, player in enumerate(group, 1)
            ], given.processes)  # fmt: skip
        each(play, [(plan, *pair) for pair in _pairings(players)], given.processes)
        table = markdown(plan, players)
        publish_text(plan.folder / "table.md", table)
        print(f"\n{table}", flush=True)


def markdown(plan: Plan, players: dict[str, list[str]]) -> str:
    """Return the table of all variants, the strongest first."""
    games = played(plan, list(_pairings(players)))
    ratings = rate(Results.of_games(games))
    elo = {name: [_elo(ratings, p) for p in group] for name, group in players.items()}
    rows = []
    for name, group in players.items():
        gain = float(np.mean(elo[name]) - np.mean(elo[DEFAULT]))
        error = half_width(ratings, elo, players, name)
        ends = [done(plan.run_dir(player)) or {} for player in group]
        mean = {key: np.mean([end[key] for end in ends]) for key in ("games", "evaluations")}
        single = ", ".join(f"{value - np.mean(elo[DEFAULT]):+.0f}" for value in elo[name])
        count = sum(name in (black.rpartition("-")[0], white.rpartition("-")[0])
                    for black, white, _ in games)  # fmt: skip
        shown = "the preset" if name == DEFAULT else f"{gain:+.0f} ± {error:.0f}"
        rows.append(
            (gain, f"| {name} | {shown} | {single} | {count} | {mean['games']:,.0f} "
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
        name: [player for player in group if done(plan.run_dir(player)) is not None]
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


def _elo(ratings: Ratings, player: str) -> float:
    return float(ratings.elo[ratings.index(player)])


def _arguments() -> argparse.Namespace:
    names = ",".join(list(VARIANTS)[1:])
    parser = arguments(__doc__, seconds=120, pairs=18, names=names)
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each variant")
    parser.add_argument(
        "--finished", action="store_true", help="train nothing: match and show what has ended"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
