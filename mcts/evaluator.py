"""The seam between search and judgement: a batch of positions in, policy and value out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.errors import HonteError
from mcts.selection import mix_scores


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator thinks of B positions, each for its player to move.

    policy: float32 [B, A], not negative; the search masks illegal actions and renormalizes.
    value: float32 [B] in [-1, 1], never NaN. score: float32 [B], expected final lead in points
    (mover minus the other, komi included). ownership: float32 [B, N*N] in [-1, 1], +1 the mover's.
    The arrays belong to the caller: a later call leaves them alone.
    """

    policy: NDArray[np.float32]
    value: NDArray[np.float32]
    score: NDArray[np.float32] | None = None
    ownership: NDArray[np.float32] | None = None


class Evaluator(Protocol):
    """Anything that judges positions.

    Row i of the answer depends on position i only. `RolloutEvaluator` keeps this on average: its
    playouts are drawn from one generator for the batch, so that each answer varies with the rest.
    """

    @property
    def history(self) -> int:
        """How many snapshots of the board (H) its batches must carry."""
        ...

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        """Judge a batch of at least one position, all of one board size."""
        ...


class UniformEvaluator:
    """Every action is as good as any other and every position is even."""

    history = 0

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        shape = batch.legal.shape
        return Evaluation(np.ones(shape, np.float32), np.zeros(shape[0], np.float32))


class ScoredEvaluator:
    """Another evaluator's judgement, its values mixed with a share of the expected score."""

    def __init__(self, evaluator: Evaluator, weight: float) -> None:
        self._evaluator = evaluator
        self._weight = weight

    @property
    def history(self) -> int:
        return self._evaluator.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        answer = self._evaluator.evaluate(batch)
        if answer.score is None or answer.score.shape != answer.value.shape:
            raise HonteError("search.score_weight needs an evaluator that tells scores, [B]")
        mixed = np.empty_like(answer.value)
        mix_scores(answer.value, answer.score, float(batch.size), self._weight, mixed)
        return replace(answer, value=mixed)
