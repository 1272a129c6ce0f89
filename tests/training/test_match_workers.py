"""Worker processes: one that dies is replaced, and its unfinished games are played again."""

import os
import signal

import pytest

from go_env.errors import HonteError
from training.match_plan import MatchConfig, parse_players, plan
from training.match_workers import WorkerPool


def start(tmp_path, players=("random", "rollout?sims=20"), games=24):
    config = MatchConfig(players, games=games, size=5, komi=0.5, workers=2, parallel=4)
    tasks = plan(config, parse_players(config.players), set())
    return WorkerPool(config, (0,), tmp_path), tasks


def test_games_of_a_dead_worker_are_played_by_another(tmp_path):
    pool, tasks = start(tmp_path)
    played = []
    for _, game in pool.play(tasks):
        played.append((game.fixture.pair, game.fixture.leg))
        if len(played) in (1, 9):
            for worker in pool._workers.values():
                os.kill(worker.pid, signal.SIGKILL)
    workers = list(pool._workers.values())
    pool.close()
    assert sorted(played) == sorted({(pair, leg) for pair in range(12) for leg in (0, 1)})
    assert all(not worker.is_alive() for worker in workers)


def test_a_task_that_kills_every_worker_is_given_up(tmp_path):
    pool, tasks = start(tmp_path, games=2)
    hire = pool._hire

    def hire_the_dying():
        pipe = hire()
        worker = pool._workers[pipe]
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        return pipe

    pool._hire = hire_the_dying
    with pytest.raises(HonteError, match="a worker died 3 times"):
        list(pool.play(tasks))
    pool.close()


def test_closing_in_the_middle_leaves_no_process(tmp_path):
    pool, tasks = start(tmp_path, games=200)
    games = pool.play(tasks)
    next(games)
    workers = list(pool._workers.values())
    assert workers
    games.close()
    pool.close()
    assert all(not worker.is_alive() for worker in workers)
