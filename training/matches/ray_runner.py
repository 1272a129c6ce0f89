"""The same matches on Ray, on one machine or a cluster: workers are actors, the driver writes.

A cluster plays with the files that its machines see: weights must lie at the same path on each, and
transcripts of external engines stay on the machine that ran the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from rich.console import Console

from training.matches.arena import MatchGame
from training.matches.match import check_match, run_match
from training.matches.plan import MatchConfig, Task
from training.matches.standings import Standings
from training.matches.workers import TaskPlayer, WorkerDied
from training.ray_cluster import actor_class, available_cores, ray_cluster, result_of


def run(
    config: MatchConfig, out: Path, console: Console | None = None, address: str | None = None
) -> Standings:
    """Play a match to its end, or on from where it was interrupted, as `match.run_match` does.

    `config.workers` actors play; 0, or more than there are cores, is one for each core.
    """
    check_match(config)  # before the seconds that a cluster takes
    with ray_cluster(address):
        cores = available_cores()
        workers = min(config.workers or cores, cores)
        return run_match(replace(config, workers=workers), out, console, RayCrew)


class _Actor:
    """A TaskPlayer in a process of its own, asked for one game at a time."""

    def __init__(self, config: MatchConfig, stream: tuple[int, ...], transcripts: Path) -> None:
        self._arguments = (config, stream, transcripts)
        self._player: TaskPlayer | None = None
        self._games: Iterator[MatchGame] = iter(())

    def next_game(self, task: Task | None = None) -> MatchGame | None:
        """Begin a task if one is given; return its next game, None at its end."""
        if self._player is None:
            self._player = TaskPlayer(*self._arguments)
        if task is not None:
            self._games = self._player.play(task)
        return next(self._games, None)


class RayCrew:
    """Workers as actors, known by their numbers; see `workers.Crew`."""

    def __init__(self, config: MatchConfig, transcripts: Path) -> None:
        self._config = config
        self._transcripts = transcripts.resolve()
        self._actors: dict[int, Any] = {}  # handles
        self._calls: dict[int, Any] = {}  # references of the games that are being played
        self._hired = 0

    def hire(self, stream: tuple[int, ...]) -> int:
        self._hired += 1
        remote = actor_class(_Actor, self._config.workers)
        self._actors[self._hired] = remote.remote(self._config, stream, self._transcripts)
        return self._hired

    def give(self, worker: int, task: Task) -> None:
        self._calls[worker] = self._actors[worker].next_game.remote(task)

    def wait(self, workers: Collection[int]) -> list[int]:
        calls = {self._calls[worker]: worker for worker in workers}
        ready, _ = ray.wait(list(calls), num_returns=1)
        return [calls[call] for call in ready]

    def take(self, worker: int) -> MatchGame | None:
        try:
            game: MatchGame | None = result_of(self._calls.pop(worker))
        except RayTaskError:
            raise
        except RayError as error:
            raise WorkerDied(str(error).strip().partition("\n")[0][:200]) from None
        if game is not None:
            self._calls[worker] = self._actors[worker].next_game.remote()
        return game

    def dismiss(self, worker: int) -> None:
        ray.kill(self._actors.pop(worker))

    def close(self) -> None:
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
