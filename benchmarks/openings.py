"""A book of balanced openings: random plies that a player judges nearly even.

    python benchmarks/openings.py honte:RUN?sims=400 --size 7 --komi 9 --out book.txt
    honte match A B --size 7 --komi 9 --openings book.txt

On small boards most random openings decide the game, and of two perfect players each then wins one
game of a pair. This draws what `honte match --openings N` draws and keeps what lies within `--even`
of a draw in the judge's eyes. The books that come with Honte were made by it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.base import Agent
from agents.registry import make_agent
from benchmarks.command_line import run
from go_env.coords import BLACK
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from training.matches.openings import Opening, sample_openings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("judge", metavar="SPEC", help="the player that judges, as in honte match")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--komi", type=float, required=True)
    parser.add_argument("--plies", type=int, default=2)
    parser.add_argument("--count", type=int, default=50, help="of openings to write")
    parser.add_argument("--even", type=float, default=0.4, help="most |value|, 1 is a won game")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rules = Rules(options.size, options.komi)
    judge = make_agent(options.judge, size=options.size, seed=options.seed)
    drawn = sample_openings(rules, options.plies, 20 * options.count, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", encoding="utf-8") as book:
        book.write(
            f"# {options.size}x{options.size}, komi {options.komi:g}: random openings that "
            f"{options.judge} judges\n# within {options.even:g} of even; the value is Black's.\n"
        )
        written = write_even(drawn, judge, rules, options.even, options.count, book)
    if written < options.count:
        raise HonteError(
            f"only {written} of {len(drawn)} openings are even: raise --even or --plies"
        )


def write_even(
    drawn: Iterable[Opening], judge: Agent, rules: Rules, even: float, count: int, book: TextIO
) -> int:
    """Write the first `count` openings that the judge calls even; return how many there were."""
    written = 0
    for opening in drawn:
        if written == count:
            break
        position = Position.from_moves(rules, opening.moves)
        value = judge.choose([position])[0].value
        if value is None:
            raise HonteError(f"{judge.name} tells no values; let honte, policy or rollout judge")
        if abs(value) <= even:
            black = value if position.to_play == BLACK else -value
            print(f"{opening.name:12} # {black:+.2f}", file=book, flush=True)
            written += 1
            print(f"{written:3}  {opening.name:12}  {black:+.2f} for Black", flush=True)
    return written


if __name__ == "__main__":
    run(main)
