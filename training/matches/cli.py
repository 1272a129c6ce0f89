"""`honte match` and `honte rate`. Imports nothing heavy before a command runs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from go_env.errors import HonteError
from training.cores import own_cores

if TYPE_CHECKING:
    from training.matches.plan import MatchConfig


Specs = Annotated[
    list[str],
    typer.Argument(metavar="SPEC SPEC...", help="Players: SPEC, or NAME=SPEC for tables."),
]
Games = Annotated[int, typer.Option(help="Games of each pairing.")]
Size = Annotated[int, typer.Option(help="Board size.")]
Komi = Annotated[float | None, typer.Option(help="Default: the size's fair komi.")]
RulesName = Annotated[str, typer.Option(help="tromp-taylor, chinese, aga, ..")]
MoveLimit = Annotated[int | None, typer.Option(help="Default: 4 moves a point.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the match; the same one goes on. Default: a new one."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Gauntlet = Annotated[bool, typer.Option(help="The first player meets all others.")]
Openings = Annotated[
    str,
    typer.Option(
        help="Random plies before each pair of games, or a book: even-7x7, even-9x9, "
        "a text file with the moves of one opening a line, a folder of SGF files."
    ),
]
Seconds = Annotated[float | None, typer.Option(help="Fixed time for each move.")]
ClockText = Annotated[
    str | None, typer.Option(help="300 (in all), 60+30/5 (Canadian) or 60+3x10 (byo-yomi).")
]
Grace = Annotated[float, typer.Option(help="Seconds a move that clocks forgive.")]
RefereeSpec = Annotated[
    str | None, typer.Option(help="Engine whose final_score counts; default: area.")
]
Bounds = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="ELO0 ELO1", help="Stop when decided between these differences."),
]
Anchor = Annotated[str | None, typer.Option(help="Player at 0 Elo, as tables name it.")]
Seed = Annotated[int, typer.Option(help="Of openings and players.", min=0)]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes; 0: this one (local only). Default: one a core.", min=0),
]
Parallel = Annotated[int, typer.Option(help="Games a worker plays in lockstep.", min=1)]
Runner = Annotated[Literal["local", "ray"], typer.Option(help="Where workers run.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join; default: this machine.")]


def match(  # noqa: PLR0913 - every flag of a command is one argument of its function
    specs: Specs,
    games: Games = 20,
    size: Size = 9,
    komi: Komi = None,
    rules: RulesName = "tromp-taylor",
    move_limit: MoveLimit = None,
    out: Out = None,
    as_json: Json = False,
    gauntlet: Gauntlet = False,
    openings: Openings = "2",
    seconds: Seconds = None,
    clock: ClockText = None,
    grace: Grace = 0.1,
    referee: RefereeSpec = None,
    sprt: Bounds = None,
    anchor: Anchor = None,
    seed: Seed = 0,
    workers: Workers = None,
    parallel: Parallel = 32,
    runner: Runner = "local",
    address: Address = None,
) -> None:
    """Play matches between any players and rate them, with error bars."""
    from training.matches.plan import MatchConfig
    from training.rating.sprt import SprtBounds

    if workers is None:
        workers = 0 if runner == "ray" else own_cores()
    config = MatchConfig(
        players=tuple(specs),
        games=games,
        size=size,
        komi=komi,
        rules=rules,
        move_limit=move_limit,
        seed=seed,
        openings=openings,
        gauntlet=gauntlet,
        seconds=seconds,
        clock=clock,
        grace_s=grace,
        referee=referee,
        sprt=None if sprt is None else SprtBounds(*sprt),
        anchor=anchor,
        workers=workers,
        parallel=parallel,
    )
    folder = out or Path("matches") / time.strftime("%Y%m%d-%H%M%S")
    with ends_in_good_order(f"stopped; the same command with --out {folder} goes on"):
        _run(config, folder, as_json, runner, address)


def _run(
    config: MatchConfig, folder: Path, as_json: bool, runner: str, address: str | None
) -> None:
    """Play, and print what came out."""
    from rich.console import Console

    console = None if as_json else Console()
    if runner == "ray":
        from training.matches import ray_runner

        ray_runner.run(config, folder, console, address)
    elif address is not None:
        raise HonteError("--address needs --runner ray")
    else:
        from training.matches.match import run_match

        run_match(config, folder, console)
    if as_json:
        typer.echo((folder / "standings.json").read_text().rstrip())
    else:
        typer.echo(f"Games, SGFs and ladder.png are in {folder}")


def rate(
    results: Annotated[list[Path], typer.Argument(help="Folders or games.jsonl of matches.")],
    anchor: Anchor = None,
    prior: Annotated[float, typer.Option(help="Virtual draws of each player.", min=0.0)] = 1.0,
    png: Annotated[Path | None, typer.Option(help="Draw the ladder into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Rate the games of several matches together."""
    from rich.console import Console

    from training.matches.match import rate_results
    from training.matches.report import draw_ladder, print_standings
    from training.matches.standings import standings_json

    standings = rate_results(results, anchor=anchor, prior=prior)
    if png is not None:
        draw_ladder(standings, png)
    if as_json:
        typer.echo(json.dumps(standings_json(standings), indent=1))
    else:
        print_standings(standings, Console())


@contextmanager
def ends_in_good_order(message: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a long command alike: files closed, one line, exit code 130."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(message, err=True)
        raise typer.Exit(130) from None


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
