"""The live page and its plain-line fallback show what the events say."""

import io
from collections import deque

from rich.console import Console

from synthetic_run import synthetic_events
from training.progress import Progress, Story, clock, describe, page, sparkline


def text_of(story: Story, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(page(story))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_page_is_drawn_after_every_event() -> None:
    story = Story()
    assert "honte" in text_of(story)
    for event in synthetic_events():
        story.take(event)
        shown = text_of(story)
    assert "model 12" in shown
    assert "✔ promoted" in shown
    assert "✘ rejected" in shown
    assert "games are <short>" in shown
    assert shown.count("●") == 4
    assert max(len(line) for line in shown.splitlines()) == 110


def test_plain_lines_without_a_terminal() -> None:
    file = io.StringIO()
    progress = Progress(file, line_every_s=0.0)
    for event in synthetic_events():
        progress.update(event)
    progress.close()
    lines = file.getvalue().splitlines()
    assert "started 5x5: 5x5, komi 25.0, network 4x32" in lines[0]
    assert any("480" in line and "games/s" in line and "policy loss" in line for line in lines)
    assert any("model 8 rejected against 4 (15 won, 5 drawn, 40 lost)" in line for line in lines)
    assert "done: time is up" in lines[-1]
    assert "\x1b" not in file.getvalue()


def test_what_others_say_is_printed_as_it_is() -> None:
    """Engines, Ray and the disk speak of [/opt/x] and [enforce fail], which is not our markup."""
    file, said = io.StringIO(), "no game against 'gtp:x [/opt/y]': [enforce fail at alloc.cpp:117]"
    progress = Progress(file)
    stamps = {"time_s": 0.0, "elapsed_s": 1.0}
    progress.update({"kind": "alarm", "name": "anchor", "message": said, **stamps})
    progress.close()
    assert said in file.getvalue()
    story = Story()
    rows = [{"player": f"gtp:/opt/e -c [{c}]", "elo": 0.0, "low": 0.0, "high": 0.0} for c in "ab"]
    rows[1]["player"] = "gtp:/opt/e [/b]"
    story.take({"kind": "rating", "model": 1, "table": rows, **stamps})
    assert "[/b]" in text_of(story)


def test_plain_lines_come_now_and_then() -> None:
    file = io.StringIO()
    progress = Progress(file, line_every_s=3600.0)
    for _ in range(50):
        progress.update({"kind": "selfplay", "time_s": 0.0, "elapsed_s": 1.0, "games": 1})
    assert len(file.getvalue().splitlines()) == 1


def test_later_event_keeps_what_earlier_ones_told() -> None:
    story = Story()
    story.take({"kind": "selfplay", "elapsed_s": 1.0, "games": 5, "window": 9})
    story.take({"kind": "selfplay", "elapsed_s": 2.0, "games": 6})
    assert (story.value("selfplay", "games"), story.value("selfplay", "window")) == (6, 9)


def test_rating_is_described_strongest_first() -> None:
    table = [{"player": "random", "elo": 0.0}, {"player": "model 1", "elo": 200.4}]
    event = {"kind": "rating", "elapsed_s": 0.0, "table": table}
    assert describe(event) == "elo: model 1 +200, random +0"


def test_sparkline_spans_from_least_to_greatest() -> None:
    assert sparkline(deque([3.0, 1.0, 2.0])) == "█▁▅"
    assert sparkline(deque([2.0, 2.0])) == "▁▁"
    assert sparkline(deque()) == ""


def test_clock() -> None:
    assert (clock(3723.9), clock(59), clock(-3)) == ("1:02:03", "0:00:59", "0:00:00")
