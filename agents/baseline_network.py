"""The networks of the baselines: the AlphaZero network's trunk with the heads that theory asks for.

Letters: B batch, C input planes, N side, A = N*N + 1 actions (pass last). Everything is seen by the
player to move; one set of weights serves every board size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.network import (
    NetworkConfig,
    PolicyLogits,
    ResidualBlock,
    global_pool,
    init_relu,
    init_zero,
)


class ActionHead(nn.Module):
    """One number for each action, [B, A]; all of them 0 at the start."""

    def __init__(self, channels: int, head: int) -> None:
        super().__init__()
        self.points = nn.Conv2d(channels, head, 1)
        self.pooled = nn.Linear(3 * channels, head)
        self.actions = PolicyLogits(head)
        init_relu(self.points)
        init_relu(self.pooled)

    def forward(self, trunk: Tensor) -> Tensor:
        pooled = self.pooled(global_pool(trunk))
        points = functional.relu(self.points(trunk) + pooled[:, :, None, None])
        result: Tensor = self.actions(points, functional.relu(pooled))
        return result


class QNetwork(nn.Module):
    """Planes [B, C, N, N] in, expected outcomes Q [B, A] of all actions out, illegal ones too.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning": one output
    an action, so that one pass serves the maximum over all of them.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config)
        self.head = ActionHead(config.channels, config.head_channels)

    def forward(self, planes: Tensor) -> Tensor:
        result: Tensor = self.head(self.trunk(planes))
        return result


class ActorCritic(nn.Module):
    """Planes [B, C, N, N] in, policy logits [B, A] and values [B] in [-1, 1] out.

    Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning": both heads on
    one trunk. Where no critic is wanted its head is just not trained.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config)
        self.policy = ActionHead(config.channels, config.head_channels)
        self.hidden = nn.Linear(3 * config.channels, config.value_hidden)
        self.value = nn.Linear(config.value_hidden, 1)
        init_relu(self.hidden)
        init_zero(self.value)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.trunk(planes)
        hidden = functional.relu(self.hidden(global_pool(trunk)))
        return self.policy(trunk), torch.tanh(self.value(hidden)[:, 0])


def build_trunk(config: NetworkConfig) -> nn.Sequential:
    """Return the stem and the residual blocks of `agents.network`: planes to [B, K, N, N]."""
    stem = nn.Conv2d(config.planes, config.channels, 3, padding=1)
    init_relu(stem)
    blocks = [
        ResidualBlock(config.channels, config.pools(i), config.blocks) for i in range(config.blocks)
    ]
    return nn.Sequential(stem, *blocks, nn.ReLU())
