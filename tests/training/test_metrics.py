"""The event log survives kills and keeps to its vocabulary."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.metrics import (
    Event,
    MetricsLog,
    TensorBoard,
    games_so_far,
    last_elapsed_s,
    read_events,
)


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    def update(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True


def test_events_reach_file_and_sinks(tmp_path: Path) -> None:
    recorder = Recorder()
    log = MetricsLog(tmp_path / "metrics.jsonl", [recorder])
    log.emit("selfplay", games=3, games_per_s=1.5)
    log.emit("learner", step=1, loss=2.0)
    log.close()
    events = read_events(tmp_path / "metrics.jsonl")
    assert [event["kind"] for event in events] == ["selfplay", "learner"]
    assert events == recorder.events
    assert events[0]["games"] == 3
    assert recorder.closed


def test_numpy_values_become_plain_and_non_finite_ones_null(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m")
    log.emit("learner", step=np.int64(7), loss=np.float32(0.5), grad_norm=float("nan"))
    log.emit("learner", calibration=np.array([[0.0, np.inf, 2.0]]))
    log.close()
    first, second = read_events(tmp_path / "m")
    assert (first["step"], first["loss"], first["grad_norm"]) == (7, 0.5, None)
    assert second["calibration"] == [[0.0, None, 2.0]]


def test_unknown_field_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m")
    with pytest.raises(TypeError, match="no field gamez"):
        log.emit("selfplay", gamez=3)
    log.close()


def test_torn_last_line_is_skipped_and_then_cut(tmp_path: Path) -> None:
    path = tmp_path / "m"
    log = MetricsLog(path)
    log.emit("publish", model=1)
    log.close()
    with path.open("a") as file:
        file.write('{"kind": "publish", "time')
    assert [event["model"] for event in read_events(path)] == [1]

    log = MetricsLog(path)
    log.emit("publish", model=2)
    log.close()
    assert [event["model"] for event in read_events(path)] == [1, 2]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_elapsed_time_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "m"
    line = {"kind": "publish", "time_s": 1.0, "elapsed_s": 3600.0, "model": 1}
    path.write_text(json.dumps(line) + "\n")
    assert last_elapsed_s(path) == 3600.0
    log = MetricsLog(path)
    log.emit("publish", model=2)
    log.close()
    assert 3600.0 <= read_events(path)[-1]["elapsed_s"] < 3700.0


def test_a_budget_may_be_counted_by_another_clock(tmp_path: Path) -> None:
    now = [7.0]
    log = MetricsLog(tmp_path / "m", clock=lambda: now[0])
    now[0] = 9.5
    assert log.elapsed_s == 2.5
    log.close()


def test_one_sink_that_cannot_close_leaves_none_open(tmp_path: Path) -> None:
    class Full(Recorder):
        def close(self) -> None:
            raise OSError("no space left")

    recorders = Recorder(), Full(), Recorder()
    log = MetricsLog(tmp_path / "m", recorders)
    with pytest.raises(OSError, match="no space left"):
        log.close()
    assert recorders[0].closed and recorders[2].closed


def test_tensorboard_goes_on_at_the_games_so_far(tmp_path: Path) -> None:
    assert games_so_far(tmp_path / "m") == 0
    log = MetricsLog(tmp_path / "m")
    log.emit("selfplay", games=290)
    log.emit("publish", model=2, games=300)
    log.emit("gate", candidate=2, champion=1, games=64, promoted=True)  # games of the match
    log.close()
    assert games_so_far(tmp_path / "m") == 300


def test_tensorboard_writes_the_numbers(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m", [TensorBoard(tmp_path / "tb")])
    log.emit("config", name="5x5", size=5)
    log.emit("selfplay", games=10, games_per_s=2.0)
    log.emit("rating", model=1, table=[{"player": "random", "elo": 0.0, "low": -1.0, "high": 1.0}])
    log.close()
    (file,) = (tmp_path / "tb").iterdir()
    data = file.read_bytes()
    assert b"selfplay/games_per_s" in data
    assert b"rating/elo_random" in data
