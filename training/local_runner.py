"""The whole loop in one process: the reference, reproducible to the bit from its seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from training.config import RunConfig
from training.run_files import open_run
from training.trainer import SPENT_BEFORE, Trainer
from training.worker import Worker


def run(
    config: RunConfig,
    run_dir: Path,
    hours: float | None = None,
    name: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Train until the budget is spent; the same call goes on where an earlier one stopped.

    `clock` (seconds) counts the budget: `time.process_time` gives equal processor time to runs on
    a machine that has other work.
    """
    with open_run(config, run_dir, hours, name, runner="local", workers=1, clock=clock) as trainer:
        if trainer.finished:
            trainer.finish(SPENT_BEFORE)
            return
        worker = Worker(trainer.config, 0, trainer.starts)
        if trainer.candidates:
            _judge(trainer, worker)
        _rate(trainer, worker)
        while trainer.progress < 1.0:
            task = trainer.next_task()
            trainer.absorb(worker.play(task, trainer.weights(task.plan.model)))
            _learn(trainer, worker)
        trainer.publish_last()
        _judge(trainer, worker)
        _rate(trainer, worker)
        trainer.finish("the budget is spent")


def _learn(trainer: Trainer, worker: Worker) -> None:
    """Make all learner steps that are due, publishing and judging models on the way."""
    while trainer.due_steps:
        trainer.learn(trainer.config.loop.publish_steps)
        if trainer.publish_due:
            trainer.publish()
            if trainer.gate_due:
                _judge(trainer, worker)
            _rate(trainer, worker)


def _judge(trainer: Trainer, worker: Worker) -> None:
    """Let the gate judge the newest model."""
    champion, candidate = trainer.champion, trainer.model
    if not champion:
        trainer.crown_first()
    elif trainer.awaits_verdict:
        trainer.put_forward(candidate)
        start_s = time.monotonic()
        verdict = worker.gate(trainer.weights(candidate), trainer.weights(champion), candidate)
        trainer.take_verdict(candidate, verdict, time.monotonic() - start_s)


def _rate(trainer: Trainer, worker: Worker) -> None:
    """Let a champion that has no rating play for it, if it is time."""
    number = trainer.unrated
    if number:
        start_s = time.monotonic()
        games = worker.rate(trainer.weights(number), number, trainer.yardsticks(number))
        trainer.take_ratings(number, games, time.monotonic() - start_s)
