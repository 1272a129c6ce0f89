"""The `honte` command. Imports nothing heavy: each command loads what it needs when it runs."""

import errno
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from go_env.errors import HonteError
from training.matches.cli import ends_in_good_order, match, rate

app = typer.Typer(
    name="honte",
    help="A Go player that teaches itself: train, play, match, measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Not ours to mend, and no reason for a stack: full, read-only, not permitted, failing, and names
# that no disk takes.
_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENAMETOOLONG,
)  # fmt: skip
_PLAYER_HELP = (
    "honte | honte:RUN_OR_FILE?sims=200 | policy:FILE | q:FILE | pg:FILE | rollout?sims=1000 "
    "| random | gnugo?level=10 | pachi?playouts=1600 | gtp:COMMAND"
)
Player = Annotated[
    str | None, typer.Option(metavar="SPEC", help=f"{_PLAYER_HELP}; default: the best at hand.")
]


@app.command()
def train(
    preset_or_toml: Annotated[
        str, typer.Argument(help="5x5, 7x7, 9x9, 9x9-gpu, 19x19-cluster, or a .toml file.")
    ],
    run: Annotated[
        Path | None, typer.Option(help="Run directory; default runs/NAME.", file_okay=False)
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value.")
    ] = None,
    runner: Annotated[Literal["ray", "local"], typer.Option(help="Where things run.")] = "ray",
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; default: this machine.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            help="Plan the whole run for so many hours, restarts added up. Learning rate, "
            "simulations and board sizes follow; more hours later go on with a warmer rate.",
            min=0.0,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_OR_FILE",
            help="Begin with a trained player's weights, not from nothing; `honte`: the shipped "
            "one. --set network.blocks and network.channels may be more than it has.",
        ),
    ] = None,
) -> None:
    """Learn Go from nothing, or go on where the same command stopped."""
    if address is not None and runner == "local":
        raise HonteError("--address needs --runner ray")
    from training.config import load_config

    config = load_config(preset_or_toml, set_ or [])
    if start_from is not None:
        config = replace(config, start_from=start_from)
    name = Path(preset_or_toml).stem
    run_dir = run or Path("runs") / name
    with ends_in_good_order(f"stopped; the same command goes on from {run_dir}"):
        if runner == "ray":
            from training import ray_runner

            ray_runner.run(config, run_dir, hours=hours, address=address, name=name)
        else:
            from training import local_runner

            local_runner.run(config, run_dir, hours=hours, name=name)


@app.command()
def gtp(
    player: Player = None,
    size: Annotated[int, typer.Option(help="Side of the board until the client sets it.")] = 9,
    komi: Annotated[float | None, typer.Option(help="Default: the fair komi of the size.")] = None,
    rules: Annotated[str, typer.Option(help="tromp-taylor, chinese, aga, ..")] = "tromp-taylor",
    simulations: Annotated[int | None, typer.Option(help="For each move.")] = None,
    seconds: Annotated[float | None, typer.Option(help="For each move.")] = None,
    ponder: Annotated[bool, typer.Option("--ponder", help="Think in the opponent's time.")] = False,
    never_resign: Annotated[bool, typer.Option("--never-resign")] = False,
    friendly_pass: Annotated[
        bool, typer.Option("--friendly-pass", help="Count dead stones as dead.")
    ] = False,
    name: Annotated[
        str, typer.Option(help="Told to the client; Lizzie knows `KataGo..` as its kind of engine.")
    ] = "Honte",
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Be a GTP engine, for Sabaki, GoGui, Lizzie and the like."""
    from agents.gtp.main import run_gtp
    from agents.gtp.options import GtpOptions

    more = GtpOptions(
        name=name, move_time_s=seconds, never_resign=never_resign, friendly_pass=friendly_pass,
        seed=seed,
    )  # fmt: skip
    status = run_gtp(
        player,
        size=size,
        komi=komi,
        rules=rules,
        ponder=ponder,
        simulations=simulations,
        more=more,
    )
    raise typer.Exit(status)


@app.command()
def analysis(
    player: Player = None,
    visits: Annotated[int, typer.Option(help="Where a query does not say.")] = 500,
    perspective: Annotated[
        Literal["BLACK", "WHITE", "SIDETOMOVE"], typer.Option(help="Whose win rates to tell.")
    ] = "BLACK",
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Be a JSON analysis engine like KataGo, for KaTrain."""
    from agents.gtp.main import run_analysis

    raise typer.Exit(run_analysis(player, visits=visits, perspective=perspective, seed=seed))


app.command()(match)
app.command()(rate)


@app.command()
def baseline(
    algorithm: Annotated[
        Literal["q-learning", "policy-gradient"], typer.Argument(help="What learns.")
    ],
    preset_or_toml: Annotated[
        str, typer.Argument(help="2x2 and 3x3 (Q tables), 5x5, 7x7, 9x9, or a .toml file.")
    ],
    run: Annotated[
        Path | None,
        typer.Option(help="Run directory; default runs/ALGORITHM-NAME.", file_okay=False),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes in all.", min=0.0)
    ] = None,
    runner: Annotated[Literal["ray", "local"], typer.Option(help="Where things run.")] = "ray",
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; default: this machine.")
    ] = None,
) -> None:
    """Train a baseline without search on the same environment, or go on where it stopped."""
    if address is not None and runner == "local":
        raise HonteError("--address needs --runner ray")
    from training.baselines.config import load_baseline

    config = load_baseline(algorithm, preset_or_toml, set_ or [])
    name = f"{algorithm} {Path(preset_or_toml).stem}"
    run_dir = run or Path("runs") / name.replace(" ", "-")
    with ends_in_good_order(f"stopped; the same command goes on from {run_dir}"):
        if runner == "ray":
            from training.baselines import ray_runner

            ray_runner.run(config, run_dir, minutes=minutes, address=address, name=name)
        else:
            from training.baselines import local_runner

            local_runner.run(config, run_dir, minutes=minutes, name=name)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path | None, typer.Option(help="Folder; default RUN/report.")] = None,
) -> None:
    """Draw the curves and tables of a run: PNG, HTML."""
    from training.report import write_report

    typer.echo(write_report(run, out))


@app.command()
def bench(
    part: Annotated[
        str, typer.Argument(help="rules, search, inference, selfplay, learner or all.")
    ] = "all",
    size: Annotated[int, typer.Option(help="Side of the board.", min=2, max=25)] = 9,
    net: Annotated[str, typer.Option(help="Blocks x channels.")] = "6x64",
    seconds: Annotated[float, typer.Option(help="Of each measurement.", min=0.0)] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure rules, search, network, self-play and learner beside the limits of this machine."""
    from training.bench.run import run_bench

    run_bench(part, size, net, seconds, json)


@app.command(hidden=True)
def demo(
    run: Annotated[Path, typer.Option(help="Run directory.")] = Path("runs/demo"),
    minutes: Annotated[float, typer.Option(help="Training time.")] = 7.0,
    games: Annotated[int, typer.Option(help="Games against each anchor.")] = 100,
) -> None:
    """Train 5x5 for some minutes, then show what came out: what `make demo` runs."""
    from training.demo import run_demo

    run_demo(run, minutes=minutes, games=games)


def main() -> None:
    """Entry point of the console script: an error of the user's is one line and exit code 2."""
    try:
        app()
    except HonteError as error:
        typer.echo(f"honte: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = f"{error.filename}: " if error.filename else ""
        advice = "the same command goes on afterwards"
        if error.errno == errno.ENAMETOOLONG:
            advice = "give the name of a file or folder"
        typer.echo(f"honte: {where}{error.strerror}; {advice}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
