"""The curves of a run as PNG images, once for light pages and once for dark ones."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from training.matches.labels import labelled, short_labels
from training.metrics import Event

_COLORS = ("#2f6fde", "#e0762f", "#2a9d6f", "#c2478f", "#8a63d2")
_GOOD, _BAD = "#2a9d6f", "#d1495b"
_THEMES = {
    "light": {"ink": "#24292f", "soft": "#6e7781", "grid": "#e4e7eb", "paper": "#ffffff"},
    "dark": {"ink": "#e6e8eb", "soft": "#9aa4af", "grid": "#30363d", "paper": "#1a1e24"},
}
_SMOOTHED_SHARE = 0.04  # of a curve, averaged into each point of its bold line


@dataclass(frozen=True)
class Chart:
    """One image of the report."""

    name: str  # of the file
    title: str
    note: str  # what the reader should see in it
    light: bytes  # PNG
    dark: bytes  # PNG


def draw_charts(events: Sequence[Event]) -> list[Chart]:
    """All charts for which the run has data, in reading order."""
    charts = []
    for name, title, note, draw in _CHARTS:
        if _has_data(name, events):
            images = {theme: _image(draw, events, theme) for theme in _THEMES}
            charts.append(Chart(name, title, note, images["light"], images["dark"]))
    return charts


def champions(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Every rated champion: model, its newest elo, low, high, games; when it had been made.

    That is elapsed_s, self_play_games and evaluations as the model was published: while it was
    judged, self-play went on.
    """
    ratings = [event for event in events if event["kind"] == "rating"]
    published = {event["model"]: event for event in events if event["kind"] == "publish"}
    newest = {row["player"]: row for event in ratings for row in event["table"]}
    rows: dict[str, dict[str, Any]] = {}
    for event in ratings:
        player = f"model {event['model']}"
        if player in newest:
            made = {**event, **published.get(event["model"], {})}
            rows.setdefault(player, {**made, **newest[player], "self_play_games": made["games"]})
    return labelled(list(rows.values()))


