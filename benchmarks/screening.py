"""What many techniques are worth, from one set of trainings in which each is on in half of them.

    python benchmarks/screening.py 7x7 --seconds 180 --processes 2 --out DIR [--set KEY=VALUE ...]

A training of its own for each technique wastes most of what it costs: it tells of that technique
alone. Here every training has some techniques on and others off, by the columns of a Hadamard
matrix and their mirror image (Plackett and Burman 1946; folded over: Box and Wilson 1951), so that
all trainings tell of all techniques: a technique's effect is the mean Elo of the half with it less
that of the half without it. It is a mean over all settings of the others, and free of interactions
between two of them; those, and the luck of single trainings, are what the error bars are made of.

All trainings have equal processor time (trainings.py). The same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.command_line import run
from benchmarks.trainings import Plan, applicable, arguments, done, each, play, played, train
from go_env.errors import HonteError
from training.files import publish_text
from training.rating.bradley_terry import Results
from training.rating.elo import rate

OPPONENTS = (1, 5, 11)  # a training meets the ones so many places on, and is met by as many

# Each technique: its settings where it is on, and where it is off.
TECHNIQUES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # heads and their targets
    "ownership": ((), ("learner.losses.ownership=0",)),
    "score": ((), ("learner.losses.score=0",)),
    "short_term_value": ((), ("learner.losses.short_term_value=0",)),
    "soft_policy": ((), ("learner.losses.soft_policy=0",)),
    # network
    "global_pooling": ((), ("network.pool_every=0",)),
    "lean_features": (("network.features=lean",), ("network.features=zero",)),
    # search
    "gumbel_root": (("search.root=gumbel",), ("search.root=puct",)),
    "growing_simulations": (
        ("self_play.first_simulations=16", "self_play.simulations=64"),
        ("self_play.first_simulations=40", "self_play.simulations=40"),
    ),
    "playout_cap": (
        ("self_play.fast_fraction=0.75", "self_play.fast_simulations=12"),
        ("self_play.fast_fraction=0",),
    ),
    "gumbel_interior": (("search.interior=gumbel",), ("search.interior=puct",)),
    "choice_without_noise": (("search.choice_noise=0",), ("search.choice_noise=1",)),
    "tree_reuse": (("search.reuse=true",), ("search.reuse=false",)),
    "score_utility": (("search.score_weight=0.2",), ("search.score_weight=0",)),
    "pass_alive_pruning": (("search.prune_pass_alive=true",), ("search.prune_pass_alive=false",)),
    # games
    "small_sizes": (
        (),
        ("loop.small_sizes=", "loop.first_small_share=0", "loop.last_small_share=0"),
    ),
    "varied_komi": ((), ("self_play.komi_sd=0", "self_play.wide_komi=0")),
    "even_komi": (("self_play.even_komi=0.5",), ("self_play.even_komi=0",)),
    "opening_moves": (("self_play.opening_moves=0.04",), ("self_play.opening_moves=0",)),
    "early_ending": ((), ("self_play.settled_ending=0", "self_play.decided_value=2")),
    "forks": (("self_play.fork_fraction=0.1",), ("self_play.fork_fraction=0",)),
    "bootstrap": (("self_play.bootstrap_games=192",), ("self_play.bootstrap_games=0",)),
    "random_views": (("self_play.random_views=true",), ("self_play.random_views=false",)),
    # learner
    "rate_anneal": ((), ("learner.final_rate=1",)),
    "search_value": (("learner.search_value=0.5",), ("learner.search_value=0",)),
    "little_reuse": (
        ("replay.first_reuse=2", "replay.reuse=3"),
        ("replay.first_reuse=0", "replay.reuse=6"),
    ),
}  # fmt: skip


def hadamard(at_least: int) -> NDArray[np.int64]:
    """Return a Hadamard matrix of order 4, 8, 12, 20, 24 or 32: Paley's first construction (1933).

    Entries are +1 and -1; H @ H.T is the order times the identity.
    """
    prime = next((q for q in (3, 7, 11, 19, 23, 31) if q + 1 >= at_least), None)
    if prime is None:
        raise HonteError(f"no design for {at_least} techniques: choose at most 32 with --only")
    squares = {i * i % prime for i in range(1, prime)}
    quadratic = np.array([0] + [1 if i in squares else -1 for i in range(1, prime)])
    skew = np.zeros((prime + 1, prime + 1), np.int64)
    skew[0, 1:], skew[1:, 0] = 1, -1
    for i in range(prime):
        skew[1 + i, 1:] = np.roll(quadratic, i)
    return skew + np.eye(prime + 1, dtype=np.int64)


def design(techniques: int) -> NDArray[np.int64]:
    """Return who has what, [trainings, techniques]: +1 on, -1 off; one half mirrors the other."""
    matrix = hadamard(techniques)[:, :techniques]
    return np.concatenate([matrix, -matrix])


def effects(
    elo: NDArray[np.float64], signs: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float]:
    """Return what each technique adds, [techniques] in Elo, and the 95 % half-width of all of them.

    Least squares with a constant. What is left over (luck, interactions, the error of the ratings)
    is the noise.
    """
    count, techniques = signs.shape
    gains = signs.T @ elo * 2 / count
    left = elo - elo.mean() - signs @ gains / 2
    freedom = count - techniques - 1
    if freedom < 1:
        raise HonteError("too few trainings for an error bar")
    deviation = float(np.sqrt(left @ left / freedom))
    return gains, float(stats.t.ppf(0.975, freedom)) * deviation * 2 / count**0.5


def main() -> None:
    given = _arguments()
    plan = Plan.of(given, given.common)
    chosen = given.only.split(",") if given.only else list(TECHNIQUES)
    names = list(applicable(plan, "technique", TECHNIQUES, chosen))
    signs = design(len(names))
    players = [f"{i:02d}" for i in range(1, len(signs) + 1)]
    each(train, [
        (plan, player, settings(names, row), seed)
        for seed, (player, row) in enumerate(zip(players, signs, strict=True), given.seed)
    ], given.processes)  # fmt: skip
    each(play, [(plan, *pair) for pair in pairings(players)], given.processes)
    table = markdown(plan, names, signs, players)
    publish_text(plan.folder / "screening.md", table)
    print(f"\n{table}", flush=True)


def settings(names: Sequence[str], row: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the `--set` values of one training."""
    return tuple(
        value
        for name, sign in zip(names, row, strict=True)
        for value in TECHNIQUES[name][0 if sign > 0 else 1]
    )


