"""A book of balanced openings: random plies that a player judges nearly even.

    python benchmarks/openings.py honte:RUN?sims=400 --size 7 --komi 9 --out DIR
    honte match A B --size 7 --komi 9 --openings DIR

On small boards most random openings decide the game, and of two perfect players each then wins one
game of a pair. This draws what `honte match --openings N` draws and keeps what lies within `--even`
of a draw in the judge's eyes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.registry import make_agent
from go_env.coords import BLACK
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from go_env.sgf import SgfGame, write_sgf
from training.matches.openings import sample_openings


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
    options.out.mkdir(parents=True, exist_ok=True)
    written = 0
    drawn = sample_openings(rules, options.plies, 20 * options.count, options.seed)
    for opening in drawn:
        position = Position.from_moves(rules, opening.moves)
        value = judge.choose([position])[0].value
        if value is None:
            raise HonteError(f"{options.judge} tells no values; let honte, policy or rollout judge")
        if abs(value) <= options.even:
            black = value if position.to_play == BLACK else -value
            event = f"{black:+.2f} for Black, {options.judge}"
            game = SgfGame(size=rules.size, komi=rules.komi, moves=position.moves, event=event)
            write_sgf(options.out / f"{opening.name.replace(' ', '-')}.sgf", game)
            written += 1
            print(f"{written:3}  {opening.name:20}  {black:+.2f} for Black", flush=True)
        if written == options.count:
            return
    raise HonteError(f"only {written} of {len(drawn)} openings are even: raise --even or --plies")


if __name__ == "__main__":
    try:
        main()
    except HonteError as error:
        sys.exit(f"openings: {error}")
