"""The player that policy gradients made: its network's policy, played by `PolicyAgent`."""

from __future__ import annotations

from pathlib import Path

import torch

from agents.baseline_checkpoint import load_network
from agents.baseline_network import ActorCritic
from agents.policy_agent import PolicyAgent
from agents.q_agent import encoded
from go_env.batch import PositionBatch
from go_env.features import FeatureSet, feature_set
from go_env.layout import LEGAL
from mcts.evaluator import Evaluation


class ActorCriticEvaluator:
    """An ActorCritic as an Evaluator; without a critic (REINFORCE) its value is 0 throughout."""

    def __init__(self, network: ActorCritic, features: FeatureSet) -> None:
        self._network = network
        self._features = features

    @property
    def history(self) -> int:
        return self._features.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        planes = torch.from_numpy(encoded(batch, self._features))
        with torch.inference_mode():
            logits, values = self._network(planes)
            logits = logits.masked_fill(torch.from_numpy(batch.legal != LEGAL), -torch.inf)
            policy = torch.softmax(logits, dim=1)
        return Evaluation(policy.numpy(), values.numpy())


def pg_agent(path: Path, name: str, temperature: float = 0.0, seed: int = 0) -> PolicyAgent:
    """Return the player of a file; temperature 1 draws moves as in training, 0 takes the best."""
    network, _ = load_network(path, ActorCritic)
    features = feature_set(network.config.features, network.config.feature_version)
    return PolicyAgent(ActorCriticEvaluator(network, features), name, temperature, seed)
