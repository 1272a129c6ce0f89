"""Honte beside peers that pip can install: each pair in one process, on one core, alternating.

    python benchmarks/pairs.py [rules|search|environment|superko|all] [--size N] [--rounds R]

Run it with the Python that has the peers (see README.md beside this file), from the repository.
Rates are per CPU second of this process; a pair's ratio is the median over rounds of the ratio of
two neighboring measurements. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

# One thread each, and JAX on the CPU: to be set before anything is imported.
os.environ.update(OMP_NUM_THREADS="1", JAX_PLATFORMS="cpu")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import peers

Run = Callable[[], float]
Pair = tuple[str, str, Callable[[], Run], str, Callable[[], Run]]


def pairs(part: str, size: int) -> Iterator[Pair]:
    """Yield (what, our name, our maker, the peer's name, its maker); a run returns its work."""
    from training.bench import kernels as ours

    board = f"{size}x{size}"
    if part in ("rules", "all"):
        yield (
            f"random playouts {board}", "positional superko", lambda: ours.random_playouts(
                size, "positional"), "OpenSpiel C++", lambda: peers.openspiel_rollouts(size),
        )  # fmt: skip
        features = ours.FEATURE_SETS["lean"]
        for name, chosen in (("lean features", features), ("zero features", None)):
            chosen = chosen or ours.FEATURE_SETS["zero"]
            yield (
                f"positions {board}: move, mask, planes", name,
                lambda chosen=chosen: ours.replayed_positions(size, chosen),
                "OpenSpiel Python loop", lambda: peers.openspiel_loop(size),
            )  # fmt: skip
        yield (
            f"random moves {board}", "kernel playouts, moves", lambda: peers.our_moves(size),
            "sgfmill Board", lambda: peers.sgfmill_moves(size),
        )  # fmt: skip
    if part in ("superko", "all"):
        yield (
            f"random playouts {board}", "positional superko",
            lambda: ours.random_playouts(size, "positional"),
            "ours, simple ko", lambda: ours.random_playouts(size, "simple"),
        )  # fmt: skip
    if part in ("environment", "all"):
        yield (
            f"environment steps {board}", "gymnasium env", lambda: peers.our_env(size),
            "PettingZoo go_v5", lambda: peers.pettingzoo_steps(size),
        )  # fmt: skip
        yield (
            f"environment steps {board}", "vector env", lambda: ours._environment_steps(size, 256),
            "pgx, jit", lambda: peers.pgx_steps(size),
        )  # fmt: skip
    if part in ("search", "all"):
        games = ours.lockstep_games(size)
        yield (
            f"constant search {board}", f"{games} games x 200",
            lambda: ours.constant_search(size, games, 200, "puct"),
            "OpenSpiel Python MCTSBot", lambda: peers.openspiel_python_search(size),
        )  # fmt: skip
        yield (
            f"Gumbel search {board}", f"{games} games x 32",
            lambda: ours.constant_search(size, games, 32, "gumbel"),
            "mctx + pgx, 64 x 32", lambda: peers.mctx_search(size),
        )  # fmt: skip
        yield (
            f"search with rollouts {board}", "64 games x 100", lambda: peers.our_rollouts(size),
            "OpenSpiel C++ MCTSBot", lambda: peers.openspiel_search(size),
        )  # fmt: skip


def rate(run: Run) -> float:
    start = time.process_time()
    work = run()
    return work / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="all")
    parser.add_argument("--size", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{'measure':38}{'Honte':24}{'per cpu-s':>12}  {'peer':26}{'per cpu-s':>11}{'ratio':>8}"
          "  min .. max")  # fmt: skip
    for what, name, make, peer, make_peer in pairs(given.part, given.size):
        try:
            theirs = make_peer()
        except ImportError as missing:
            print(f"{what:38}{name:24}{'':12}  {peer}: {missing}")
            continue
        mine = make()
        mine(), theirs()
        measured = [(rate(mine), rate(theirs)) for _ in range(given.rounds)]
        ratios = [a / b for a, b in measured]
        print(
            f"{what:38}{name:24}{median(a for a, _ in measured):12,.0f}  {peer:26}"
            f"{median(b for _, b in measured):11,.0f}{median(ratios):8.3g}"
            f"  {min(ratios):.3g} .. {max(ratios):.3g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
