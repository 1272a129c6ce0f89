"""The residual policy-value network: one set of weights for every board size.

Letters: B batch, C input planes, K channels, N side, A = N*N + 1 actions (pass last).
A batch holds one board size; planes have the board's own side and every convolution pads with
zeros, so no masks are needed. Everything is seen by the player to move.

The only batch normalization stands at the end of the trunk (KataGo's "one norm"); the residual
branches start at zero instead, so that the network starts as its stem plus its heads. Measured on
real self-play positions, 6x64, 400 steps: policy loss 2.17 with that one, 2.33 with none.
Source: Zhang et al. 2019, "Fixup Initialization"; De and Smith 2020, "Batch Normalization Biases
Residual Blocks Towards the Identity Function" (SkipInit); He et al. 2016 (pre-activation).
Global pooling, the heads and their targets: Wu 2019, "Accelerating Self-Play Learning in Go"
(KataGo), sections 3.3 and 4.1, and KataGo's docs/KataGoMethods.md (soft policy, short-term value).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from go_env.errors import HonteError

SCORE_UNIT = 10.0
"""Points per unit of the score head, so that its error is of the size of the other heads'."""

_MOST_BLOCKS, _MOST = 1_000, 10_000  # of all other sizes: what a damaged file may not ask for
NORM_MOMENTUM, NORM_EPSILON = 0.02, 1e-4

POOL_CENTER, POOL_SPAN = 14.0, 10.0
"""Global pooling sees mean * (N - 14) / 10. Source: KataGo paper, appendix A."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a network: all that is needed to rebuild it for a set of weights."""

    blocks: int = 6
    channels: int = 64
    features: str = "lean"  # name of the feature set that feeds it
    feature_version: int = 1
    planes: int = 15  # C, the length of that feature set
    pool_every: int = 3  # blocks 2, 5, 8, .. pool globally (KataGo b6: 2 of 6); 0: no point does
    head_channels: int = 32  # KataGo b6c96: 32
    value_hidden: int = 64  # KataGo b6c96: 48, b10c128: 64

    def __post_init__(self) -> None:
        if not isinstance(self.features, str):
            raise HonteError(f"network features must be a name, not {self.features!r}")
        for name, value in asdict(self).items():
            if name == "features":
                continue
            least, most = int(name != "pool_every"), _MOST_BLOCKS if name == "blocks" else _MOST
            if type(value) is not int or not least <= value <= most:
                bounds = f"an integer from {least} to {most}"
                raise HonteError(f"network {name} must be {bounds}, not {value!r}")

    @classmethod
    def sized(
        cls, blocks: int, channels: int, features: str, feature_version: int, planes: int
    ) -> NetworkConfig:
        """Return the usual proportions for a trunk of this size."""
        return cls(
            blocks=blocks,
            channels=channels,
            features=features,
            feature_version=feature_version,
            planes=planes,
            head_channels=min(32, channels),
            value_hidden=min(64, 2 * channels),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Return the config that `to_dict` described; missing and unknown keys are errors."""
        names = {field.name for field in fields(cls)}
        if names != set(values):
            odd = ", ".join(sorted(names ^ set(values)))
            raise HonteError(f"network config has missing or unknown keys: {odd}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def pools(self, block: int) -> bool:
        """Return whether this block (from 0) is a pooling one."""
        return self.pool_every > 0 and block % self.pool_every == min(1, self.pool_every - 1)

    def __str__(self) -> str:
        return f"{self.blocks}x{self.channels}"


class NetworkOutput(NamedTuple):
    """Raw float32 outputs, all for the player to move."""

    policy: Tensor  # [B, A] logits
    soft_policy: Tensor  # [B, A] logits of the softened policy target (T = 4); training only
    value: Tensor  # [B, 3] logits of win, draw, loss
    short_term_value: Tensor  # [B] before tanh: the value some moves later; training only
    score: Tensor  # [B] final score in units of SCORE_UNIT points, positive = mover ahead
    ownership: Tensor  # [B, N*N] before tanh: +1 mover's, -1 opponent's


def new_network(config: NetworkConfig, seed: int) -> Network:
    """Return an untrained network whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config)


def value_from_logits(logits: Tensor) -> Tensor:
    """Return p(win) - p(loss) [B] in [-1, 1] from value logits [B, 3]."""
    probabilities = torch.softmax(logits, dim=-1)
    return probabilities[:, 0] - probabilities[:, 2]


def global_pool(x: Tensor) -> Tensor:
    """Return mean, mean scaled by the board's side and maximum per channel, [B, 3K].

    By the pooling layers: training steps are a tenth faster than with `mean` and `amax`, whose
    gradients spread over ties and leave the memory format (measured on a CPU, 6x64, batch 256).
    """
    side = x.shape[-1]
    mean = functional.avg_pool2d(x, side).flatten(1)
    highest = functional.max_pool2d(x, side).flatten(1)
    return torch.cat([mean, mean * ((side - POOL_CENTER) / POOL_SPAN), highest], dim=1)


