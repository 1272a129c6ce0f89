"""Judgement by random playouts: the classic Monte Carlo evaluator (Brügmann 1993)."""

from __future__ import annotations

import numpy as np

from go_env.batch import PositionBatch
from go_env.board import record_all
from go_env.coords import BLACK
from go_env.playout import play_out_all, random_states
from mcts.evaluator import Evaluation

_NO_SNAPSHOTS = np.zeros((1, 0, 0), np.int8)


class RolloutEvaluator:
    """Uniform policy; the value is the mean result of random playouts that keep their eyes.

    Playouts use simple knowledge of the present board only: the game's history is not known here,
    so superko applies from the position on. They end after 2 * N * N moves at the latest.
    """

    history = 0

    def __init__(self, seed: int = 0, rollouts: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self._rollouts = rollouts

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        count, points = len(batch), batch.size * batch.size
        roots = batch.boards.copy()
        roots["length"] = roots["fresh_length"] = 0
        scratch = roots.copy()
        hashes = np.zeros((count, 2 * points + 2), np.uint64)
        record_all(roots, hashes, _NO_SNAPSHOTS)
        owner, score = np.zeros((count, points), np.int8), np.zeros(count, np.float32)
        value, ownership = np.zeros(count, np.float32), np.zeros((count, points), np.float32)
        lead = np.zeros(count, np.float32)
        for _ in range(self._rollouts):
            states = random_states(self._rng, count)
            play_out_all(
                roots, scratch, hashes, _NO_SNAPSHOTS, states, True, 2 * points, owner, score
            )
            value += np.sign(score)
            lead += score
            ownership += owner
        sign = np.full(count, 1 / self._rollouts, np.float32)
        sign[roots["to_play"] != BLACK] *= -1
        policy = np.ones((count, points + 1), np.float32)
        policy[:, points] = 1e-3  # a pass is the last thing to try
        return Evaluation(policy, value * sign, lead * sign, ownership * sign[:, None])
