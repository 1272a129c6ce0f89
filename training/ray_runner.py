"""The same loop on Ray, on one machine or a cluster: workers play, the driver owns the trainer.

The driver alone holds state; workers can die at any time and are replaced. Weights travel once per
model through the object store, games come back as whole records. Two bounds keep the loop honest:
a worker looks at newer weights every few moves (bounded policy lag), and self-play pauses while the
learner is too far behind (back-pressure).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from go_env.errors import HonteError
from training.config import RunConfig
from training.ray_cluster import actor_class, available_cores, last_line, ray_cluster, result_of
from training.run_files import open_run
from training.trainer import SPENT_BEFORE, Trainer
from training.worker import PlayResult, Worker

_LOOK_EVERY_S = 0.1  # at the workers, while there is something to learn; a step is not cut
_IDLE_WAIT_S = 0.5
_MOST_DEATHS = 20  # of workers in one kind of job, without one result between them


def run(
    config: RunConfig,
    run_dir: Path,
    hours: float | None = None,
    address: str | None = None,
    name: str = "",
) -> None:
    """Train until the budget is spent; the same call goes on where an earlier one stopped."""
    with ray_cluster(address):  # first: it takes seconds that are not the run's
        workers = config.loop.workers or max(1, available_cores() + 1 - config.learner.threads)
        with open_run(config, run_dir, hours, name, runner="ray", workers=workers) as trainer:
            if trainer.finished:
                trainer.finish(SPENT_BEFORE)
                return
            crew = _Crew(trainer, workers)
            while trainer.progress < 1.0:
                crew.turn()
            crew.finish()
            trainer.finish("the budget is spent")


@dataclass
class _Member:
    """One worker and what it is doing."""

    index: int
    actor: Any  # handle of a remote Worker
    job: str = ""  # play, gate, rate
    subject: int = 0  # the model that is judged or rated
    started_s: float = 0.0
    call: Any = None


@dataclass
class _Crew:
    """The workers and the turns of the driver."""

    trainer: Trainer
    size: int
    _members: list[_Member] = field(default_factory=list)
    _weights: dict[int, Any] = field(default_factory=dict)  # number -> object reference
    _waiting: list[tuple[str, int]] = field(default_factory=list)  # (gate | rate, model)
    _deaths: Counter[str] = field(default_factory=Counter)  # of each job, since one was done
    _hired: int = 0

    def __post_init__(self) -> None:
        self._members = [self._hire() for _ in range(self.size)]
        self._waiting = [("gate", model) for model in self.trainer.candidates]
        self._request_ratings()

    def turn(self) -> None:
        """Give idle workers something to do, learn a little, take in what is finished."""
        for member in self._members:
            if member.call is None:
                self._assign(member)
        learned = self._learn()
        if self.trainer.publish_due:
            self._publish()
        self._collect(0.0 if learned else _IDLE_WAIT_S)

    def _learn(self) -> bool:
        """Make the steps that fit between two looks at the workers; tell whether there was one.

        A worker that waits for its next task costs a core, where each has one of its own.
        """
        end, steps = time.monotonic() + _LOOK_EVERY_S, 0
        while time.monotonic() < end and not self.trainer.publish_due and self.trainer.learn(1):
            steps += 1
        return steps > 0

    def finish(self) -> None:
        """Publish the last weights and let the gate have its say about them.

        With a budget by games everything that they pay for is learned first, as in one process.
        """
        for member in self._members:
            if member.job == "play" and member.call is not None:
                ray.cancel(member.call, force=False)
                member.call = None
        while self.trainer.config.loop.games and self.trainer.due_steps:
            self._learn()
            if self.trainer.publish_due:
                self._publish()
        self.trainer.publish_last()
        self._end_judgements()
        self._request_verdict()
        self._end_judgements()

    def _end_judgements(self) -> None:
        """Wait for all verdicts and ratings that have been asked for."""
        while self._waiting or any(m.call is not None for m in self._members):
            for member in self._members:
                if member.call is None and self._waiting:
                    self._assign(member)
            self._collect(_IDLE_WAIT_S)

    def _hire(self) -> _Member:
        """Start a worker with an index of its own: random streams and game numbers follow it."""
        index, self._hired = self._hired, self._hired + 1
        remote = actor_class(Worker, self.size)
        return _Member(index, remote.remote(self.trainer.config, index, self.trainer.starts))

    def _assign(self, member: _Member) -> None:
        """Start the next call of an idle worker: a judgement that waits, else self-play."""
        if self._waiting:
            job, model = self._waiting.pop(0)
            self._start_judgement(member, job, model)
        elif self.trainer.due_steps <= self.trainer.config.loop.most_due_steps:
            task = self.trainer.next_task()
            weights = self._reference(task.plan.model)
            self._start(member, "play", task.plan.model, member.actor.play.remote(task, weights))

    def _start_judgement(self, member: _Member, job: str, model: int) -> None:
        champion, mine = self.trainer.champion, self._reference(model)
        if job == "gate" and 0 < champion < model:
            call = member.actor.gate.remote(mine, self._reference(champion), model)
            self._start(member, job, model, call)
        elif job == "rate":
            earlier = self.trainer.yardsticks(model)
            self._start(member, job, model, member.actor.rate.remote(mine, model, earlier))

    def _start(self, member: _Member, job: str, subject: int, call: Any) -> None:
        member.job, member.subject, member.call = job, subject, call
        member.started_s = time.monotonic()

    def _collect(self, timeout_s: float) -> None:
        """Take in what workers have finished; replace those that died."""
        busy = {member.call: member for member in self._members if member.call is not None}
        if not busy:
            time.sleep(timeout_s)
            return
        first, rest = ray.wait(list(busy), num_returns=1, timeout=timeout_s)
        more = ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        for call in (*first, *more):
            member = busy[call]
            member.call = None
            try:
                result = result_of(call)
            except RayError as error:
                self._replace(member, error)
                continue
            del self._deaths[member.job]
            self._take(member, result)

    def _take(self, member: _Member, result: Any) -> None:
        duration_s = time.monotonic() - member.started_s
        if member.job == "play":
            assert isinstance(result, PlayResult)
            self.trainer.absorb(result)
            return
        if member.job == "gate":
            self.trainer.take_verdict(member.subject, result, duration_s)
        else:
            self.trainer.take_ratings(member.subject, result, duration_s)
        self._request_ratings()

    def _replace(self, member: _Member, error: RayError) -> None:
        """Hire another worker for one that died; give its judgement to the next."""
        self._deaths[member.job] += 1
        if self._deaths[member.job] >= _MOST_DEATHS:
            raise HonteError(
                f"{_MOST_DEATHS} workers died in a row (last: {last_line(error)}): see the logs in "
                "Ray's session folder, or use --runner local to see the error itself"
            )
        self.trainer.alarm("worker died", f"worker {member.index} was replaced: {last_line(error)}")
        if member.job in ("gate", "rate"):
            self._waiting.insert(0, (member.job, member.subject))
        ray.kill(member.actor)
        fresh = self._hire()
        member.index, member.actor = fresh.index, fresh.actor

    def _publish(self) -> None:
        self.trainer.publish()
        if self.trainer.gate_due:
            self._request_verdict()
        self._request_ratings()

    def _request_verdict(self) -> None:
        """Put the newest model before the gate, unless an older one still waits there."""
        model = self.trainer.model
        if not self.trainer.champion:
            self.trainer.crown_first()
            self._request_ratings()
        elif self.trainer.awaits_verdict and not self._at_work("gate"):
            self._waiting = [job for job in self._waiting if job[0] != "gate"] + [("gate", model)]
            self.trainer.put_forward(model)

    def _request_ratings(self) -> None:
        """Ask for the rating of the champion, unless one is asked for or being played."""
        waits = any(job == "rate" for job, _ in self._waiting)
        number = 0 if waits or self._at_work("rate") else self.trainer.unrated
        if number:
            self._waiting.append(("rate", number))

    def _at_work(self, job: str) -> bool:
        return any(member.job == job and member.call is not None for member in self._members)

    def _reference(self, number: int) -> Any:
        """Return the object-store reference of a model's weights, put there once."""
        if number not in self._weights:
            kept = {number, self.trainer.model, self.trainer.champion}
            self._weights = {n: ref for n, ref in self._weights.items() if n in kept}
            self._weights[number] = ray.put(self.trainer.weights(number))
        return self._weights[number]
