"""The loop on a Ray of this machine, a worker killed on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch

from go_env.errors import HonteError
from run_dirs import events, games_of
from tiny_run import tiny_config
from training import ray_runner
from training.model_store import ModelStore

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


def parent_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.split("PPid:")[1].split()[0])


def is_ours(pid: int) -> bool:
    """Tell whether this process started that one: other clusters may run on this machine."""
    while pid > 1:
        pid = parent_of(pid)
        if pid == os.getpid():
            return True
    return False


def worker_pids() -> list[int]:
    """Return the processes of our workers that are alive."""
    pids = []
    for folder in Path("/proc").iterdir():
        try:
            name = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue
        if name.startswith(b"ray::Worker") and is_ours(int(folder.name)):
            pids.append(int(folder.name))
    return pids


def in_background(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_a_whole_run_that_loses_a_worker(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(games_of(tmp_path)) < 20:
            time.sleep(0.1)
        victims = worker_pids()[:1]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        killed.extend(victims)

    assassin = in_background(kill_one)
    ray_runner.run(tiny_config(games=400, workers=2), tmp_path)
    assassin.join(timeout=10)
    assert killed
    assert not ray.is_initialized()
    (alarm, *_) = events(tmp_path, "alarm")
    assert alarm["name"] == "worker died"
    assert events(tmp_path, "done")[0]["games"] >= 400
    games = games_of(tmp_path)
    ids = [game.game_id for game in games]
    assert len(ids) == len(set(ids)) == events(tmp_path, "done")[0]["games"]
    workers = {identifier >> 32 & 4095 for identifier in ids}
    assert len(workers) >= 2  # who is killed may not have finished a game: then another one has
    store = ModelStore.existing(tmp_path)
    champion = store.champion()
    assert champion is not None
    assert len(events(tmp_path, "gate")) >= 2
    assert events(tmp_path, "gate")[-1]["candidate"] == store.numbers()[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_what_is_wrong_with_the_task_of_a_worker_ends_the_run(tmp_path: Path) -> None:
    config = tiny_config(games=20)
    config = replace(config, inference=replace(config.inference, device="cuda"))
    with pytest.raises(HonteError, match="cuda"):
        ray_runner.run(config, tmp_path)
    assert not events(tmp_path, "alarm")


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ray_runner.run(tiny_config(games=60, workers=1), tmp_path)
    made = len(games_of(tmp_path))
    ray_runner.run(tiny_config(games=made + 30, workers=1), tmp_path)
    ids = [game.game_id for game in games_of(tmp_path)]
    assert len(set(ids)) == len(ids) >= made + 30
    models = [event["model"] for event in events(tmp_path, "publish")]
    assert models == list(range(1, len(models) + 1))
