"""Players that learned values of actions: a table for tiny boards, a network for the others.

With a network the player is `PolicyAgent`, so that all networks without search are compared under
one and the same rule for ending games.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agents.base import Decision
from agents.baseline_checkpoint import holds_table, load_network, load_table
from agents.baseline_network import QNetwork
from agents.policy_agent import PolicyAgent
from agents.q_table import QTable
from agents.random_agent import RandomAgent
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import FeatureSet, encode, feature_set
from go_env.layout import LEGAL
from go_env.position import Position
from mcts.evaluator import Evaluation

POLICY_TEMPERATURE = 0.1
"""Of the softmax that shows Q values as a policy; the greedy move does not depend on it."""


class QEvaluator:
    """A QNetwork as an Evaluator: value = max Q over legal actions, policy = softmax(Q / 0.1)."""

    def __init__(self, network: QNetwork, features: FeatureSet) -> None:
        self._network = network
        self._features = features

    @property
    def history(self) -> int:
        return self._features.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        planes = encoded(batch, self._features)
        with torch.inference_mode():
            q = self._network(torch.from_numpy(planes)).numpy()
        q = np.where(batch.legal == LEGAL, q, -np.inf)
        best = q.max(axis=1, keepdims=True)
        weights = np.exp((q - best) / POLICY_TEMPERATURE)
        policy = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return Evaluation(policy, np.clip(best[:, 0], -1.0, 1.0))


class TableAgent:
    """Plays the best action of a table; a random one where the table knows nothing."""

    def __init__(self, table: QTable, name: str = "q", seed: int = 0) -> None:
        self.name = name
        self._table = table
        self._random = RandomAgent(seed)

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        return [self._choose(position) for position in positions]

    def close(self) -> None:
        """Nothing to release."""

    def _choose(self, position: Position) -> Decision:
        values = self._table.look_up(position)
        if values is None:
            return self._random.choose([position])[0]
        legal = np.where(position.legal(), values, -np.inf)
        action = int(np.argmax(legal))
        return Decision(action, value=float(legal[action]))


def q_agent(
    path: Path, name: str, temperature: float = 0.0, seed: int = 0
) -> PolicyAgent | TableAgent:
    """Return the player of a file, whatever kind of Q function it holds."""
    if holds_table(path):
        if temperature:
            raise HonteError(f"player {name!r}: a table plays its best move and has no temperature")
        return TableAgent(load_table(path), name, seed)
    network, _ = load_network(path, QNetwork)
    features = feature_set(network.config.features, network.config.feature_version)
    return PolicyAgent(QEvaluator(network, features), name, temperature, seed)


def encoded(batch: PositionBatch, features: FeatureSet) -> NDArray[np.float32]:
    """Return the planes [B, C, N, N] of a batch."""
    planes = np.empty((len(batch), features.num_planes, batch.size, batch.size), np.float32)
    encode(batch, features, planes)
    return planes
