"""`python -m agents.gtp`: the engine without the `honte` command, hence quick to start."""

from __future__ import annotations

import argparse
import sys

from agents.gtp.json_query import PERSPECTIVES
from agents.gtp.main import run_analysis, run_gtp
from agents.gtp.options import GtpOptions
from go_env.errors import HonteError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m agents.gtp", description=__doc__)
    parser.add_argument("--player", metavar="SPEC", help="default: the best player at hand")
    parser.add_argument("--analysis", action="store_true", help="speak KataGo's JSON protocol")
    parser.add_argument("--visits", type=int, default=500, help="of a query that does not say")
    parser.add_argument("--perspective", choices=PERSPECTIVES, default="BLACK")
    parser.add_argument("--size", type=int, default=9)
    parser.add_argument("--komi", type=float)
    parser.add_argument("--rules", default="tromp-taylor")
    parser.add_argument("--simulations", type=int, metavar="N", help="per move")
    parser.add_argument("--seconds", type=float, metavar="S", help="per move")
    parser.add_argument("--ponder", action="store_true", help="think in the opponent's time")
    parser.add_argument("--never-resign", action="store_true")
    parser.add_argument("--friendly-pass", action="store_true", help="count dead stones as dead")
    parser.add_argument("--name", default="Honte", help="what the command `name` answers")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    try:
        if flags.analysis:
            return run_analysis(
                flags.player, visits=flags.visits, perspective=flags.perspective, seed=flags.seed
            )
        more = GtpOptions(
            name=flags.name,
            move_time_s=flags.seconds,
            never_resign=flags.never_resign,
            friendly_pass=flags.friendly_pass,
            seed=flags.seed,
        )
        return run_gtp(
            flags.player,
            size=flags.size,
            komi=flags.komi,
            rules=flags.rules,
            ponder=flags.ponder,
            simulations=flags.simulations,
            more=more,
        )
    except HonteError as error:
        print(f"honte: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