def anchors(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Rating rows of all players that the run did not train, weakest first, each with a `label`."""
    tables = [event["table"] for event in events if event["kind"] == "rating"]
    rows = [row for row in (tables[-1] if tables else []) if not row["player"].startswith("model ")]
    return sorted(labelled(rows), key=lambda row: float(row["elo"]))


def _has_data(name: str, events: Sequence[Event]) -> bool:
    needs = {
        "elo": "rating",
        "anchors": "evaluation",
        "exact": "exact",
        "losses": "learner",
        "calibration": "learner",
        "gate": "gate",
    }
    kind = needs.get(name, "selfplay")
    needed = "calibration" if name == "calibration" else "kind"
    return any(event["kind"] == kind and event.get(needed) for event in events)


def _image(draw: Callable[[Figure, Sequence[Event]], None], events: Any, theme: str) -> bytes:
    colors = _THEMES[theme]
    style: Any = {
        "font.size": 10,
        "axes.edgecolor": colors["grid"],
        "axes.facecolor": colors["paper"],
        "axes.grid": True,
        "axes.labelcolor": colors["soft"],
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.prop_cycle": cycler(color=_COLORS),
        "figure.facecolor": colors["paper"],
        "grid.color": colors["grid"],
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "lines.linewidth": 2.0,
        "text.color": colors["ink"],
        "xtick.color": colors["soft"],
        "ytick.color": colors["soft"],
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9.6, 3.6), dpi=144, layout="constrained")
        draw(figure, events)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_elo(figure: Figure, events: Sequence[Event]) -> None:
    rated, fixed = champions(events), anchors(events)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(2, 1, 1))
    time_s, unit = _time_unit(events)
    axis_fields = ((unit, "elapsed_s"), ("games", "self_play_games"), ("evaluations",) * 2)
    elo = np.array([row["elo"] for row in rated])
    errors = np.abs(np.array([[row["low"], row["high"]] for row in rated]).T - elo)
    for axis, (label, field) in zip(axes, axis_fields, strict=True):
        x = [(row.get(field) or 0) / (time_s if field == "elapsed_s" else 1) for row in rated]
        axis.errorbar(x, elo, yerr=errors if rated else None, marker="o", ms=5, capsize=3, lw=1.6)
        axis.set_xlabel(label)
        axis.set_xlim(left=0)
        _thousands(axis, field)
        for row in fixed:
            axis.axhline(row["elo"], ls="--", lw=1.2, color=_COLORS[1], alpha=0.8)
    for i, row in enumerate(fixed):
        below = i == 0 and len(fixed) > 1  # the weakest: its neighbor may be close
        axes[0].annotate(
            row["label"],
            (0.99, row["elo"]),
            xycoords=("axes fraction", "data"),
            xytext=(0, -3 if below else 3),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            fontsize=8.5,
            color=_COLORS[1],
        )
    axes[0].set_ylabel("Elo, 95 % interval")


def _draw_anchors(figure: Figure, events: Sequence[Event]) -> None:
    axes = figure.subplots(1, 2, width_ratios=(2, 1))
    time_s, unit = _time_unit(events)
    told = [event for event in events if event["kind"] == "evaluation"]
    opponents = list(dict.fromkeys(event["opponent"] for event in told))
    labels = short_labels(opponents)
    for opponent in opponents:
        rows = [event for event in told if event["opponent"] == opponent]
        score = np.array([row["score"] for row in rows], dtype=float)
        games = np.array([max(row.get("games") or 1, 1) for row in rows])
        times = [row["elapsed_s"] / time_s for row in rows]
        error = 1.96 * np.sqrt(np.maximum(score * (1 - score), 0.25 / games) / games)
        bars = axes[0].errorbar(times, score, yerr=error, marker="o", ms=4, capsize=2, lw=1.6)
        bars.set_label(f"against {labels[opponent]}")
    axes[0].set(xlabel=unit, ylim=(0, 1.02))
    _curve(axes[1], events, "learner", "epsilon", "epsilon", color=_COLORS[3])
    _curve(axes[1], events, "learner", "policy_entropy", "policy entropy", color=_COLORS[2])
    axes[1].set_title("exploration", fontsize=10)
    _finish(axes[0], "score, 95 % interval")
    _finish(axes[1], "")


def _draw_exact(figure: Figure, events: Sequence[Event]) -> None:
    axis = figure.subplots()
    _curve(axis, events, "exact", "value_error", "best play against anything")
    _curve(axis, events, "exact", "root_error", "empty board")
    axis.axhline(0.01, ls="--", lw=1.2, color=_COLORS[4])
    axis.set_yscale("symlog", linthresh=1e-3)
    axis.set_ylim(bottom=0)
    _finish(axis, "mean absolute error of values")


def _draw_losses(figure: Figure, events: Sequence[Event]) -> None:
    left, right = figure.subplots(1, 2)
    _curve(left, events, "learner", "loss", "total")
    _curve(left, events, "learner", "policy_loss", "policy")
    for name in ("value_loss", "fresh_value_loss", "ownership_loss", "score_loss"):
        _curve(right, events, "learner", name, name.removesuffix("_loss").replace("_", " "))
    for axis in (left, right):
        _finish(axis, "loss")


def _draw_speed(figure: Figure, events: Sequence[Event]) -> None:
    axes = figure.subplots(1, 3)
    fields = (
        ("selfplay", "games_per_s"),
        ("selfplay", "evals_per_s"),
        ("learner", "samples_per_s"),
    )
    for axis, color, (kind, name) in zip(axes, _COLORS, fields, strict=False):
        _curve(axis, events, kind, name, color=color)
        axis.set_ylim(bottom=0)
        axis.set_title(name.replace("_per_s", " a second"), fontsize=10)
        _finish(axis, "")


def _draw_games(figure: Figure, events: Sequence[Event]) -> None:
    axes = figure.subplots(1, 3)
    _curve(axes[0], events, "selfplay", "mean_length", color=_COLORS[0])
    _curve(axes[1], events, "selfplay", "entropy", "search", color=_COLORS[2])
    _curve(axes[1], events, "learner", "policy_entropy", "network", color=_COLORS[3])
    _curve(axes[2], events, "selfplay", "black_wins", "Black wins", color=_COLORS[0])
    _curve(axes[2], events, "selfplay", "draws", "draws", color=_COLORS[1])
    axes[2].set_ylim(0, 1)
    titles = ("moves a game", "policy entropy, nats", "results, fraction of games")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        _finish(axis, "")


def _draw_calibration(figure: Figure, events: Sequence[Event]) -> None:
    told = [event for event in events if event["kind"] == "learner" and event.get("calibration")]
    time_s, unit = _time_unit(events)
    moments = sorted({0, len(told) // 2, len(told) - 1})
    axes = figure.subplots(1, len(moments), sharey=True, squeeze=False)[0]
    for axis, moment in zip(axes, moments, strict=True):
        predicted, observed, count = np.array(told[moment]["calibration"], dtype=float).T
        sizes = 12 + 130 * count / max(count.max(), 1)
        axis.plot([-1, 1], [-1, 1], ls="--", lw=1.2, color=_COLORS[1])
        axis.scatter(predicted, observed, s=sizes, alpha=0.75, lw=0)
        axis.set_title(f"after {told[moment]['elapsed_s'] / time_s:.3g} {unit}", fontsize=10)
        axis.set(xlabel="predicted value", xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
    axes[0].set_ylabel("mean outcome")


def _draw_gate(figure: Figure, events: Sequence[Event]) -> None:
    verdicts = [event for event in events if event["kind"] == "gate"]
    axis = figure.subplots()
    for promoted, color, label in ((True, _GOOD, "promoted"), (False, _BAD, "rejected")):
        chosen = [event for event in verdicts if bool(event["promoted"]) is promoted]
        scores = [event["score"] for event in chosen]
        errors = [1.96 * math.sqrt(0.25 / max(event.get("games") or 1, 1)) for event in chosen]
        models = [event["candidate"] for event in chosen]
        if chosen:
            axis.errorbar(
                models,
                scores,
                yerr=errors,
                fmt="o",
                ms=6,
                capsize=3,
                lw=1.4,
                color=color,
                label=label,
            )
    axis.axhline(0.5, ls="--", lw=1.2, color=_COLORS[1])
    axis.set(xlabel="candidate model", ylim=(0, 1))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axis, "score against the champion")


_CHARTS = (
    (
        "elo",
        "Strength",
        "Each dot is a champion, rated against the anchors (dashed) and earlier champions. "
        "Intervals are relative to the mean of all players.",
        _draw_elo,
    ),
    (
        "anchors",
        "Against fixed opponents",
        "Baselines: games from the empty board with colors swapped; how much play still explores.",
        _draw_anchors,
    ),
    (
        "exact",
        "Error of the table",
        "Learned values against the solver's, where one side plays its best moves. Dashed: 0.01.",
        _draw_exact,
    ),
    (
        "losses",
        "Losses",
        "What the learner minimizes. Fresh: on new games, before they were trained on.",
        _draw_losses,
    ),
    (
        "games",
        "Games",
        "How self-play changes: length, certainty of the policy, who wins.",
        _draw_games,
    ),
    (
        "calibration",
        "Value calibration",
        "On the diagonal, positions end as the network predicts. Area: number of positions.",
        _draw_calibration,
    ),
    (
        "gate",
        "Gate",
        "Each candidate against the champion of its day, with a 95 % interval.",
        _draw_gate,
    ),
    ("speed", "Speed", "Of the whole system, as it trained.", _draw_speed),
)


def _curve(
    axis: Axes, events: Sequence[Event], kind: str, name: str, label: str = "", color: Any = None
) -> None:
    """Plot a field over time: faint as recorded, bold as a running mean."""
    told = [e for e in events if e["kind"] == kind and e.get(name) is not None]
    if not told:
        return
    time_s, unit = _time_unit(events)
    times = np.array([event["elapsed_s"] for event in told]) / time_s
    values = np.array([event[name] for event in told], dtype=float)
    width = max(1, round(len(values) * _SMOOTHED_SHARE))
    window = np.ones(width)
    weights = np.convolve(np.ones(len(values)), window, mode="same")
    smooth = np.convolve(values, window, mode="same") / weights
    line = axis.plot(times, smooth, label=label or None, color=color)[0]
    axis.plot(times, values, lw=0.8, alpha=0.3, color=line.get_color())
    axis.set_xlabel(unit)


def _time_unit(events: Sequence[Event]) -> tuple[float, str]:
    """Seconds of the unit in which the run's time axis is drawn, and its name."""
    short = max(event["elapsed_s"] for event in events) < 2 * 3600
    return (60.0, "minutes") if short else (3600.0, "hours")


def _finish(axis: Axes, y_label: str) -> None:
    axis.set_ylabel(y_label)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=9)


def _thousands(axis: Axes, field: str) -> None:
    if field != "elapsed_s":
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(4))
