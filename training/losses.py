"""Losses, side by side, each with its source. Letters as in `agents.network`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical
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
        if not all(0 <= weight < math.inf for weight in vars(self).values()):
            raise HonteError("loss weights must be finite and not negative")


@dataclass(frozen=True)
class Targets:
    """What B training positions should be answered with; views of the player to move."""

    policy: Tensor  # [B, A], sums to 1
    value: Tensor  # [B] final outcome: +1, 0, -1
    short_term_value: Tensor  # [B] in [-1, 1]: mean of the values of the next moves
    score: Tensor  # [B] points
    ownership: Tensor  # [B, N*N] +1, 0, -1


def alphazero_losses(
    output: NetworkOutput, targets: Targets, search_value: float = 0.0
) -> dict[str, Tensor]:
    """Return each term of the AlphaZero loss with KataGo's auxiliary targets, unweighted, as means.

    `search_value` in [0, 1] is the share of the value's target that is the short-term value, what
    searches of the next moves thought, instead of the outcome: less noise for some bias. It has no
    draws: a value v counts as (1 + v) / 2 of a win, the rest as a loss.

    Source: Silver et al. 2017, equation 1 (policy and value; here win, draw and loss by
    cross-entropy); Wu 2019, section 4 (ownership, score); KataGoMethods.md (the rest); Willemsen
    et al. 2020, "Value targets in off-policy AlphaZero" (mixing outcomes with search values).
    """
    soft = targets.policy.clamp_min(0) ** (1 / SOFT_TEMPERATURE)
    soft = soft / soft.sum(dim=1, keepdim=True).clamp_min(1e-9)
    outcome = (1 - targets.value).round().long()  # 0 win, 1 draw, 2 loss
    value = functional.cross_entropy(output.value, outcome)
    if search_value:
        expected = _without_draws(targets.short_term_value)
        thought = functional.cross_entropy(output.value, expected)
        value = (1 - search_value) * value + search_value * thought
    owned = (targets.ownership + 1) / 2
    short = torch.tanh(output.short_term_value)
    return {
        "policy": functional.cross_entropy(output.policy, targets.policy),
        "soft_policy": functional.cross_entropy(output.soft_policy, soft),
        "value": value,
        "short_term_value": functional.mse_loss(short, targets.short_term_value),
        # tanh(x) is +1 for the mover's points: p(own) = sigmoid(2x)
        "ownership": functional.binary_cross_entropy_with_logits(2 * output.ownership, owned),
        "score": functional.huber_loss(output.score, targets.score / SCORE_UNIT),
    }


def _without_draws(values: Tensor) -> Tensor:
    """Return the chances of win, draw and loss [B, 3] of values [B] in [-1, 1]."""
    win = (1 + values.clamp(-1, 1)) / 2
    return torch.stack([win, torch.zeros_like(win), 1 - win], dim=1)


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return the scalar that is minimized."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


# --- Q-learning ---------------------------------------------------------------------------------


@torch.no_grad()
def q_targets(
    returns: Tensor, discounts: Tensor, legal: Tensor, target_q: Tensor, online_q: Tensor | None
) -> Tensor:
    """Return what Q(s, a) should be, [B]: R + D * Q_target(s', argmax over legal a' of Q(s', a')).

    Two-player sign convention: s' is n plies after s, Q(s', .) is its mover's, so that the discount
    D carries the sign: (-gamma)**n, and 0 where the game ended on the way (`baselines.returns`).
    The argmax is the online network's (Double DQN, van Hasselt et al. 2016, equation 4) or, where
    `online_q` is None, the target network's own (Mnih et al. 2015). Outcomes lie in [-1, 1], and
    so do targets: this keeps bootstrapping from running away.

    Args:
        returns: [B]; discounts: [B]; legal: bool [B, A] at s'; target_q, online_q: [B, A] at s'.
    """
    judge = target_q if online_q is None else online_q
    best = judge.masked_fill(~legal, -torch.inf).argmax(dim=1, keepdim=True)
    following = target_q.gather(1, best)[:, 0]
    return (returns + discounts * following).clamp(-1.0, 1.0)


def q_loss(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """Return the Huber loss of Q [B, A] at the actions [B] that were played (Mnih et al. 2015)."""
    return functional.smooth_l1_loss(q.gather(1, actions[:, None])[:, 0], targets)


# --- policy gradients ---------------------------------------------------------------------------


def masked_policy(logits: Tensor, legal: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return log pi(a|s) of the actions played and the entropy, [B] each, among legal actions.

    Args:
        logits: [B, A]; legal: bool [B, A]; actions: int64 [B].
    """
    policy = Categorical(logits=logits.masked_fill(~legal, -1e9))
    log_probs: Tensor = policy.log_prob(actions)  # type: ignore[no-untyped-call]
    entropy: Tensor = policy.entropy()  # type: ignore[no-untyped-call]
    return log_probs, entropy


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """Return -mean(A log pi(a|s)), whose gradient is REINFORCE's and the actor-critic's.

    Source: Williams 1992; Sutton et al. 1999 (policy gradient theorem); the advantage is a return
    minus a baseline (REINFORCE), or GAE's (A2C). Both arguments are [B].
    """
    return -(advantages * log_probs).mean()


def clipped_policy_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float
) -> Tensor:
    """Return PPO's clipped surrogate, negated. Source: Schulman et al. 2017, equation 7."""
    ratio = torch.exp(log_probs - old_log_probs)
    bounded = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantages, bounded * advantages).mean()


def critic_loss(values: Tensor, returns: Tensor) -> Tensor:
    """Return the mean squared error of values [B] against (lambda-)returns [B]."""
    return functional.mse_loss(values, returns)
