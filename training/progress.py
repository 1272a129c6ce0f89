"""What a person watches while a run learns: a live page on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from training.board_view import board_text
from training.matches.labels import labelled
from training.metrics import Event

_SPARKS = "▁▂▃▄▅▆▇█"
_GREEN, _RED, _DIM = "bold green", "bold red", "dim"
_LOSSES = ("loss", "policy_loss", "value_loss", "ownership_loss", "score_loss")


class Progress:
    """Sink of events; close() leaves the last picture standing."""

    def __init__(self, file: IO[str] | None = None, line_every_s: float = 10.0) -> None:
        self._console = Console(file=file or sys.stdout, highlight=False, markup=False)
        self._story = Story()
        self._line_every_s = line_every_s
        self._last_line_s = -line_every_s
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=lambda: page(self._story),
                console=self._console,
                refresh_per_second=2,
                vertical_overflow="crop",
            )
            self._live.start()

    def update(self, event: Event) -> None:
        self._story.take(event)
        if self._live is None:
            self._print_lines(event)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print_lines(self, event: Event) -> None:
        kind = event["kind"]
        if kind in ("config", "gate", "rating", "alarm", "notice", "done"):
            self._console.print(f"{clock(event['elapsed_s'])}  {describe(event)}", soft_wrap=True)
        elif kind in ("selfplay", "learner"):
            now = time.monotonic()
            if now - self._last_line_s >= self._line_every_s:
                self._last_line_s = now
                self._console.print(status_line(self._story), soft_wrap=True)


class Story:
    """The run so far, as far as the page shows it."""

    def __init__(self) -> None:
        self.latest: dict[str, dict[str, Any]] = {}  # kind -> all fields ever told, newest value
        self.elapsed_s = 0.0
        self.losses: dict[str, deque[float]] = {name: deque(maxlen=60) for name in _LOSSES}
        self.gates: deque[Event] = deque(maxlen=5)
        self.promotions = 0
        self.alarms: deque[Event] = deque(maxlen=3)

    def take(self, event: Event) -> None:
        kind = event["kind"]
        self.elapsed_s = event["elapsed_s"]
        self.latest.setdefault(kind, {}).update(event)
        if kind == "learner":
            for name, values in self.losses.items():
                if event.get(name) is not None:
                    values.append(event[name])
        elif kind == "gate":
            self.gates.append(event)
            self.promotions += bool(event["promoted"])
        elif kind == "alarm":
            self.alarms.append(event)

    def value(self, kind: str, name: str) -> Any:
        return self.latest.get(kind, {}).get(name)


def page(story: Story) -> RenderableType:
    """The whole live picture."""
    columns = Table.grid(padding=(0, 2), expand=True)
    columns.add_column(ratio=1)
    columns.add_column()
    left = [_speeds(story), _losses(story)]
    if "rating" in story.latest:
        left.append(_ratings(story))
    if story.gates:
        left.append(_gates(story))
    columns.add_row(Group(*left), _board(story))
    parts: list[RenderableType] = [_time_bar(story), columns]
    parts += [Text(f"⚠ {describe(alarm)}", style="yellow") for alarm in story.alarms]
    if "done" in story.latest:
        parts.append(Text(describe(story.latest["done"]), style=_GREEN))
    return Panel(Group(*parts), title=_title(story), title_align="left", border_style="grey50")


def describe(event: Event) -> str:
    """One event as one line of text."""
    kind = event["kind"]
    if kind == "gate":
        verdict = "promoted" if event["promoted"] else "rejected"
        return (
            f"gate: model {event['candidate']} {verdict} against {event['champion']}"
            f" ({event.get('wins')} won, {event.get('draws')} drawn, {event.get('losses')} lost)"
            + (f": {event['reason']}" if event.get("reason") else "")
        )
    if kind == "rating":
        rows = ", ".join(f"{row['label']} {row['elo']:+.0f}" for row in _ranked(event))
        return f"elo: {rows}"
    if kind == "alarm":
        return f"alarm: {event.get('message', event.get('name'))}"
    if kind == "done":
        return (
            f"done: {event.get('reason', 'finished')}; {_count(event.get('games'))} games, "
            f"{_count(event.get('step'))} steps, champion: model {event.get('champion')}"
        )
    if kind == "notice":
        return str(event.get("message"))
    start = "resumed" if event.get("resumed") else "started"
    changed = f"; changed: {', '.join(event['changed'])}" if event.get("changed") else ""
    return (
        f"{start} {event.get('name')}: {event.get('size')}x{event.get('size')}, "
        f"komi {event.get('komi')}, network {event.get('network')}, "
        f"{event.get('simulations')} simulations, {event.get('runner')} runner{changed}"
    )


def status_line(story: Story) -> str:
    """The numbers of the moment as one line, for logs."""
    parts = [
        clock(story.elapsed_s),
        f"games {_count(story.value('selfplay', 'games'))}",
        f"{_rate(story.value('selfplay', 'games_per_s'))} games/s",
        f"{_rate(story.value('selfplay', 'evals_per_s'))} evals/s",
        f"window {_count(story.value('selfplay', 'window'))}",
        f"step {_count(story.value('learner', 'step'))}",
        f"{_rate(story.value('learner', 'samples_per_s'))} samples/s",
    ]
    for name, values in story.losses.items():
        if values:
            parts.append(f"{name.replace('_', ' ')} {values[-1]:.3f}")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03."""
    minutes, second = divmod(int(max(seconds, 0)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}"


def sparkline(values: deque[float], width: int = 24) -> str:
    """The last values as a row of little bars, scaled between their least and greatest."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, span = min(shown), (max(shown) - min(shown)) or 1.0
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[round((value - low) / span * top)] for value in shown)


def _title(story: Story) -> Text:
    config = story.latest.get("config", {})
    size = config.get("size", "?")
    facts = [
        f"{size}×{size}",
        f"komi {config.get('komi', '?')}",
        f"net {config.get('network', '?')}",
        f"{config.get('search', '')} {config.get('simulations', '?')} sims".strip(),
        f"{config.get('runner', '?')} · {config.get('workers', 1)} playing",
    ]
    title = Text.assemble((" honte ", "bold"), (str(config.get("name", "")), "bold cyan"))
    return title.append("  " + " · ".join(facts) + " ", style=_DIM)


def _time_bar(story: Story) -> RenderableType:
    budget_s = story.value("config", "budget_s")
    if not budget_s:
        return Text(f"elapsed {clock(story.elapsed_s)}")
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column()
    row.add_column(ratio=1)
    row.add_column()
    bar = ProgressBar(total=budget_s, completed=min(story.elapsed_s, budget_s))
    left = f"{clock(budget_s - story.elapsed_s)} left"
    row.add_row(f"elapsed {clock(story.elapsed_s)}", bar, left)
    return row


def _speeds(story: Story) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for _ in range(6):
        table.add_column(justify="right")

    def cell(kind: str, name: str, total: bool) -> str:
        value = story.value(kind, name)
        return _count(value) if total else _rate(value)

    heads = ("games", "games/s", "evals/s", "samples/s", "window", "step")
    table.add_row(*(Text(head, style=_DIM) for head in heads))
    table.add_row(
        cell("selfplay", "games", True),
        cell("selfplay", "games_per_s", False),
        cell("selfplay", "evals_per_s", False),
        cell("learner", "samples_per_s", False),
        cell("selfplay", "window", True),
        cell("learner", "step", True),
        style="bold",
    )
    return table


def _losses(story: Story) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, values in story.losses.items():
        if values:
            label = Text(name.replace("_", " "), style=_DIM)
            table.add_row(label, f"{values[-1]:.3f}", Text(sparkline(values), style="cyan"))
    return table


def _gates(story: Story) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for event in story.gates:
        good = bool(event["promoted"])
        verdict = Text("✔ promoted" if good else "✘ rejected", style=_GREEN if good else _RED)
        score = f"+{event.get('wins', 0)} ={event.get('draws', 0)} -{event.get('losses', 0)}"
        table.add_row(f"model {event['candidate']} vs {event['champion']}", score, verdict)
    return Group(_heading(f"gate: {story.promotions} promoted"), table)


def _ratings(story: Story) -> RenderableType:
    rows = _ranked(story.latest["rating"])
    low = min(row["elo"] for row in rows)
    span = max(row["elo"] for row in rows) - low or 1.0
    table = Table.grid(padding=(0, 2))
    for row in rows[:6]:
        width = 1 + round(15 * (row["elo"] - low) / span)
        error = (row.get("high", row["elo"]) - row.get("low", row["elo"])) / 2
        value = f"{row['elo']:+.0f} ±{error:.0f}"
        table.add_row(Text(row["label"]), value, Text("━" * width, style="magenta"))
    return Group(_heading("elo, ± 95 %"), table)


def _board(story: Story) -> RenderableType:
    game = story.latest.get("game")
    if game is None:
        return Text("")
    caption = f"game {_count(game.get('number'))}  {game.get('result', '')}"
    board = board_text(game["size"], game["moves"])
    return Group(board, Text(caption, style=_DIM, justify="center"))


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style=_DIM)


def _ranked(event: Event) -> list[dict[str, Any]]:
    return sorted(labelled(event.get("table", [])), key=lambda row: -row["elo"])


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _rate(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"
