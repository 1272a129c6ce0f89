"""Losses, side by side, each with its source. Letters as in `agents.network`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from agents.network import SCORE_UNIT, NetworkOutput
from go_env.errors import HonteError

SOFT_TEMPERATURE = 4.0  # KataGo's docs/KataGoMethods.md, auxiliary soft policy target


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; 0 switches it off. KataGo's values in the comments."""

    policy: float = 1.0  # 1
    soft_policy: float = 1.0  # 8, for a target of small gradients
    value: float = 1.0  # 0.72 on the final outcome
    short_term_value: float = 0.5  # 0.72
    ownership: float = 1.0  # 1.5
    score: float = 0.5  # small; in units of 10 points

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise HonteError("loss weights must not be negative")


@dataclass(frozen=True)
class Targets:
    """What B training positions should be answered with; views of the player to move."""

    policy: Tensor  # [B, A], sums to 1
    value: Tensor  # [B] final outcome: +1, 0, -1
    short_term_value: Tensor  # [B] in [-1, 1]: mean of the values of the next moves
    score: Tensor  # [B] points
    ownership: Tensor  # [B, N*N] +1, 0, -1


def alphazero_losses(output: NetworkOutput, targets: Targets) -> dict[str, Tensor]:
    """Return each term of the AlphaZero loss with KataGo's auxiliary targets, unweighted, as means.

    Source: Silver et al. 2017, equation 1 (policy and value; here win, draw and loss by
    cross-entropy); Wu 2019, section 4 (ownership, score); KataGoMethods.md (the rest).
    """
    soft = targets.policy.clamp_min(0) ** (1 / SOFT_TEMPERATURE)
    soft = soft / soft.sum(dim=1, keepdim=True).clamp_min(1e-9)
    outcome = (1 - targets.value).round().long()  # 0 win, 1 draw, 2 loss
    owned = (targets.ownership + 1) / 2
    short = torch.tanh(output.short_term_value)
    return {
        "policy": functional.cross_entropy(output.policy, targets.policy),
        "soft_policy": functional.cross_entropy(output.soft_policy, soft),
        "value": functional.cross_entropy(output.value, outcome),
        "short_term_value": functional.mse_loss(short, targets.short_term_value),
        # tanh(x) is +1 for the mover's points: p(own) = sigmoid(2x)
        "ownership": functional.binary_cross_entropy_with_logits(2 * output.ownership, owned),
        "score": functional.huber_loss(output.score, targets.score / SCORE_UNIT),
    }


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return the scalar that is minimized."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
