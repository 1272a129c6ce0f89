"""The player without search: it plays what the network's policy says at first sight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.base import Decision
from go_env.batch import PositionBatch
from go_env.coords import BLACK, EMPTY, WHITE, pass_action
from go_env.errors import HonteError
from go_env.layout import LEGAL
from go_env.position import Position
from mcts.evaluator import Evaluator


class PolicyAgent:
    """Plays the most probable legal action or, with a temperature, draws one.

    Two rules beyond the policy, because a bare policy neither finishes games nor stops in time: it
    passes when its opponent passed and the score on the board wins, and when all that is left is
    to play inside what is unconditionally alive already. It never draws a pass by chance.
    """

    def __init__(
        self, evaluator: Evaluator, name: str = "policy", temperature: float = 0.0, seed: int = 0
    ) -> None:
        if not temperature >= 0.0:
            raise HonteError(f"temperature {temperature} must not be negative")
        self.name = name
        self._evaluator = evaluator
        self._temperature = temperature
        self._rng = np.random.default_rng(seed)

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        """Return a decision for each position; sizes may be mixed."""
        by_size: dict[int, list[int]] = defaultdict(list)
        for i, position in enumerate(positions):
            by_size[position.size].append(i)
        decisions: dict[int, Decision] = {}
        for indices in by_size.values():
            batch = PositionBatch.of([positions[i] for i in indices], self._evaluator.history)
            evaluation = self._evaluator.evaluate(batch)
            for row, i in enumerate(indices):
                legal = batch.legal[row] == LEGAL
                policy = np.where(legal, evaluation.policy[row], 0.0).astype(np.float32)
                value = float(evaluation.value[row])
                decisions[i] = self._decide(positions[i], policy, legal, value)
        return [decisions[i] for i in range(len(positions))]

    def close(self) -> None:
        """Nothing to release."""

    def _decide(
        self,
        position: Position,
        policy: NDArray[np.float32],
        legal: NDArray[np.bool_],
        value: float,
    ) -> Decision:
        total = policy.sum()
        policy = policy / total if total > 0 else (legal / legal.sum()).astype(np.float32)
        useful = legal.copy()
        useful[:-1] &= ~_settled(position)
        action = pass_action(position.size)
        if useful[:-1].any() and not _passing_wins(position):
            action = self._pick(np.where(useful, policy, 0.0), useful)
        return Decision(action=action, value=value, policy=policy)

    def _pick(self, policy: NDArray[np.float32], useful: NDArray[np.bool_]) -> int:
        best = int(np.argmax(np.where(useful, policy, -1.0)))
        if self._temperature == 0.0 or best == len(policy) - 1:
            return best
        logits = np.log(np.maximum(policy[:-1], 1e-9)) / self._temperature
        logits[~useful[:-1]] = -np.inf
        return int(np.argmax(logits + self._rng.gumbel(size=len(logits))))


def _passing_wins(position: Position) -> bool:
    """Return whether a pass ends the game as a win by area."""
    if position.last_action != pass_action(position.size):
        return False
    lead = position.score()
    return lead > 0 if position.to_play == BLACK else lead < 0


def _settled(position: Position) -> NDArray[np.bool_]:
    """Return the empty points [N*N] that are unconditionally somebody's and count so already.

    Points beside dead stones do not count yet: under area scoring these must be captured.
    """
    owner = position.pass_alive()
    counted = np.array([EMPTY, BLACK, WHITE])[position.ownership()]  # -1 is the last
    empty = position.board.ravel() == EMPTY
    return np.asarray((owner != EMPTY) & (owner == counted) & empty)
