"""The report of a run: its event log as PNG curves and one self-contained HTML page."""

import base64
import html
import re
import string
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from go_env.errors import HonteError
from training.board_view import board_svg
from training.charts import Chart, anchors, champions, draw_charts
from training.files import publish_bytes, publish_text
from training.metrics import Event, read_events
from training.model_store import ModelStore
from training.progress import clock

_NUM_SAMPLE_GAMES = 6
_NUMBER = re.compile(r"[-+±−=\d., ]*\d[\d., ]*%?")


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write all PNG files and `index.html`; return where the page lies."""
    store = ModelStore.existing(run_dir)
    events = read_events(store.metrics_path) if store.metrics_path.is_file() else []
    if not events:
        raise HonteError(f"{run_dir} has no events yet; let it train for a minute")
    folder = out or run_dir / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HonteError(f"cannot write the report to {folder}: {error.strerror}") from None
    charts = draw_charts(events)
    for chart in charts:
        publish_bytes(folder / f"{chart.name}.png", chart.light)
    page = folder / "index.html"
    publish_text(page, _page(events, charts, store.config_path.read_text(encoding="utf-8")))
    return page


def _page(events: Sequence[Event], charts: Iterable[Chart], config_toml: str) -> str:
    config = _merged(events, "config")
    sections = [_chart_section(chart) for chart in charts]
    if sections and champions(events):
        sections.insert(1, _rating_section(events))
    sections += [_gate_section(events), _games_section(events), _alarm_section(events)]
    sections.append(_origin_section(config, config_toml))
    template = resources.files("training").joinpath("report.html").read_text("utf-8")
    size = config.get("size", "?")
    return string.Template(template).substitute(
        title=html.escape(f"honte {config.get('name', '')}"),
        subtitle=html.escape(
            f"{size}×{size}, komi {config.get('komi')}, network {config.get('network')}, "
            f"{config.get('search', '')} {config.get('simulations')} simulations a move, "
            f"{config.get('runner')} runner, seed {config.get('seed')}"
        ),
        tiles=_tiles(events),
        sections="\n".join(section for section in sections if section),
    )


def _tiles(events: Sequence[Event]) -> str:
    play, rated = _merged(events, "selfplay"), champions(events)
    gates = [event for event in events if event["kind"] == "gate"]
    tiles = [
        ("training time", clock(events[-1]["elapsed_s"])),
        ("games", _count(play.get("games"))),
        ("positions evaluated", _count(play.get("evaluations"))),
        ("promotions of candidates", f"{sum(bool(e['promoted']) for e in gates)} of {len(gates)}"),
    ]
    if rated:
        tiles.insert(
            0, ("Elo of the champion", f"{rated[-1]['elo']:+.0f} ±{_error(rated[-1]):.0f}")
        )
    return "".join(
        f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for name, value in tiles
    )


def _chart_section(chart: Chart) -> str:
    light, dark = (base64.b64encode(image).decode() for image in (chart.light, chart.dark))
    picture = (
        '<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="data:image/png;base64,{dark}">'
        f'<img alt="{html.escape(chart.title)}" src="data:image/png;base64,{light}"></picture>'
    )
    return _section(chart.title, chart.note, picture)


def _rating_section(events: Sequence[Event]) -> str:
    rows = sorted([*champions(events), *anchors(events)], key=lambda row: -row["elo"])
    low = min(row["elo"] for row in rows)
    span = max(row["elo"] for row in rows) - low or 1.0
    cells = [
        (
            f'<span title="{html.escape(row["player"])}">{html.escape(row["label"])}</span>',
            f"{row['elo']:+.0f}",
            f"±{_error(row):.0f}",
            _count(row.get("games")),
            f'<div class="bar" style="width:{100 * (row["elo"] - low) / span:.1f}%"></div>',
        )
        for row in rows
    ]
    note = (
        "Bradley-Terry fit over all rating games of the run; the last anchor has 0 Elo, "
        "95 % intervals are relative to the mean of all players."
    )
    return _section(
        "Ratings", note, _table(("player", "Elo", "", "games", ""), cells, wide_last=True)
    )


def _gate_section(events: Sequence[Event]) -> str:
    rows = []
    for event in events:
        if event["kind"] == "gate":
            kind, word = ("good", "promoted") if event["promoted"] else ("bad", "rejected")
            result = f"+{event.get('wins', 0)} ={event.get('draws', 0)} −{event.get('losses', 0)}"
            rows.append(
                (
                    f"model {event['candidate']} against {event['champion']}",
                    result,
                    f"{100 * event['score']:.0f} %",
                    f'<span class="{kind}">{word}</span>',
                    html.escape(str(event.get("reason", ""))),
                )
            )
    heads = ("candidate", "games", "score", "", "test")
    return _section("Verdicts of the gate", "", _table(heads, rows)) if rows else ""


def _games_section(events: Sequence[Event]) -> str:
    games = [event for event in events if event["kind"] == "game"]
    if not games:
        return ""
    num = min(_NUM_SAMPLE_GAMES, len(games))
    chosen = [games[round(i * (len(games) - 1) / max(num - 1, 1))] for i in range(num)]
    figures = [
        f"<figure>{board_svg(game['size'], game['moves'])}<figcaption>game "
        f"{_count(game.get('number'))}, model {game.get('model')}: "
        f"{html.escape(str(game.get('result', '')))}</figcaption></figure>"
        for game in chosen
    ]
    note = "Final positions from the first to the last minute; stones carry their move number."
    return _section("Sample games", note, f'<div class="games">{"".join(figures)}</div>')


def _alarm_section(events: Sequence[Event]) -> str:
    alarms = [event for event in events if event["kind"] == "alarm"]
    rows = [
        (clock(e["elapsed_s"]), html.escape(str(e.get("message", e.get("name"))))) for e in alarms
    ]
    return _section("Alarms", "", _table(("time", "what"), rows)) if rows else ""


def _origin_section(config: Event, config_toml: str) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in config.get("versions", {}).items()
    )
    text = f"git {config.get('git_commit')}, config {config.get('config_hash')}. {versions}"
    body = f"<details><summary>config.toml</summary><pre>{html.escape(config_toml)}</pre></details>"
    return _section("Where it comes from", html.escape(text), body)


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2><p>{note}</p>{body}</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], wide_last: bool = False) -> str:
    """An HTML table of cells that are HTML already; columns of numbers are set to the right."""
    rows = list(rows)
    numeric = [all(_NUMBER.fullmatch(row[i]) for row in rows) for i in range(len(heads))]

    def line(tag: str, cells: Sequence[str]) -> str:
        marks = [' class="number"' if flag else "" for flag in numeric]
        if wide_last:
            marks[-1] = ' style="width:45%"'
        pairs = zip(marks, cells, strict=True)
        return "<tr>" + "".join(f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in pairs) + "</tr>"

    body = line("th", heads) + "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>{body}</table></div>'


def _merged(events: Sequence[Event], kind: str) -> dict[str, Any]:
    """The newest value of every field that events of this kind told."""
    merged: dict[str, Any] = {}
    for event in events:
        if event["kind"] == kind:
            merged.update(event)
    return merged


def _error(row: Event) -> float:
    return float(row["high"] - row["low"]) / 2


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,.0f}"
