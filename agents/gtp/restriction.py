"""`avoid` and `allow` of analyses: moves that the search may not look at near its root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from mcts.evaluator import Evaluation, Evaluator


@dataclass(frozen=True)
class Ban:
    """Forbids actions to a color at fewer than `depth` plies below the root."""

    color: int
    actions: NDArray[np.bool_]  # [A]
    depth: int


class RestrictedEvaluator:
    """Takes the prior of forbidden actions away; a search then never visits them.

    Where nothing else is legal the prior is left as it is.
    """

    def __init__(self, evaluator: Evaluator, bans: Sequence[Ban], root_ply: int) -> None:
        self._evaluator = evaluator
        self._bans = bans
        self._root_ply = root_ply

    @property
    def history(self) -> int:
        return self._evaluator.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        answer = self._evaluator.evaluate(batch)
        policy = answer.policy.copy()
        depths = batch.boards["ply"] - self._root_ply
        for ban in self._bans:
            rows = (depths < ban.depth) & (batch.boards["to_play"] == ban.color)
            policy[np.ix_(rows, ban.actions)] = 0.0
        stuck = (policy * (batch.legal == 1)).sum(axis=1) <= 0
        policy[stuck] = answer.policy[stuck]
        return replace(answer, policy=policy)


def root_allowed(bans: Sequence[Ban], color: int, actions: int) -> NDArray[np.bool_]:
    """Return [A] bool: what may be reported at the root."""
    allowed = np.ones(actions, np.bool_)
    for ban in bans:
        if ban.color == color and ban.depth > 0:
            allowed &= ~ban.actions
    return allowed
