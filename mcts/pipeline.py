"""Search of some games while the leaves of others are evaluated, by several threads if wanted.

The games are cut into groups, each with batches of its own: while a device evaluates those of one
group, the trees of the next are searched. A group is cut once more into parts, one for each
searching thread (kernels release the GIL). Neither changes what a search finds: games know nothing
of each other, and batches reach the evaluator one at a time in an order that is always the same.

With one group and one thread everything happens in the caller's thread. That is best where the
evaluator runs on the very cores that search: there is no idle core to fill.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.errors import HonteError
from mcts import kernels
from mcts.evaluator import Evaluation, Evaluator
from mcts.tree import Forest


class Part:
    """Some neighboring games of a forest, searched by one thread at a time."""

    def __init__(self, forest: Forest, first: int, last: int) -> None:
        self.first = first * forest.width  # slot
        self.slots = (last - first) * forest.width
        self.pending = 0  # leaves to be evaluated; they lie in the slots from `first` on
        self.row = 0  # where they begin in the batch of the group
        self._forest = forest.part(first, last)
        self._area = np.zeros((1, forest.legal.shape[1]), np.int8)

    def start_roots(self) -> int:
        """Put roots without a node into leaf slots; return their number."""
        f = self._forest
        pending: int = kernels.start_roots(
            f.roots, f.leaves, f.hashes, f.root_snapshots, f.leaf_snapshots, f.legal, f.owner,
            f.states, f.depth,
        )  # fmt: skip
        return pending

    def collect(self, schedule: NDArray[np.int32], params: np.ndarray) -> int:
        """Search each game until its leaves must be evaluated; return their number."""
        f = self._forest
        pending: int = kernels.collect(
            f.roots, f.leaves, f.hashes, f.root_snapshots, f.leaf_snapshots, f.legal, self._area,
            f.owner, *f.trees, f.path, f.depth, schedule, f.bias, f.counts, f.banned, params,
        )  # fmt: skip
        return pending

    def absorb(self, policy: NDArray[np.float32], value: NDArray[np.float32]) -> None:
        """Take the answers for the pending leaves, [pending, A] and [pending], into the trees."""
        f = self._forest
        kernels.absorb(f.owner, self.pending, f.legal, policy, value, *f.trees, f.path, f.depth)


Step = Callable[[Part], int]
Waiting = deque[tuple[list[Part], Callable[[], Evaluation]]]


class Pipeline:
    """Groups of games in turn: absorb the answers, search for the next leaves, hand them over."""

    def __init__(self, evaluator: Evaluator, groups: int, threads: int) -> None:
        self.evaluations = 0  # positions judged since the start
        self._evaluator = evaluator
        self._groups = groups
        self._threads = threads
        self._judge = ThreadPoolExecutor(1, "evaluate") if groups > 1 else None
        self._searchers = ThreadPoolExecutor(threads, "search") if threads > 1 else None

    def cut(self, forest: Forest) -> list[list[Part]]:
        """Return the groups of a forest as lists of parts; arrays of the forest must then stay."""
        groups = _bounds(0, len(forest.states), self._groups)
        return [
            [Part(forest, *bounds) for bounds in _bounds(first, last, self._threads)]
            for first, last in groups
        ]

    def run(self, forest: Forest, groups: list[list[Part]], step: Step) -> None:
        """Repeat `step` and evaluation until no game has a leaf."""
        waiting: Waiting = deque()
        for parts in groups:
            self._each(parts, partial(_search, step))
            self._hand_over(forest, parts, waiting)
        while waiting:
            parts, answer = waiting.popleft()
            self._each(parts, partial(_absorb_and_search, step, answer()))
            self._hand_over(forest, parts, waiting)

    def _hand_over(self, forest: Forest, parts: list[Part], waiting: Waiting) -> None:
        """Give the leaves of a group, if there are any, to the evaluator."""
        pending = 0
        for part in parts:
            part.row = pending
            pending += part.pending
        if not pending:
            return
        self.evaluations += pending
        evaluate = partial(self._evaluate, _batch(forest, parts))
        waiting.append((parts, self._judge.submit(evaluate).result if self._judge else evaluate))

    def _evaluate(self, batch: PositionBatch) -> Evaluation:
        """Ask the evaluator; kernels read the answer without a look at its shape or for NaN."""
        answer = self._evaluator.evaluate(batch)
        policy, value = answer.policy, answer.value
        if policy.shape != batch.legal.shape or value.shape != batch.legal.shape[:1]:
            raise HonteError(
                f"the evaluator's policy {policy.shape} and value {value.shape} must have shapes "
                f"{batch.legal.shape} and {batch.legal.shape[:1]}"
            )
        if not np.isfinite(value).all():
            raise HonteError("the evaluator's values must be finite numbers: look for NaN in it")
        return answer

    def _each(self, parts: list[Part], work: Callable[[Part], None]) -> None:
        if self._searchers is None:
            for part in parts:
                work(part)
        else:
            list(self._searchers.map(work, parts))


def _search(step: Step, part: Part) -> None:
    part.pending = step(part)


def _absorb_and_search(step: Step, answer: Evaluation, part: Part) -> None:
    rows = slice(part.row, part.row + part.pending)
    part.absorb(answer.policy[rows], answer.value[rows])
    part.pending = step(part)


def _batch(forest: Forest, parts: list[Part]) -> PositionBatch:
    """Return the leaves of a group, as a view where no slot between them is free."""
    size = math.isqrt(forest.legal.shape[1] - 1)
    if all(part.pending == part.slots for part in parts[:-1]):
        first = parts[0].first
        chosen: slice | NDArray[np.int64] = slice(first, parts[-1].first + parts[-1].pending)
    else:
        chosen = np.concatenate(
            [np.arange(part.first, part.first + part.pending) for part in parts]
        )
    return PositionBatch(
        size, forest.leaves[chosen], forest.legal[chosen], forest.leaf_snapshots[chosen]
    )


def _bounds(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """Cut first .. last - 1 into at most `count` ranges of about equal length, none empty."""
    cuts = np.linspace(first, last, min(count, last - first) + 1).astype(int).tolist()
    return list(pairwise(cuts))
