"""Workers of a match: they play tasks and hand every game back as soon as it ends.

Only the driver writes results. A worker that dies is replaced and its unfinished games are played
again; one that loses its driver ends at once, and its engines with it. Where workers live is the
business of a crew: `ProcessCrew` here, `RayCrew` in `ray_runner`.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from multiprocessing import connection, process
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

from agents.base import Agent
from agents.clocked_agent import ClockedAgent
from agents.gtp_agent import GtpAgent
from agents.mcts_agent import MctsAgent
from agents.registry import make_agent, parse_spec, with_weights
from go_env.errors import HonteError
from training.matches.arena import Arena, ArenaSettings, MatchGame
from training.matches.labels import file_slug
from training.matches.plan import MatchConfig, Player, Task
from training.matches.referee import EngineReferee

_MOST_DEATHS = 3  # of the workers that play one task
_CLOSING_S = 5.0  # for a worker to stop its engines


class TaskPlayer:
    """Plays tasks in this process; keeps its agents from task to task.

    Args:
        config: the match.
        stream: distinguishes the random numbers of workers and of resumed matches.
        transcripts: folder for the conversations with external engines.
    """

    def __init__(self, config: MatchConfig, stream: Sequence[int], transcripts: Path) -> None:
        self._config = config
        self._stream = tuple(stream)
        self._transcripts = transcripts
        self._agents: dict[str, Agent] = {}
        referee = config.referee and parse_spec(config.referee).target
        self._referee = EngineReferee(referee) if referee else None

    def play(self, task: Task) -> Iterator[MatchGame]:
        """Yield the games of a task as they end."""
        clock = self._config.time_system()
        alone = clock is not None or task.first.external or task.second.external
        settings = ArenaSettings(
            parallel=1 if alone else self._config.parallel,
            clock=clock,
            grace_s=self._config.grace_s,
        )
        agents = (self._agent(task.first), self._agent(task.second))
        if clock is not None:  # a collection of all that is loaded takes 0.14 s, on a clock
            gc.collect()
            gc.freeze()
        arena = Arena(agents, self._config.to_rules(), settings, self._referee)
        yield from arena.games(task.fixtures)

    def close(self) -> None:
        """Stop all engines."""
        for agent in self._agents.values():
            agent.close()
        if self._referee is not None:
            self._referee.close()

    def _agent(self, player: Player) -> Agent:
        if player.name not in self._agents:
            entropy = [self._config.seed, *self._stream, *player.name.encode()]
            seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
            spec = player.spec
            if player.weights is not None and player.weights.is_file():  # not on other machines
                spec = with_weights(spec, str(player.weights))
            agent = make_agent(spec, size=self._config.size, seed=seed)
            if isinstance(agent, MctsAgent) and self._config.time_system() is not None:
                agent = ClockedAgent(agent, self._config.size)
            if isinstance(agent, GtpAgent):
                mark = f"{zlib.crc32(player.name.encode()):08x}-" if len(player.name) > 60 else ""
                stream = "-".join(map(str, self._stream))
                name = f"{file_slug(player.name, 60)}-{mark}{stream}.log"
                self._transcripts.mkdir(parents=True, exist_ok=True)  # this may be another machine
                agent.record_to(self._transcripts / name)
            self._agents[player.name] = agent
        return self._agents[player.name]


class WorkerDied(Exception):
    """A worker is gone; the text says what is known of it."""


class Crew(Protocol):
    """Workers, each with a TaskPlayer of its own, wherever they live."""

    def hire(self, stream: tuple[int, ...]) -> Any:
        """Start a worker and return what it is known by."""
        ...

    def give(self, worker: Any, task: Task) -> None:
        """Let an idle worker begin a task."""
        ...

    def wait(self, workers: Collection[Any]) -> Collection[Any]:
        """Wait until some of these busy workers have something to hand over."""
        ...

    def take(self, worker: Any) -> MatchGame | None:
        """Return what it hands over: a game, or None at the end of its task."""
        ...

    def dismiss(self, worker: Any) -> None:
        """Forget a worker that died."""
        ...

    def close(self) -> None:
        """End all workers now; games in progress are lost."""
        ...


CrewMaker = Callable[[MatchConfig, Path], Crew]  # (match, folder of transcripts)


class WorkerPool:
    """Plays tasks by a crew of `config.workers`."""

    def __init__(self, crew: Crew, workers: int, stream: Sequence[int]) -> None:
        self._crew = crew
        self._most = workers
        self._stream = tuple(stream)
        self._workers: list[Any] = []
        self._started = 0

    def play(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, MatchGame]]:
        """Yield games as they end, in no particular order."""
        waiting = deque((task, 0) for task in tasks)
        busy: dict[Any, tuple[Task, int]] = {}
        while waiting or busy:
            while waiting and len(busy) < self._most:
                worker = next((w for w in self._workers if w not in busy), None) or self._hire()
                busy[worker] = waiting.popleft()
                self._crew.give(worker, busy[worker][0])
            for worker in self._crew.wait(busy):
                task, deaths = busy.pop(worker)
                try:
                    game = self._crew.take(worker)
                except WorkerDied as error:
                    self._bury(worker, task, deaths, str(error))
                    waiting.appendleft((task, deaths + 1))
                    continue
                if game is not None:
                    left = tuple(f for f in task.fixtures if f != game.fixture)
                    busy[worker] = (replace(task, fixtures=left), deaths)
                    yield task, game

    def close(self) -> None:
        self._crew.close()

    def _hire(self) -> Any:
        worker = self._crew.hire((*self._stream, self._started))
        self._started += 1
        self._workers.append(worker)
        return worker

    def _bury(self, worker: Any, task: Task, deaths: int, how: str) -> None:
        self._workers.remove(worker)
        self._crew.dismiss(worker)
        if deaths + 1 >= _MOST_DEATHS:
            raise HonteError(
                f"a worker died {_MOST_DEATHS} times ({how}) in"
                f" {task.first.name} - {task.second.name}: out of memory? try fewer --workers"
            )


class ProcessCrew:
    """Workers as processes of this machine, known by their pipes."""

    def __init__(self, config: MatchConfig, transcripts: Path) -> None:
        self._config = config
        self._transcripts = transcripts
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[connection.Connection, process.BaseProcess] = {}

    def hire(self, stream: tuple[int, ...]) -> connection.Connection:
        mine, theirs = self._context.Pipe()
        arguments = (theirs, self._config, stream, self._transcripts)
        worker = self._context.Process(target=_work, args=arguments, daemon=True)
        threads = {"OMP_NUM_THREADS": "1"} if "OMP_NUM_THREADS" not in os.environ else {}
        os.environ.update(threads)  # inherited by the worker: one core each
        try:
            worker.start()
        finally:
            for name in threads:
                del os.environ[name]
        theirs.close()
        self._processes[mine] = worker
        return mine

    def give(self, worker: connection.Connection, task: Task) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died idle: `take` will tell
            worker.send(task)

    def wait(self, workers: Collection[connection.Connection]) -> list[Any]:
        return connection.wait(list(workers))

    def take(self, worker: connection.Connection) -> MatchGame | None:
        try:
            message = worker.recv()
        except (EOFError, ConnectionResetError):
            died = self._processes[worker]
            died.join()
            raise WorkerDied(f"exit code {died.exitcode}") from None
        if isinstance(message, str):
            raise HonteError(message)
        return message if isinstance(message, MatchGame) else None

    def dismiss(self, worker: connection.Connection) -> None:
        del self._processes[worker]
        worker.close()

    def close(self) -> None:
        for pipe, worker in self._processes.items():
            pipe.close()
            worker.terminate()
        for worker in self._processes.values():
            worker.join(_CLOSING_S)
            if worker.is_alive():
                worker.kill()
                worker.join()
        self._processes.clear()


def _work(
    pipe: connection.Connection, config: MatchConfig, stream: tuple[int, ...], transcripts: Path
) -> None:
    """Run a worker process: tasks in, games out; the number 0 says that a task is done."""
    signal.signal(signal.SIGTERM, _interrupt)  # unwinds, so that engines end with their children
    threading.Thread(target=_die_with_parent, daemon=True).start()
    player: TaskPlayer | None = None
    message: Any
    try:
        try:
            player = TaskPlayer(config, stream, transcripts)
            while True:
                task = pipe.recv()
                for game in player.play(task):
                    pipe.send(game)
                pipe.send(0)
        except (EOFError, BrokenPipeError):
            pass
        except HonteError as error:
            message = str(error)
            pipe.send(message)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the driver kills who takes too long
    except KeyboardInterrupt:
        pass  # it may come at any moment up to here, when a match has ended, too
    finally:
        if player is not None:
            player.close()


def _interrupt(signum: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    """End this process when its parent is gone, even by `kill -9` in the middle of a game."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_CLOSING_S)
        os._exit(1)
