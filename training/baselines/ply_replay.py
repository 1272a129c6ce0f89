"""The replay of deep Q-learning: a ring of rounds, each a block of plies that n-step returns span.

Letters: K rounds, T plies, B games, n samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env.symmetry import NUM_SYMMETRIES
from training.baselines.collectors import Plies
from training.baselines.returns import n_step
from training.baselines.views import turn_actions, turn_masks, turn_planes


@dataclass(frozen=True)
class Transitions:
    """n samples: what was seen, done and gained, and what was to be seen n-step plies later.

    planes, next_planes: float32 [n, C, N, N]; actions: int64 [n]; returns, discounts: float32 [n]
    (`training.baselines.returns.n_step`); next_legal: bool [n, A].
    """

    planes: NDArray[np.float32]
    actions: NDArray[np.int64]
    returns: NDArray[np.float32]
    discounts: NDArray[np.float32]
    next_planes: NDArray[np.float32]
    next_legal: NDArray[np.bool_]


class PlyReplay:
    """The newest rounds, drawn from uniformly with replacement."""

    def __init__(self, capacity: int, carry: float, steps: int, symmetries: bool) -> None:
        self._capacity = capacity
        self._carry = carry
        self._steps = steps
        self._symmetries = symmetries
        self._rounds: list[Plies] = []
        self._told: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]] = []
        self._next = 0

    def __len__(self) -> int:
        """Return the number of plies."""
        return sum(plies.actions.size for plies in self._rounds)

    def clear(self) -> None:
        self._rounds.clear()
        self._told.clear()
        self._next = 0

    def add(self, plies: Plies) -> None:
        """Take in a round; where the capacity is used up it takes the oldest one's place."""
        told = n_step(plies.rewards, plies.over, self._carry, self._steps)
        if len(self) + plies.actions.size <= self._capacity or not self._rounds:
            self._rounds.append(plies)
            self._told.append(told)
            return
        self._rounds[self._next], self._told[self._next] = plies, told
        self._next = (self._next + 1) % len(self._rounds)

    def sample(self, count: int, rng: np.random.Generator) -> Transitions:
        """Draw transitions; with symmetries each is seen under one of the eight views."""
        first = self._rounds[0]
        plies, games = first.actions.shape
        where = rng.integers(len(self._rounds), size=count)
        t, b = rng.integers(plies, size=count), rng.integers(games, size=count)
        _, _, channels, side, _ = first.planes.shape
        planes = np.empty((count, channels, side, side), np.float32)
        next_planes = np.empty_like(planes)
        next_legal = np.empty((count, first.legal.shape[2]), np.bool_)
        actions = np.empty(count, np.int64)
        returns, discounts = np.empty(count, np.float32), np.empty(count, np.float32)
        for k in np.unique(where):
            rows = np.flatnonzero(where == k)
            at, lane = t[rows], b[rows]
            stored, (gain, discount, following) = self._rounds[k], self._told[k]
            planes[rows] = stored.planes[at, lane]
            actions[rows] = stored.actions[at, lane]
            returns[rows], discounts[rows] = gain[at, lane], discount[at, lane]
            next_planes[rows] = stored.planes[following[at], lane]
            next_legal[rows] = stored.legal[following[at], lane]
        sample = Transitions(planes, actions, returns, discounts, next_planes, next_legal)
        return _turned(sample, rng) if self._symmetries else sample


def _turned(sample: Transitions, rng: np.random.Generator) -> Transitions:
    side = sample.planes.shape[2]
    symmetries = rng.integers(NUM_SYMMETRIES, size=len(sample.actions))
    return Transitions(
        turn_planes(sample.planes, symmetries),
        turn_actions(sample.actions, symmetries, side),
        sample.returns,
        sample.discounts,
        turn_planes(sample.next_planes, symmetries),
        turn_masks(sample.next_legal, symmetries, side),
    )
