"""The weakest anchor of every rating: uniformly random moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.base import Decision
from go_env.playout import random_action, random_states
from go_env.position import Position


class RandomAgent:
    """Plays uniformly among the legal moves that fill no own eye, and passes when none is left."""

    def __init__(self, seed: int = 0, name: str = "random") -> None:
        self.name = name
        self._states = random_states(np.random.default_rng(seed), 1)

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        return [Decision(self._draw(position)) for position in positions]

    def close(self) -> None:
        """Nothing to release."""

    def _draw(self, position: Position) -> int:
        return int(draw_action(position, self._states))


def draw_action(position: Position, states: np.ndarray) -> int:
    """Return a random sensible action; `states` are kernel generator states, the first is used."""
    record = position.record.copy()  # drawing reorders the list of empty points
    return int(_draw_one(record, position.history, states))


def _draw_one(record: np.ndarray, history: np.ndarray, states: np.ndarray) -> int:
    return int(random_action(record[0], history, 0, states, 0, True))
