"""Forks: a new game begins inside a recent one, beside a move that was not played there."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from go_env.position import Position
from go_env.rules import Rules

_RECENT = 64  # games that forks are taken from


class ForkBook:
    """The newest games of one board size. Source: KataGo's forkGameProb."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._games: deque[list[int]] = deque(maxlen=_RECENT)

    def add(self, moves: NDArray[np.int16]) -> None:
        self._games.append([int(action) for action in moves])

    def draw(self, komi: float, choices: int, rng: np.random.Generator) -> list[Position]:
        """Return what a position in the first half of a game could have become by other moves.

        At most `choices` random ones, none of them a pass; none at all while there is no game.
        """
        if not self._games:
            return []
        moves = self._games[int(rng.integers(len(self._games)))]
        ply = int(rng.integers(len(moves) // 2 + 1))
        if ply >= len(moves):
            return []
        position = Position.from_moves(replace(self._rules, komi=komi), moves[:ply])
        others = np.flatnonzero(position.legal()[:-1])
        others = others[others != moves[ply]]
        chosen = rng.permutation(others)[:choices]
        return [position.play(int(action)) for action in chosen]
