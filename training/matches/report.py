"""Standings for people: tables in the terminal and a ladder as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from go_env.errors import HonteError
from training.matches.standings import PlayerRow, Standings
from training.rating.elo import Z95
from training.rating.sprt import Sprt

_BOX, _PADDING = box.SIMPLE_HEAD, (0, 1, 0, 0)  # no width is wasted: all fits into 80 columns
_ANY_WIDTH = 10_000
_SUSPICIOUS = 0.01  # p-value of the residual test below which the ladder deserves a warning
_INK, _SOFT, _GRID, _BAR, _ANCHOR = "#24292f", "#6e7781", "#e4e7eb", "#2f6fde", "#e0762f"


def print_standings(standings: Standings, console: Console, test: Sprt | None = None) -> None:
    """Print the table, who beat whom, how sure each order is, and what is odd about the games."""
    console.print(_main_table(standings))
    if len(standings.players) > 2:
        console.print("Wins-draws-losses of row against column", style="bold")
        console.print(_fitting_crosstable(standings, console))
    if standings.ratings is not None:
        if len(standings.players) > 2:
            console.print("Likelihood that row is stronger than column, %", style="bold")
            console.print(_superiority_table(standings))
        advantage, error = standings.ratings.advantage, standings.ratings.advantage_se
        console.print(
            f"First move (Black, komi as played): {advantage:+.0f} ± {Z95 * error:.0f} Elo"
        )
    for line in remarks(standings):
        console.print(line, markup=False)
    for row in standings.players:
        label = standings.labels[row.name]
        if label != row.name:
            console.print(f"{label} = {row.name}", style="dim", markup=False)
    if test is not None:
        console.print(sprt_line(test), markup=False)


def remarks(standings: Standings) -> list[str]:
    """Return sentences on endings, forfeits, duplicates, what is missing, and misfit."""
    endings = ", ".join(f"{count} by {reason}" for reason, count in standings.reasons.items())
    lines = [f"{len(standings.records)} games: {endings}" if endings else "no games yet"]
    forfeits = [f"{standings.labels[r.name]} {r.forfeits}" for r in standings.players if r.forfeits]
    if forfeits:
        lines.append(f"Lost by forfeit: {', '.join(forfeits)}")
    if standings.duplicates:
        lines.append(
            f"{standings.duplicates} games repeat an earlier one: the error bars are too small;"
            " use more opening plies"
        )
    if standings.unrated:
        lines.append(f"no ratings: {standings.unrated}")
    lines += standings.notes
    test = standings.residuals
    if test is not None and test.degrees_of_freedom > 0:
        lines.append(
            f"Residuals: chi² {test.chi_square:.1f} on {test.degrees_of_freedom} degrees of"
            f" freedom, p = {test.p_value:.3f}"
        )
        if test.p_value < _SUSPICIOUS:
            worst = test.pairs[0]
            first, second = standings.labels[worst.first], standings.labels[worst.second]
            lines.append(
                f"  the ratings do not explain {first} - {second}: {worst.score:g} of"
                f" {worst.games}, expected {worst.expected:.1f} (z = {worst.z:+.1f}); strength is"
                " not one number here"
            )
    return lines


def sprt_line(test: Sprt) -> str:
    """Return the state of a sequential test of the first player's strength in one sentence."""
    elo, low, high = test.elo()
    verdict = {
        "accept": f"accepted: at least {test.bounds.elo1:+g} Elo (H1)",
        "reject": f"rejected: at most {test.bounds.elo0:+g} Elo (H0)",
        "continue": "undecided",
    }[test.verdict]
    return (
        f"SPRT {verdict}; LLR {test.llr:+.2f} in ({test.bounds.lower:.2f}, {test.bounds.upper:.2f})"
        f" after {test.trials} pairs {list(test.counts)}, Elo {elo:+.0f} [{low:+.0f}, {high:+.0f}]"
    )