class ResidualBlock(nn.Module):
    """x + conv2(relu(conv1(relu(x)))), with conv2 zero at the start.

    A pooling block adds a bias per channel after conv1, computed from conv1's output pooled over
    the whole board. KataGo sets channels aside for that and cuts them off; here all of them are
    pooled and all go on, which is as cheap and needs no copy.
    """

    def __init__(self, channels: int, pools: bool, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.pool: nn.Linear | None = nn.Linear(3 * channels, channels) if pools else None
        # Fixup: all but the last layer of a branch of m = 2 layers by depth ** (-1 / (2m - 2)).
        init_relu(self.conv1, gain=depth**-0.5)
        init_zero(self.conv2)
        if self.pool is not None:
            init_relu(self.pool, gain=depth**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(functional.relu(x))
        if self.pool is not None:
            y = y + self.pool(global_pool(functional.relu(y)))[:, :, None, None]
        result: Tensor = x + self.conv2(functional.relu(y))
        return result


class TrunkNorm(nn.Module):
    """Batch normalization without a step counter, so that all its state is float32 tensors.

    Training batches of one board size are normalized by their own statistics; what plays uses their
    running mean over all sizes. Source: Ioffe and Szegedy 2015.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias, self.training, NORM_MOMENTUM,
            NORM_EPSILON,
        )  # fmt: skip


class PolicyLogits(nn.Module):
    """A 1x1 convolution for the points, a linear layer for the pass: [B, A] logits."""

    def __init__(self, head: int) -> None:
        super().__init__()
        self.points = nn.Conv2d(head, 1, 1)
        self.passing = nn.Linear(head, 1)
        init_zero(self.points)
        init_zero(self.passing)

    def forward(self, points: Tensor, passing: Tensor) -> Tensor:
        return torch.cat([self.points(points).flatten(1), self.passing(passing)], dim=1).float()


class PolicyHead(nn.Module):
    """Point features with a pooled bias (if it `pools`) and pass features, for two policies."""

    def __init__(self, channels: int, head: int, pools: bool) -> None:
        super().__init__()
        self.points = nn.Conv2d(channels, head, 1)
        self.pooled = nn.Conv2d(channels, head, 1)
        self.bias: nn.Linear | None = nn.Linear(3 * head, head) if pools else None
        self.passing = nn.Linear(3 * head, head)
        for layer in (self.points, self.pooled, self.bias, self.passing):
            if layer is not None:
                init_relu(layer)
        self.policy = PolicyLogits(head)
        self.soft_policy = PolicyLogits(head)

    def features(self, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """Return point features [B, head, N, N] and pass features [B, head]."""
        pooled = global_pool(functional.relu(self.pooled(trunk)))
        points: Tensor = self.points(trunk)
        if self.bias is not None:
            points = points + self.bias(pooled)[:, :, None, None]
        return functional.relu(points), functional.relu(self.passing(pooled))


class ValueHead(nn.Module):
    """Value, short-term value and score from pooled features; ownership from the points."""

    def __init__(self, channels: int, head: int, hidden: int) -> None:
        super().__init__()
        self.points = nn.Conv2d(channels, head, 1)
        self.hidden = nn.Linear(3 * head, hidden)
        self.value = nn.Linear(hidden, 3)
        self.short_term_value = nn.Linear(hidden, 1)
        self.score = nn.Linear(hidden, 1)
        self.ownership = nn.Conv2d(head, 1, 1)
        init_relu(self.points)
        init_relu(self.hidden)
        for layer in (self.value, self.short_term_value, self.score, self.ownership):
            init_zero(layer)

    def features(self, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """Return point features [B, head, N, N] and global features [B, hidden]."""
        points = functional.relu(self.points(trunk))
        return points, functional.relu(self.hidden(global_pool(points)))


class Network(nn.Module):
    """Planes [B, C, N, N] float32 in, a NetworkOutput out; starts uniform with value 0."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(config.planes, config.channels, 3, padding=1)
        init_relu(self.stem)
        self.blocks = nn.ModuleList(
            ResidualBlock(config.channels, config.pools(i), config.blocks)
            for i in range(config.blocks)
        )
        self.norm = TrunkNorm(config.channels)
        self.policy_head = PolicyHead(
            config.channels, config.head_channels, pools=config.pool_every > 0
        )
        self.value_head = ValueHead(config.channels, config.head_channels, config.value_hidden)

    def trunk(self, planes: Tensor) -> Tensor:
        """Return the features that the heads share, [B, K, N, N]."""
        x = self.stem(planes)
        for block in self.blocks:
            x = block(x)
        return functional.relu(self.norm(x))

    def forward(self, planes: Tensor) -> NetworkOutput:
        trunk = self.trunk(planes)
        policy_features = self.policy_head.features(trunk)
        points, pooled = self.value_head.features(trunk)
        head = self.value_head
        return NetworkOutput(
            policy=self.policy_head.policy(*policy_features),
            soft_policy=self.policy_head.soft_policy(*policy_features),
            value=head.value(pooled).float(),
            short_term_value=head.short_term_value(pooled).float()[:, 0],
            score=head.score(pooled).float()[:, 0],
            ownership=head.ownership(points).float().flatten(1),
        )

    def forward_policy_value(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return policy logits [B, A] and value logits [B, 3] only: what the search needs."""
        trunk = self.trunk(planes)
        policy: Tensor = self.policy_head.policy(*self.policy_head.features(trunk))
        value: Tensor = self.value_head.value(self.value_head.features(trunk)[1])
        return policy, value.float()


def init_relu(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    """Draw weights that keep the variance of a rectified input times gain**2 (He et al. 2015)."""
    fan_in = layer.weight[0].numel()
    if not layer.weight.is_meta:  # else nothing is drawn, but torch would load its compiler: 1 s
        nn.init.normal_(layer.weight, std=gain * math.sqrt(2.0 / fan_in))
    _zero_bias(layer)


def init_zero(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    _zero_bias(layer)


def _zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