def pairings(players: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield who meets whom, each pair once, all connected."""
    met = set()
    for step in OPPONENTS:
        for i, player in enumerate(players):
            opponent = players[(i + step) % len(players)]
            pair = frozenset((player, opponent))
            if pair not in met:
                met.add(pair)
                yield player, opponent


def markdown(
    plan: Plan, names: Sequence[str], signs: NDArray[np.int64], players: Sequence[str]
) -> str:
    """Return the table of all techniques, what pays most first."""
    games = played(plan, list(pairings(players)))
    ratings = rate(Results.of_games(games))
    elo = np.array([ratings.elo[ratings.index(player)] for player in players])
    gains, half_width = effects(elo, signs)
    ends = [done(plan.run_dir(player)) or {} for player in players]
    rows = []
    for name, gain, column in zip(names, gains, signs.T, strict=True):
        made = [
            np.mean([end[key] for end, sign in zip(ends, column, strict=True) if sign == side])
            for key in ("games", "evaluations")
            for side in (1, -1)
        ]
        rows.append(
            (gain, f"| {name} | {gain:+.0f} ± {half_width:.0f} | {made[0]:,.0f}, {made[1]:,.0f} "
                   f"| {made[2] / 1e6:.2f} M, {made[3] / 1e6:.2f} M |")
        )  # fmt: skip
    title = (
        f"{' '.join((plan.preset, *plan.common))}, {len(players)} trainings of {plan.seconds:g} "
        f"processor seconds, {2 * len(games) // len(players)} games of each with others at "
        f"{plan.simulations} simulations\n\n"
        "| technique | Elo with it less without, 95 % | games with, without | evaluations |\n"
        "|---|---|---|---|\n"
    )
    return title + "\n".join(text for _, text in sorted(rows, reverse=True)) + "\n"


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, seconds=180, pairs=8, names=",".join(TECHNIQUES))
    parser.add_argument(
        "--set", dest="common", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of all trainings",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of the first training")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