def draw_ladder(standings: Standings, path: Path, title: str = "") -> None:
    """Write the ratings with their 95% intervals as a PNG."""
    ratings = standings.ratings
    if ratings is None:
        return
    order = [ratings.index(row.name) for row in standings.players]
    elo, error = ratings.elo[order], Z95 * ratings.se[order]
    heights = np.arange(len(order))[::-1]
    style: Any = {"font.size": 10, "text.color": _INK}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9.0, 1.6 + 0.42 * len(order)), dpi=144, layout="constrained")
        axes = figure.add_subplot()
        for y, x, half, i in zip(heights, elo, error, order, strict=True):
            fixed = ratings.players[i] == ratings.anchor
            color = _ANCHOR if fixed else _BAR
            axes.hlines(y, x - half, x + half, color=color, alpha=0.3, linewidth=7)
            axes.plot(x, y, "o", color=color, markersize=7, markeredgecolor="white")
        labels = [
            f"{x:+.0f} ± {half:.0f}".replace("-", "−") if half else "anchor"
            for x, half in zip(elo, error, strict=True)
        ]
        right = float((elo + error).max())
        for y, label in zip(heights, labels, strict=True):
            axes.annotate(
                label,
                (1.0, y),
                xycoords=("axes fraction", "data"),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                color=_SOFT,
                annotation_clip=False,
            )
        axes.set_yticks(heights, [standings.labels[row.name] for row in standings.players])
        axes.set_ylim(-0.7, len(order) - 0.3)
        axes.margins(x=0.04)
        axes.axvline(0.0, color=_GRID, linewidth=1.5, zorder=0)
        axes.grid(axis="x", color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=_INK)
        zero = "mean of all" if ratings.anchor is None else standings.labels[ratings.anchor]
        axes.set_xlabel(f"Elo ({zero} = 0), 95% intervals", color=_SOFT)
        heading = title or "Ladder"
        axes.set_title(f"{heading} · {len(standings.records)} games", loc="left", weight="bold")
        axes.set_xlim(right=right + 0.04 * max(np.ptp(elo), 50.0))
        try:
            figure.savefig(path, format="png", facecolor="white", bbox_inches="tight")
        except OSError as error:
            raise HonteError(f"cannot write {path}: {error.strerror}") from None


def _main_table(standings: Standings) -> Table:
    table = Table(box=_BOX, padding=_PADDING, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("player", overflow="fold")
    for column in ("Elo", "± 95%", "games", "score", "draws", "Black", "White"):
        table.add_column(column, justify="right")
    for rank, row in enumerate(standings.players, 1):
        cells = [str(rank), escape(standings.labels[row.name]), *_elo_cells(standings, row)]
        cells += [str(row.games), _percent(row.points, row.games), str(row.draws)]
        cells += [
            _percent(row.black_points, row.black_games),
            _percent(row.white_points, row.white_games),
        ]
        table.add_row(*cells)
    return table


def _elo_cells(standings: Standings, row: PlayerRow) -> list[str]:
    ratings = standings.ratings
    if ratings is None:
        return ["", ""]
    i = ratings.index(row.name)
    if row.name == ratings.anchor:
        return [f"{ratings.elo[i]:.0f}", "anchor"]
    return [f"{ratings.elo[i]:+.0f}", f"{Z95 * ratings.se[i]:.0f}"]


def _fitting_crosstable(standings: Standings, console: Console) -> Table:
    """Return the crosstable; its rows are named by rank only where names would not fit."""
    table = _crosstable(standings, named=True)
    free = console.options.update(width=_ANY_WIDTH)
    if Measurement.get(console, free, table).maximum > console.width:
        return _crosstable(standings, named=False)
    return table


def _crosstable(standings: Standings, *, named: bool) -> Table:
    table = Table(box=_BOX, padding=_PADDING)
    table.add_column("", no_wrap=True)
    results = standings.crosstable()
    for rank in range(1, len(standings.players) + 1):
        table.add_column(str(rank), justify="right", overflow="fold")
    for rank, row in enumerate(standings.players, 1):
        cells = [f"{rank} {escape(standings.labels[row.name])}" if named else str(rank)]
        for other in standings.players:
            played = results.get((row.name, other.name))
            cells.append("·" if row is other else "-".join(map(str, played)) if played else "")
        table.add_row(*cells)
    return table


def _superiority_table(standings: Standings) -> Table:
    assert standings.ratings is not None
    matrix = standings.ratings.superiority()
    order = [standings.ratings.index(row.name) for row in standings.players]
    table = Table(box=_BOX, padding=_PADDING)
    table.add_column("", no_wrap=True)
    for rank in range(1, len(order) + 1):
        table.add_column(str(rank), justify="right", no_wrap=True)
    for rank, i in enumerate(order, 1):
        cells = ["·" if i == j else f"{100 * matrix[i, j]:.0f}" for j in order]
        label = standings.labels[standings.ratings.players[i]]
        table.add_row(f"{rank} {escape(label)}", *cells)
    return table


def _percent(points: float, games: int) -> str:
    return f"{100 * points / games:.0f}%" if games else ""
