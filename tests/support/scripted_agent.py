"""Players for tests of matches: seeded random moves, a fixed script, or a constant misbehavior."""

from collections.abc import Callable, Sequence

import numpy as np

from agents.base import Decision
from go_env.position import Position


class RandomMover:
    """Plays uniformly among legal moves on the board; passes when none is left or after `plies`."""

    def __init__(self, name: str, seed: int = 0, plies: int = 40) -> None:
        self.name = name
        self.calls: list[int] = []
        self._seed = seed
        self._plies = plies

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        self.calls.append(len(positions))
        return [self._choose(position) for position in positions]

    def close(self) -> None:
        pass

    def _choose(self, position: Position) -> Decision:
        """Depend on the position alone, so that games do not depend on their neighbors."""
        rng = np.random.default_rng([self._seed, position.ply, position.hash % 2**32])
        actions = np.flatnonzero(position.legal()[:-1])
        if position.ply >= self._plies or not len(actions):
            return Decision(action=position.size**2)
        return Decision(action=int(rng.choice(actions)), value=0.25)


class Scripted:
    """Answers every position with the same function."""

    def __init__(self, name: str, decide: Callable[[Position], Decision]) -> None:
        self.name = name
        self._decide = decide

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        return [self._decide(position) for position in positions]

    def close(self) -> None:
        pass
