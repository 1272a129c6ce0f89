"""The baselines on Ray: several collectors in processes of their own, the driver learns.

Rounds are synchronous, as in the local runner. Where a learner may be one round behind (Q-learning
is off-policy), the next round is played while it learns from this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from go_env.errors import HonteError
from training.baselines.config import BaselineConfig
from training.baselines.run_files import open_baseline
from training.baselines.trainer import BaselineTrainer, make_collector
from training.ray_cluster import actor_class, available_cores, last_line, ray_cluster, result_of

_MOST_DEATHS = 20


def run(
    config: BaselineConfig,
    run_dir: Path,
    minutes: float | None = None,
    address: str | None = None,
    name: str = "",
) -> None:
    """Train until the budget is spent; the same call goes on where an earlier one stopped."""
    with ray_cluster(address):  # first: it takes seconds that are not the run's
        workers = config.loop.workers or available_cores()
        with open_baseline(
            config, run_dir, minutes, name, runner="ray", workers=workers
        ) as trainer:
            if not trainer.finished:
                _rounds(trainer, _Collectors(trainer, workers))
            trainer.finish()


def _rounds(trainer: BaselineTrainer, collectors: _Collectors) -> None:
    calls = collectors.start()
    while trainer.progress < 1.0:
        results = collectors.gather(calls)
        if trainer.learner.overlaps:
            calls = collectors.start()
        if results:
            trainer.absorb(results)
        if trainer.evaluation_due:
            trainer.evaluate()
        if not trainer.learner.overlaps:
            calls = collectors.start()


class _Actor:
    """A collector in a process of its own."""

    def __init__(self, config: BaselineConfig, index: int, start: int, count: int) -> None:
        self._collector = make_collector(config, index, start, count)

    def collect(self, task: Any) -> Any:
        return self._collector.collect(task)


class _Collectors:
    """The collectors' actors; one that dies is replaced and its share of a round is lost."""

    def __init__(self, trainer: BaselineTrainer, count: int) -> None:
        self._trainer = trainer
        self._hired = 0
        self._deaths = 0  # in a row, without a result between them
        self._actors = [self._hire(index, count) for index in range(count)]

    def start(self) -> list[Any]:
        """Begin the next round; equal tasks travel through the object store once."""
        tasks = self._trainer.tasks(len(self._actors))
        references = {id(task): ray.put(task) for task in tasks}
        return [
            actor.collect.remote(references[id(task)])
            for actor, task in zip(self._actors, tasks, strict=True)
        ]

    def gather(self, calls: Sequence[Any]) -> list[Any]:
        """Wait for a round and return what came back."""
        results = []
        for index, call in enumerate(calls):
            try:
                results.append(result_of(call))
                self._deaths = 0
            except RayError as error:
                self._replace(index, error)
        return results

    def _hire(self, index: int, count: int) -> Any:
        start = self._trainer.starts + 64 * max(0, self._hired - count + 1)  # new games
        self._hired += 1
        remote = actor_class(_Actor, count)
        return remote.remote(self._trainer.config, index, start, count)

    def _replace(self, index: int, error: RayError) -> None:
        self._deaths += 1
        last = last_line(error)
        if self._deaths >= _MOST_DEATHS:
            raise HonteError(f"{_MOST_DEATHS} collectors in a row died; last: {last}")
        self._trainer.alarm("collector died", f"collector {index} was replaced: {last}")
        ray.kill(self._actors[index])
        self._actors[index] = self._hire(index, len(self._actors))
