"""Worker processes: one that dies is replaced, and its unfinished games are played again."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from go_env.errors import HonteError
from training.matches import workers
from training.matches.plan import MatchConfig, parse_players, plan
from training.matches.workers import ProcessCrew, WorkerPool

FAKE = Path(__file__).parents[2] / "support" / "fake_engine.py"


def start(tmp_path, players=("random", "rollout?sims=20"), games=24):
    config = MatchConfig(players, games=games, size=5, komi=0.5, workers=2, parallel=4)
    tasks = plan(config, parse_players(config.players), set())
    crew = ProcessCrew(config, tmp_path)
    return crew, WorkerPool(crew, config.workers, (0,)), tasks


def test_games_of_a_dead_worker_are_played_by_another(tmp_path):
    crew, pool, tasks = start(tmp_path)
    played = []
    for _, game in pool.play(tasks):
        played.append((game.fixture.pair, game.fixture.leg))
        if len(played) in (1, 9):
            for worker in crew._processes.values():
                os.kill(worker.pid, signal.SIGKILL)
    crowd = list(crew._processes.values())
    pool.close()
    assert sorted(played) == sorted({(pair, leg) for pair in range(12) for leg in (0, 1)})
    assert all(not worker.is_alive() for worker in crowd)


def test_a_task_that_kills_every_worker_is_given_up(tmp_path):
    crew, pool, tasks = start(tmp_path, games=2)
    hire = crew.hire

    def hire_the_dying(stream):
        pipe = hire(stream)
        worker = crew._processes[pipe]
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        return pipe

    crew.hire = hire_the_dying
    with pytest.raises(HonteError, match="a worker died 3 times"):
        list(pool.play(tasks))
    pool.close()


def test_closing_in_the_middle_leaves_no_process(tmp_path):
    crew, pool, tasks = start(tmp_path, games=200)
    games = pool.play(tasks)
    next(games)
    crowd = list(crew._processes.values())
    assert crowd
    games.close()
    pool.close()
    assert all(not worker.is_alive() for worker in crowd)


def test_an_engine_behind_a_script_ends_with_its_worker(tmp_path):
    """The engine is the child of a shell, in the middle of a move."""
    script = tmp_path / "engine.sh"
    script.write_text(f"#!/bin/sh\n{sys.executable} {FAKE} hang 1 {tmp_path}\ntrue\n")
    script.chmod(0o755)
    crew, _, tasks = start(tmp_path, players=(f"gtp:{script}", "random"), games=2)
    crew.give(crew.hire((0, 0)), tasks[0])
    deadline_s = time.monotonic() + 120
    while not any("genmove" in log.read_text() for log in tmp_path.glob("*.log")):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert running_with(tmp_path)
    crew.close()
    deadline_s = time.monotonic() + 10
    while running_with(tmp_path) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert running_with(tmp_path) == []


def test_a_worker_that_is_stopped_as_its_match_ends_stops_in_silence(tmp_path, monkeypatch):
    """The signal is taken at the last moment: where further ones begin to be ignored."""

    class Pipe:
        def recv(self):
            raise EOFError

    def taken(number, handler):
        if handler is signal.SIG_IGN and not closed:
            monkeypatch.undo()
            workers._interrupt(signal.SIGTERM, None)

    closed = []
    monkeypatch.setattr(workers.TaskPlayer, "close", lambda player: closed.append(player))
    close = workers.TaskPlayer.close
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(workers.signal, "signal", taken)
    monkeypatch.setattr(workers, "TaskPlayer", lambda *_: type("Player", (), {"close": close})())
    try:
        workers._work(Pipe(), MatchConfig(("random", "random")), (0,), tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(closed) == 1


def running_with(path: Path) -> list[str]:
    """Return the command lines that name a path."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(path) in words:
            found.append(words)
    return found
