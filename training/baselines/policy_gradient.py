"""Policy gradients in self-play: whole games in, a policy (and a critic) out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.baseline_network import ActorCritic
from agents.pg_agent import ActorCriticEvaluator
from training.baselines.collectors import (
    Bools,
    Floats,
    Games,
    PolicyCollector,
    PolicyTask,
    Tally,
    Weights,
    go_games,
    unload,
)
from training.baselines.config import PolicyGradientRunConfig
from training.baselines.learner import NetworkLearner, collector_seed, merged, part_of
from training.baselines.returns import generalized_advantages
from training.losses import (
    clipped_policy_loss,
    critic_loss,
    masked_policy,
    policy_gradient_loss,
)

_PIECE = 4096  # plies whose gradient is taken at once; an update adds up as many pieces as it needs


@dataclass(frozen=True)
class Judged:
    """The M plies of one iteration as the losses want them, all in the view of the mover.

    planes: float32 [M, C, N, N]; legal: bool [M, A]; actions: int64 [M]; own: bool [M], whose
    policy is learned (the critic learns from all); advantages, returns, old_log_probs: [M].
    """

    planes: Floats
    legal: Bools
    actions: NDArray[np.int64]
    own: Bools
    advantages: Floats
    returns: Floats
    old_log_probs: Floats


class PolicyGradientLearner(NetworkLearner[ActorCritic]):
    """One actor-critic network in training, and the pool of what it was before.

    Differences from the sources: games are played to their end, so that nothing is bootstrapped at
    a cut; values change their sign from ply to ply; the critic also learns from the plies of
    opponents, which it needs to tell how good the learner's own plies before them were.
    """

    overlaps = False  # gradients are those of the policy that played

    def __init__(self, config: PolicyGradientRunConfig) -> None:
        super().__init__(
            config, ActorCritic, ActorCriticEvaluator, config.policy_gradient.optimization
        )
        self.config = config
        self._settings = config.policy_gradient
        self.pool: list[Weights] = []
        self.iterations = 0

    @property
    def uses_critic(self) -> bool:
        return self._settings.method != "reinforce" or self._settings.baseline == "value"

    @staticmethod
    def collector(
        config: PolicyGradientRunConfig, index: int, start: int, count: int
    ) -> PolicyCollector:
        settings = config.policy_gradient
        env = go_games(config.rules, config.network.features, max(2, -(-settings.games // count)))
        seed = collector_seed(config.seed, index, start)
        return PolicyCollector(env, config.network, settings.symmetries, seed)

    def tasks(self, count: int, progress: float) -> Sequence[PolicyTask]:
        """Return one task for all: against one randomly drawn member of the pool, or itself."""
        weights = unload(self.network)
        if self._settings.opponents == "self":
            return [PolicyTask(weights, None)] * count
        if not self.pool or self.iterations % self._settings.snapshot_every == 0:
            self.pool = [*self.pool, weights][-self._settings.pool_size :]
        opponent = self.pool[int(self._rng.integers(len(self.pool)))]
        return [PolicyTask(weights, opponent)] * count

    def absorb(self, results: Sequence[Games], progress: float) -> tuple[Tally, dict[str, float]]:
        """Judge the plies of all games and learn from them once (PPO: a few times)."""
        parts = [self._judge(games) for games in results]
        plies = Judged(
            *(np.concatenate(arrays) for arrays in zip(*map(_fields, parts), strict=True))
        )
        if self._settings.normalize:
            own = plies.advantages[plies.own]
            plies.advantages[:] = (plies.advantages - own.mean()) / (own.std() + 1e-8)
        told: dict[str, float] = {}
        updates = self._updates(len(plies.actions))
        for rows in updates:
            for name, value in self._update(plies, rows, progress).items():
                told[name] = told.get(name, 0.0) + value / len(updates)
        self.iterations += 1
        self.samples += len(plies.actions)
        self.evaluations += len(plies.actions)
        tally = merged([games.tally for games in results])
        return tally, {**told, "learning_rate": self._stepper.rate, "pool": float(len(self.pool))}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, values = super().state()
        for index, weights in enumerate(self.pool):
            tensors |= {f"pool{index}.{k}": torch.from_numpy(v) for k, v in weights.items()}
        return tensors, {**values, "iterations": self.iterations, "pool": len(self.pool)}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        super().restore(tensors, values)
        self.pool = [
            {k: v.numpy() for k, v in part_of(tensors, f"pool{index}").items()}
            for index in range(values["pool"])
        ]
        self.iterations = values["iterations"]

    def _judge(self, games: Games) -> Judged:
        """Tell how much better each ply was than expected."""
        planes, legal, actions = games.planes.astype(np.float32), games.legal, games.actions
        log_probs, flat_values = self._look(planes, legal, actions)
        values = np.zeros_like(games.rewards)
        if self.uses_critic:
            values[games.active] = flat_values
        trace = 1.0 if self._settings.method == "reinforce" else self._settings.trace
        advantages, returns = generalized_advantages(
            games.rewards, values, games.active, self._settings.discount, trace
        )
        judged = advantages[games.active]
        if self._settings.method == "reinforce" and self._settings.baseline == "mean":
            judged = judged - _color_means(games)[games.active]
        return Judged(planes, legal, actions, games.own, judged, returns[games.active], log_probs)

    @torch.no_grad()
    def _look(
        self, planes: Floats, legal: Bools, actions: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Return log pi(a|s) and V(s) of the network that played, [M] each."""
        self.network.eval()
        log_probs, values = [], []
        for start in range(0, len(actions), _PIECE):
            piece = slice(start, start + _PIECE)
            logits, value = self.network(self._tensor(planes[piece]))
            log_prob, _ = masked_policy(
                logits, self._tensor(legal[piece]), self._tensor(actions[piece])
            )
            log_probs.append(log_prob.cpu().numpy())
            values.append(value.cpu().numpy())
        return np.concatenate(log_probs), np.concatenate(values)

    def _updates(self, count: int) -> list[NDArray[np.int64]]:
        """Return the rows of each optimizer step: all at once, or PPO's shuffled minibatches."""
        if self._settings.method != "ppo":
            return [np.arange(count)]
        pieces = max(1, round(count / self._settings.minibatch))
        return [
            rows
            for _ in range(self._settings.epochs)
            for rows in np.array_split(self._rng.permutation(count), pieces)
        ]

    def _update(self, plies: Judged, rows: NDArray[np.int64], progress: float) -> dict[str, float]:
        """Make one optimizer step; its gradient may come in pieces."""
        self._stepper.begin(progress)
        self.network.train()
        own_count = max(int(plies.own[rows].sum()), 1)
        told: dict[str, float] = {}
        for start in range(0, len(rows), _PIECE):
            piece = rows[start : start + _PIECE]
            shares = (float(plies.own[piece].sum()) / own_count, len(piece) / len(rows))
            terms = self._losses(plies, piece)
            weights = {
                "policy_loss": shares[0],
                "entropy": -self._settings.entropy * shares[0],
                "value_loss": self._settings.value_weight * shares[1] * self.uses_critic,
            }
            loss = torch.stack([terms[k] * weight for k, weight in weights.items()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            scale = {"policy_loss": shares[0], "entropy": shares[0], "value_loss": shares[1]}
            told["loss"] = told.get("loss", 0.0) + float(loss.detach())
            for name, share in scale.items():
                told[name] = told.get(name, 0.0) + float(terms[name].detach()) * share
        told["policy_entropy"] = told.pop("entropy")
        told["grad_norm"] = self._stepper.finish()
        self.steps += 1
        return told

    def _losses(self, plies: Judged, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return policy loss and entropy (of the learner's own plies) and critic loss, as means."""
        logits, values = self.network(self._tensor(plies.planes[rows]))
        value_loss = critic_loss(values, self._tensor(plies.returns[rows]))
        if not plies.own[rows].any():  # all are the opponent's: a mean of nothing is not a number
            nothing = torch.zeros_like(value_loss)
            return {"policy_loss": nothing, "entropy": nothing, "value_loss": value_loss}
        own = self._tensor(plies.own[rows])
        legal, actions = self._tensor(plies.legal[rows]), self._tensor(plies.actions[rows])
        log_probs, entropy = masked_policy(logits[own], legal[own], actions[own])
        advantages = self._tensor(plies.advantages[rows])[own]
        if self._settings.method == "ppo":
            old = self._tensor(plies.old_log_probs[rows])[own]
            policy_loss = clipped_policy_loss(log_probs, old, advantages, self._settings.clip)
        else:
            policy_loss = policy_gradient_loss(log_probs, advantages)
        return {"policy_loss": policy_loss, "entropy": entropy.mean(), "value_loss": value_loss}


def _fields(plies: Judged) -> list[np.ndarray]:
    return list(vars(plies).values())


def _color_means(games: Games) -> Floats:
    """Return the mean outcome of the games for the mover of each ply, [T, 1] broadcast to [T, B].

    It is a baseline that depends on the color only: White's mean is minus Black's.
    """
    black = (2 * games.tally.black_wins + games.tally.draws) / games.tally.games - 1.0
    signs = np.where(np.arange(len(games.active)) % 2 == 0, 1.0, -1.0).astype(np.float32)
    return np.broadcast_to(np.float32(black) * signs[:, None], games.active.shape)
