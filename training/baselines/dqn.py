"""Deep Q-learning in self-play: rounds of plies in, a Q network out."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from agents.baseline_network import QNetwork
from agents.q_agent import QEvaluator
from training.baselines.collectors import Plies, QCollector, QTask, Tally, go_games, unload
from training.baselines.config import QRunConfig
from training.baselines.learner import NetworkLearner, collector_seed, merged, part_of
from training.baselines.ply_replay import PlyReplay, Transitions
from training.losses import q_loss, q_targets


class DqnLearner(NetworkLearner[QNetwork]):
    """One Q network in training; see `training.losses.q_targets` for what it learns.

    Differences from Mnih et al. 2015: both sides are played by one network and values change their
    sign from ply to ply; rewards are outcomes, so that targets are clamped to [-1, 1] instead of
    rewards; AdamW; n-step returns; each sample is seen under one of the board's symmetries. The
    replay is not saved: a resumed run fills it anew before it learns on.
    """

    overlaps = True

    def __init__(self, config: QRunConfig) -> None:
        settings = config.dqn
        super().__init__(config, QNetwork, QEvaluator, settings.optimization)
        self.config = config
        self._settings = settings
        self._target = copy.deepcopy(self.network).eval()
        carry = -settings.discount if settings.two_player else settings.discount
        self.replay = PlyReplay(settings.capacity, carry, settings.steps, settings.symmetries)
        self._owed = 0.0  # samples that plies have paid for and no step has used

    @staticmethod
    def collector(config: QRunConfig, index: int, start: int, count: int) -> QCollector:
        env = go_games(config.rules, config.network.features, config.dqn.games)
        seed = collector_seed(config.seed, index, start)
        return QCollector(env, config.network, config.dqn.mask, seed)

    def tasks(self, count: int, progress: float) -> Sequence[QTask]:
        epsilon = self.config.exploration.epsilon(progress)
        weights = unload(self.network)
        return [QTask(weights, epsilon, self._settings.plies)] * count

    def absorb(self, results: Sequence[Plies], progress: float) -> tuple[Tally, dict[str, float]]:
        """Put plies into the replay and make the steps that they pay for."""
        if not self._settings.replay:
            self.replay.clear()
        for plies in results:
            self.replay.add(plies)
            self.evaluations += plies.actions.size
            self._owed += plies.actions.size * self._settings.reuse
        tally = merged([plies.tally for plies in results])
        told: dict[str, float] = {"epsilon": self.config.exploration.epsilon(progress)}
        if self._settings.replay and len(self.replay) < self._settings.first_plies:
            self._owed = 0.0
            return tally, told
        sums: dict[str, float] = defaultdict(float)
        steps = int(self._owed // self._settings.batch)
        for _ in range(steps):
            batch = self.replay.sample(self._settings.batch, self._rng)
            for name, value in self.step(batch, progress).items():
                sums[name] += value / steps
        self._owed -= steps * self._settings.batch
        return tally, {**told, **sums}

    def step(self, batch: Transitions, progress: float) -> dict[str, float]:
        """Make one optimizer step."""
        self._stepper.begin(progress)
        planes, next_planes = self._tensor(batch.planes), self._tensor(batch.next_planes)
        targets = self._targets(batch, next_planes)
        self.network.train()
        q = self.network(planes)
        loss = q_loss(q, self._tensor(batch.actions), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = self._stepper.finish()
        self.steps += 1
        self.samples += len(batch.actions)
        if self.steps % self._settings.target_every == 0:
            self._target.load_state_dict(self.network.state_dict())
        return {
            "loss": float(loss.detach()),
            "value_loss": float(loss.detach()),
            "mean_q": float(q.detach().max(dim=1).values.mean()),
            "grad_norm": norm,
            "learning_rate": self._stepper.rate,
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, values = super().state()
        return tensors | {f"target.{k}": v for k, v in self._target.state_dict().items()}, values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        super().restore(tensors, values)
        self._target.load_state_dict(part_of(tensors, "target"))

    @torch.no_grad()
    def _targets(self, batch: Transitions, next_planes: Tensor) -> Tensor:
        online: Tensor | None = None
        if self._settings.target_network:
            target: Tensor = self._target(next_planes)
            online = self.network(next_planes) if self._settings.double else None
        else:  # one network both chooses and judges: Double DQN has nothing to tell apart
            target = self.network(next_planes)
        return q_targets(
            self._tensor(batch.returns),
            self._tensor(batch.discounts),
            self._tensor(batch.next_legal),
            target,
            online,
        )
