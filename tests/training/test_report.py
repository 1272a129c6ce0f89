"""The report shows what a run told; it needs nothing but the file itself to be looked at."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from go_env.errors import HonteError
from synthetic_run import synthetic_events, write_run
from training.board_view import board_svg, board_text
from training.charts import anchors, champions, draw_charts
from training.metrics import FIELDS
from training.progress import describe
from training.report import write_report

PNG = b"\x89PNG\r\n\x1a\n"


class TagCounter(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1


def test_synthetic_run_keeps_to_the_vocabulary() -> None:
    stamps = {"kind", "time_s", "elapsed_s"}
    events = list(synthetic_events())
    assert {event["kind"] for event in events} <= FIELDS.keys()
    for event in events:
        assert event.keys() - stamps <= FIELDS[event["kind"]].keys()


def test_report_holds_curves_tables_and_games(tmp_path: Path) -> None:
    write_run(tmp_path, synthetic_events())
    page_path = write_report(tmp_path)
    page = page_path.read_text()
    images = {path.stem for path in page_path.parent.glob("*.png")}
    assert images == {"elo", "losses", "games", "calibration", "gate", "speed"}
    assert all(path.read_bytes().startswith(PNG) for path in page_path.parent.glob("*.png"))
    tags = TagCounter(page)
    assert tags.count["img"] == tags.count["source"] == 6
    assert tags.count["svg"] == 3
    assert not re.search(r'(src|href)="(?!data:)', page), "the page must not load anything"
    for text in (
        "model 12",
        "rollout?sims=1000",
        "rejected",
        "games are &lt;short&gt;",
        "+900 ±50",
    ):
        assert text in page


def test_report_of_a_run_that_has_just_begun(tmp_path: Path) -> None:
    first = next(synthetic_events())
    write_run(tmp_path, iter([first]))
    page = write_report(tmp_path, tmp_path / "elsewhere").read_text()
    assert "honte 5x5" in page
    assert "<img" not in page


@pytest.mark.parametrize("num_events", [2, 6])
def test_report_at_any_early_moment(tmp_path: Path, num_events: int) -> None:
    write_run(tmp_path, iter(list(synthetic_events(4))[:num_events]))
    assert "</html>" in write_report(tmp_path).read_text()


def test_report_of_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HonteError, match="is not a run directory"):
        write_report(tmp_path / "none")
    write_run(tmp_path, iter([]))
    with pytest.raises(HonteError, match="has no events yet"):
        write_report(tmp_path)


def test_champions_take_their_newest_rating_and_their_own_date() -> None:
    events = list(synthetic_events())
    last = next(event for event in reversed(events) if event["kind"] == "rating")
    last["table"][2]["elo"] = 123.0  # model 4, rated again beside model 12
    last["evaluations"] = 1_000_000  # self-play went on while model 12 was judged
    rows = champions(events)
    assert [(row["player"], row["elo"]) for row in rows] == [
        ("model 4", 123.0),
        ("model 8", 600.0),
        ("model 12", 900.0),
    ]
    published = [event for event in events if event["kind"] == "publish"]
    for row, event in zip(rows, published, strict=True):
        made = (row["elapsed_s"], row["self_play_games"], row["evaluations"])
        assert made == (event["elapsed_s"], event["games"], event["evaluations"])
    assert [row["player"] for row in anchors(events)] == ["random", "rollout?sims=1000"]


def test_an_engine_is_shown_by_its_label(tmp_path: Path) -> None:
    """Its command line would run across the chart; the table tells it where the mouse rests."""
    spec = "gtp:gnugo --mode gtp --level 10 --chinese-rules --capture-all-dead"
    events = list(synthetic_events())
    for event in events:
        for row in event.get("table", []):
            row["player"] = row["player"].replace("rollout?sims=1000", spec)
    assert [row["label"] for row in anchors(events)] == ["random", "gnugo level 10"]
    last = next(event for event in reversed(events) if event["kind"] == "rating")
    assert "gnugo level 10 +" in describe(last) and spec not in describe(last)
    write_run(tmp_path, events)
    assert f'title="{spec}">gnugo level 10<' in write_report(tmp_path).read_text()


def test_charts_of_events_with_gaps() -> None:
    events = [json.loads(json.dumps(event)) for event in synthetic_events(4)]
    for event in events:
        event.pop("entropy", None)
        if event["kind"] == "learner":
            event["value_loss"] = None
    assert {chart.name for chart in draw_charts(events)} >= {"games", "losses"}


def test_boards_show_captures() -> None:
    # White's corner stone is captured by Black's moves 1 and 3.
    moves = [1, 0, 5, 24]
    assert board_text(5, moves).plain.count("●") == 3
    svg = board_svg(5, moves)
    assert svg.count("<text") == 3
    assert ">2</text>" not in svg
