"""Groups and threads change when things happen, never what a search finds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from games import random_positions
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.evaluator import Evaluation
from mcts.pipeline import Part
from mcts.search import Search, SearchResult

RULES = Rules(5, 0.5)
GAMES = 11
WAIT_S = 60.0  # for somebody who is sure to come; reached only where the test fails


def search_of(
    evaluator: HashEvaluator, positions: list[Position], groups: int, threads: int, root: str
) -> Search:
    config = SearchConfig(root=root)  # type: ignore[arg-type]
    search = Search(evaluator, config, RULES, len(positions), 60, groups, threads)
    search.set_positions(positions)
    return search


def fresh_search(evaluator: HashEvaluator, games: int, groups: int, threads: int) -> Search:
    """Return a search of empty boards: every simulation needs the evaluator."""
    positions = [Position.initial(RULES)] * games
    return search_of(evaluator, positions, groups, threads, "gumbel")


def results(root: str, groups: int, threads: int) -> list[SearchResult]:
    """Search games with budgets of their own, play, and search on in the kept subtrees."""
    positions = random_positions(RULES, GAMES, seed=2)
    search = search_of(HashEvaluator(5), positions, groups, threads, root)
    budgets = np.arange(GAMES, dtype=np.int32) * 3
    found = []
    for seed in (0, 1):
        found.append(search.run(budgets, np.random.default_rng(seed)))
        search.play(np.where(budgets > 0, found[-1].action, -1))
    return found


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize(("groups", "threads"), [(1, 2), (2, 1), (2, 3), (3, 2), (11, 4)])
def test_groups_and_threads_leave_the_trees_alone(root: str, groups: int, threads: int) -> None:
    for plain, piped in zip(results(root, 1, 1), results(root, groups, threads), strict=True):
        for name, array in vars(plain).items():
            np.testing.assert_array_equal(array, getattr(piped, name), err_msg=name)


def test_each_group_is_one_batch() -> None:
    evaluator = HashEvaluator(5)
    search = fresh_search(evaluator, games=8, groups=2, threads=3)
    search.run(6)
    assert evaluator.batches == [4, 4] * 7
    assert search.evaluations == 56


class Meeting:
    """Lets calls go on only together: each call of one side needs one of the other to be running.

    Had the two sides to take turns, the first to come would wait in vain and the barrier break.
    """

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties, timeout=WAIT_S)
        self.count = 0

    def attend(self) -> None:
        self._barrier.wait()
        self.count += 1


class SlowEvaluator(HashEvaluator):
    """Is not done with a batch before somebody has searched meanwhile."""

    def __init__(self, meeting: Meeting) -> None:
        super().__init__(5)
        self._meeting = meeting

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        self._meeting.attend()
        return super().evaluate(batch)


def attending(step: Callable[..., int], meeting: Meeting, calls: int) -> Callable[..., int]:
    """Return a step whose calls attend the meeting: all of `calls` but the first and the last."""
    count = 0

    def attend_and_step(part: Part, *arguments: np.ndarray) -> int:
        nonlocal count
        count += 1
        if 1 < count < calls:
            meeting.attend()
        return step(part, *arguments)

    return attend_and_step


def test_one_group_is_searched_while_the_other_is_evaluated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulations = 8
    meeting = Meeting(2)
    search = fresh_search(SlowEvaluator(meeting), games=8, groups=2, threads=1)
    for name, rounds in (("start_roots", 1), ("collect", simulations)):
        step = attending(getattr(Part, name), meeting, calls=2 * (rounds + 1))
        monkeypatch.setattr(Part, name, step)
    search.run(simulations)
    assert meeting.count == 2 * 2 * (1 + simulations)  # both sides, both groups, with the roots


def test_threads_search_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting(3)
    search = fresh_search(HashEvaluator(5), games=9, groups=1, threads=3)
    collect = Part.collect

    def attend_and_collect(part: Part, *arguments: np.ndarray) -> int:
        meeting.attend()
        return collect(part, *arguments)

    monkeypatch.setattr(Part, "collect", attend_and_collect)
    search.run(5)
    assert meeting.count == 3 * 6


@pytest.mark.parametrize("groups", [1, 2])
def test_what_an_evaluator_raises_reaches_the_caller(groups: int) -> None:
    class Broken(HashEvaluator):
        def evaluate(self, batch: PositionBatch) -> Evaluation:
            raise RuntimeError("out of order")

    search = fresh_search(Broken(5), games=4, groups=groups, threads=1)
    with pytest.raises(RuntimeError, match="out of order"):
        search.run(4)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"value": np.full(4, np.nan)}, "must be finite numbers"),
        ({"value": np.zeros(3)}, r"value \(3,\) must have shapes \(4, 26\) and \(4,\)"),
        ({"value": np.zeros((4, 1))}, "must have shapes"),
        ({"policy": np.ones((4, 25))}, "must have shapes"),
        ({"policy": np.ones((1, 26))}, "must have shapes"),
    ],
)
def test_answers_that_kernels_cannot_read_are_refused(
    broken: dict[str, np.ndarray], message: str
) -> None:
    class Broken(HashEvaluator):
        def evaluate(self, batch: PositionBatch) -> Evaluation:
            wrong = {name: array.astype(np.float32) for name, array in broken.items()}
            return replace(super().evaluate(batch), **wrong)

    with pytest.raises(HonteError, match=message) as error:
        fresh_search(Broken(5), games=4, groups=1, threads=1).run(4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_a_failed_evaluation_leaves_nothing_behind(root: str) -> None:
    """The next search begins with empty trees, as if nothing had been: no leaf waits in them."""

    class OutOfOrderOnce(HashEvaluator):
        calls = 0

        def evaluate(self, batch: PositionBatch) -> Evaluation:
            self.calls += 1
            if self.calls == 7:
                raise RuntimeError("out of order")
            return super().evaluate(batch)

    config = SearchConfig(root=root, leaves=4)  # type: ignore[arg-type]
    found = []
    for evaluator in (OutOfOrderOnce(5), HashEvaluator(5)):
        search = Search(evaluator, config, RULES, 2, 100)
        search.set_positions([Position.initial(RULES)] * 2)
        if isinstance(evaluator, OutOfOrderOnce):
            with pytest.raises(RuntimeError, match="out of order"):
                search.run(60)
        search.run(60)
        search.play(np.array([12, 12]))
        found.append(search.run(60).visits)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", ["games", "max_nodes", "groups", "threads"])
def test_numbers_below_one_are_refused(name: str) -> None:
    numbers = {"games": 1, "max_nodes": 9, name: 0}
    with pytest.raises(HonteError, match=f"search {name} is 0: use at least 1"):
        Search(HashEvaluator(5), SearchConfig(), RULES, **numbers)


def test_fewer_simulations_than_none_are_refused() -> None:
    search = fresh_search(HashEvaluator(5), games=2, groups=1, threads=1)
    with pytest.raises(HonteError, match="-3 simulations"):
        search.run(np.array([5, -3], np.int32))
