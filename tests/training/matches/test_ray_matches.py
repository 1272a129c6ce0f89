"""Matches on a Ray of this machine: the same games as by processes, whoever dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import ray

from go_env.errors import HonteError
from training.matches import ray_runner
from training.matches.log import parse_log
from training.matches.match import run_match
from training.matches.plan import MatchConfig
from training.matches.ray_runner import RayCrew

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


def config(*players: str, games: int = 24) -> MatchConfig:
    return MatchConfig(players or ("random", "rollout?sims=20"), games=games, size=5, komi=0.5)


def keys_of(out: Path) -> list[tuple[str, str, int, int]]:
    return [r.key for r in parse_log((out / "games.jsonl").read_bytes(), out)[1]]


class Assassin(RayCrew):
    """Kills the process of a worker that has just handed over the third and the tenth game."""

    taken = 0
    deaths = 0

    def take(self, worker):
        game = super().take(worker)
        type(self).taken += game is not None
        if game is not None and self.taken in (3, 10):
            os.kill(ray_workers()[0], signal.SIGKILL)
        return game

    def dismiss(self, worker):
        type(self).deaths += 1
        super().dismiss(worker)


def ray_workers() -> list[int]:
    """Return the processes of our actors: those that a raylet of ours started."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::_Actor") and descends_from(int(folder.name), os.getpid()):
            pids.append(int(folder.name))
    return pids


def descends_from(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])
        except OSError:
            return False
    return pid == ancestor


def test_a_match_on_ray_loses_no_game_when_its_workers_die(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_runner, "RayCrew", Assassin)
    standings = ray_runner.run(config(), tmp_path / "ray")
    assert not ray.is_initialized()
    assert Assassin.deaths >= 2
    keys = keys_of(tmp_path / "ray")
    assert len(keys) == len(set(keys)) == 24
    assert len(standings.records) == 24
    run_match(config(), tmp_path / "here")
    assert set(keys) == set(keys_of(tmp_path / "here"))
    before = (tmp_path / "ray" / "games.jsonl").read_bytes()
    ray_runner.run(config(games=26), tmp_path / "ray")  # the same folder goes on
    assert (tmp_path / "ray" / "games.jsonl").read_bytes().startswith(before)
    assert len(keys_of(tmp_path / "ray")) == 26


def test_errors_of_workers_are_one_line(tmp_path):
    not_weights = tmp_path / "model.safetensors"
    not_weights.write_bytes(b"nothing")
    players = ("random", f"honte:{not_weights}")
    with pytest.raises(HonteError, match="no safetensors file") as error:
        ray_runner.run(config(*players), tmp_path / "out")
    assert "\n" not in str(error.value)


def test_what_is_wrong_is_said_before_ray_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_runner, "ray_cluster", lambda address: pytest.fail("Ray was started"))
    with pytest.raises(HonteError, match="no-such-engine"):
        ray_runner.run(config("random", "gtp:no-such-engine"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
