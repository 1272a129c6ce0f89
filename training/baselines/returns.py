"""Returns of two-player games, every number in the view of the player to move at its ply.

One ply later the opponent is to move, so a value that is carried back one ply changes its sign:
where a book for one player writes gamma, this file writes -gamma. Letters: T plies, B games.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def n_step(
    rewards: Floats, over: NDArray[np.bool_], carry: float, steps: int
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return what `steps` plies tell of each ply, before anything is bootstrapped.

    Q(s_t, a_t) is to be returns[t] + discounts[t] * (value of the mover at ply following[t]):
        returns[t]   = sum over k < n of carry**k * rewards[t + k],
        discounts[t] = carry**n, or 0 if the game ends within these plies,
        following[t] = t + n,
    where n is `steps`, or less at the end of the array. Source: Sutton & Barto 2018, section 7.1.

    Args:
        rewards: [T, B], the mover's reward for its action.
        carry: what a value becomes one ply earlier: -gamma for two players, gamma for one.
        over: [T, B], whether that action ended the game; the row after it is another game.

    Returns:
        returns [T, B], discounts [T, B], following [T].
    """
    plies = len(rewards)
    returns = np.zeros_like(rewards)
    discounts = np.ones_like(rewards)
    for k in range(min(steps, plies)):
        going = discounts[: plies - k]
        returns[: plies - k] += going * rewards[k:]
        going *= np.where(over[k:], 0.0, carry).astype(np.float32)
    following = np.minimum(np.arange(plies) + steps, plies)
    return returns, discounts, following


def generalized_advantages(
    rewards: Floats, values: Floats, active: NDArray[np.bool_], gamma: float, trace: float
) -> tuple[Floats, Floats]:
    """Return GAE's advantages [T, B] and the lambda-returns [T, B] of whole games; 0 after the end.

    delta_t = r_t - gamma * V(s_{t+1}) - V(s_t) and A_t = sum over k of (-gamma * lambda)**k *
    delta_{t+k}; V after the end is 0. lambda = 1 gives the return minus the value, lambda = 0 the
    one-step error. Source: Schulman et al. 2016, equation 16, with this file's sign.

    Args:
        rewards, values: [T, B] of the mover; active: [T, B], False after the end of a game.
        trace: lambda.
    """
    advantages = np.zeros_like(rewards)
    ahead = np.zeros_like(rewards[0])
    next_value = np.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        value = np.where(active[t], values[t], 0.0).astype(np.float32)
        delta = np.where(active[t], rewards[t] - gamma * next_value - value, 0.0)
        ahead = (delta - gamma * trace * ahead).astype(np.float32)
        advantages[t] = ahead
        next_value = value
    return advantages, advantages + np.where(active, values, 0.0).astype(np.float32)
