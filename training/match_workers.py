"""Worker processes of a match: they play tasks and hand every game back as soon as it ends.

Only the parent writes results. A worker that loses its parent ends at once, and its engines with
it; a worker that dies is replaced and its unfinished games are played again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import connection, process
from pathlib import Path
from typing import Any

import numpy as np

from agents.base import Agent
from agents.clocked_agent import ClockedAgent
from agents.gtp_agent import GtpAgent
from agents.mcts_agent import MctsAgent
from agents.registry import make_agent
from go_env.errors import HonteError
from training.arena import Arena, ArenaSettings, MatchGame
from training.match_plan import MatchConfig, Player, Task
from training.referee import EngineReferee

_MOST_DEATHS = 3  # of the workers that play one task


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
        self._referee = EngineReferee(config.referee[4:]) if config.referee else None

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
            agent = make_agent(player.spec, size=self._config.size, seed=seed)
            if isinstance(agent, MctsAgent) and self._config.time_system() is not None:
                agent = ClockedAgent(agent, self._config.size)
            if isinstance(agent, GtpAgent):
                slug = "".join(c if c.isalnum() or c in "-_." else "_" for c in player.name)[:60]
                name = f"{slug}-{'-'.join(map(str, self._stream))}.log"
                agent.record_to(self._transcripts / name)
            self._agents[player.name] = agent
        return self._agents[player.name]


class WorkerPool:
    """Plays tasks in several processes."""

    def __init__(self, config: MatchConfig, stream: Sequence[int], transcripts: Path) -> None:
        self._config = config
        self._stream = tuple(stream)
        self._transcripts = transcripts
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[connection.Connection, process.BaseProcess] = {}
        self._started = 0

    def play(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, MatchGame]]:
        """Yield games as they end, in no particular order."""
        waiting = deque((task, 0) for task in tasks)
        busy: dict[connection.Connection, tuple[Task, int]] = {}
        while waiting or busy:
            while waiting and len(busy) < min(self._config.workers, len(busy) + len(waiting)):
                task, deaths = waiting.popleft()
                idle = next((pipe for pipe in self._workers if pipe not in busy), None)
                pipe = idle or self._hire()
                busy[pipe] = (task, deaths)
                with contextlib.suppress(BrokenPipeError):  # it died idle: recv will tell
                    pipe.send(task)
            ready = connection.wait(list(busy))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                task, deaths = busy.pop(pipe)
                try:
                    message = pipe.recv()
                except (EOFError, ConnectionResetError):
                    waiting.appendleft((self._bury(pipe, task, deaths), deaths + 1))
                    continue
                if isinstance(message, MatchGame):
                    left = tuple(f for f in task.fixtures if f != message.fixture)
                    busy[pipe] = (replace(task, fixtures=left), deaths)
                    yield task, message
                elif isinstance(message, str):
                    raise HonteError(message)

    def close(self) -> None:
        """End all workers now; games in progress are lost."""
        for pipe, worker in self._workers.items():
            pipe.close()
            worker.terminate()
        for worker in self._workers.values():
            worker.join(5.0)
            if worker.is_alive():
                worker.kill()
                worker.join()
        self._workers.clear()

    def _hire(self) -> connection.Connection:
        mine, theirs = self._context.Pipe()
        stream = (*self._stream, self._started)
        self._started += 1
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
        self._workers[mine] = worker
        return mine

    def _bury(self, pipe: connection.Connection, task: Task, deaths: int) -> Task:
        worker = self._workers.pop(pipe)
        worker.join()
        pipe.close()
        if deaths + 1 >= _MOST_DEATHS:
            raise HonteError(
                f"a worker died {_MOST_DEATHS} times (exit code {worker.exitcode}) in"
                f" {task.first.name} - {task.second.name}: out of memory? try fewer --workers"
            )
        return task


def _work(
    pipe: connection.Connection, config: MatchConfig, stream: tuple[int, ...], transcripts: Path
) -> None:
    """Run a worker: tasks in, games out; the number 0 says that a task is done."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    player: TaskPlayer | None = None
    message: Any
    try:
        player = TaskPlayer(config, stream, transcripts)
        while True:
            task = pipe.recv()
            for game in player.play(task):
                pipe.send(game)
            pipe.send(0)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass
    except HonteError as error:
        message = str(error)
        pipe.send(message)
    finally:
        if player is not None:
            player.close()


def _die_with_parent() -> None:
    """End this process when its parent is gone, even by `kill -9` in the middle of a game."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
