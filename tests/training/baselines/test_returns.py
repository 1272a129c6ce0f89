"""n-step returns and GAE against hand-computed numbers and closed forms."""

import numpy as np
import pytest

from training.baselines.returns import generalized_advantages, n_step


def test_n_step_by_hand() -> None:
    # One game of four plies, won by the mover of the last one, then two plies of the next game.
    rewards = np.array([[0.0], [0.0], [0.0], [1.0], [0.0], [0.0]], np.float32)
    over = np.array([[False], [False], [False], [True], [False], [False]])
    returns, discounts, following = n_step(rewards, over, carry=-0.5, steps=2)
    # Ply 2: 0 + (-0.5) * 1. Ply 3: 1. The others see no reward within two plies.
    assert returns[:, 0].tolist() == [0.0, 0.0, -0.5, 1.0, 0.0, 0.0]
    # (-0.5)**2 where the game goes on for two plies; 0 where it ends; -0.5 at the last ply, after
    # which only one more situation is known.
    assert discounts[:, 0].tolist() == [0.25, 0.25, 0.0, 0.0, 0.25, -0.5]
    assert following.tolist() == [2, 3, 4, 5, 6, 6]


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_n_step_equals_its_definition(steps: int) -> None:
    rng = np.random.default_rng(1)
    plies, games, carry = 40, 7, -0.9
    over = rng.random((plies, games)) < 0.15
    rewards = np.where(over, rng.choice([-1.0, 0.0, 1.0], over.shape), 0.0).astype(np.float32)
    returns, discounts, following = n_step(rewards, over, carry, steps)
    for b in range(games):
        for t in range(plies):
            total, factor, k = 0.0, 1.0, t
            while k < min(t + steps, plies):
                total += factor * rewards[k, b]
                factor *= 0.0 if over[k, b] else carry
                k += 1
            assert returns[t, b] == pytest.approx(total, abs=1e-6)
            assert discounts[t, b] == pytest.approx(factor, abs=1e-6)
            assert following[t] == k


def test_whole_games_give_the_outcome_in_the_view_of_each_mover() -> None:
    rewards = np.zeros((5, 1), np.float32)
    rewards[4] = 1.0  # the mover of ply 4 wins: so do those of plies 0 and 2
    over = np.zeros((5, 1), np.bool_)
    over[4] = True
    returns, discounts, _ = n_step(rewards, over, carry=-1.0, steps=100)
    assert returns[:, 0].tolist() == [1.0, -1.0, 1.0, -1.0, 1.0]
    assert not discounts.any()


def test_gae_by_hand() -> None:
    # Two plies, gamma = 0.5, lambda = 0.5, V = (0.2, -0.4), the second mover wins.
    rewards = np.array([[0.0], [1.0]], np.float32)
    values = np.array([[0.2], [-0.4]], np.float32)
    active = np.ones((2, 1), np.bool_)
    advantages, returns = generalized_advantages(rewards, values, active, gamma=0.5, trace=0.5)
    # delta_1 = 1 + 0.4 = 1.4; delta_0 = 0 - 0.5 * (-0.4) - 0.2 = 0; A_0 = 0 - 0.25 * 1.4 = -0.35.
    assert advantages[:, 0] == pytest.approx([-0.35, 1.4])
    assert returns[:, 0] == pytest.approx([-0.15, 1.0])


def random_games(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lengths = rng.integers(1, 12, size=9)
    active = np.arange(12)[:, None] < lengths
    rewards = np.zeros((12, 9), np.float32)
    rewards[lengths - 1, np.arange(9)] = rng.choice([-1.0, 0.0, 1.0], 9)
    values = rng.uniform(-1, 1, rewards.shape).astype(np.float32)
    return rewards, values, active


def test_gae_with_full_trace_is_the_return_minus_the_value() -> None:
    rewards, values, active = random_games(np.random.default_rng(2))
    advantages, returns = generalized_advantages(rewards, values, active, gamma=0.9, trace=1.0)
    lengths = active.sum(axis=0)
    for b, length in enumerate(lengths):
        for t in range(length):
            outcome = (-0.9) ** (length - 1 - t) * rewards[length - 1, b]
            assert returns[t, b] == pytest.approx(outcome, abs=1e-5)
            assert advantages[t, b] == pytest.approx(outcome - values[t, b], abs=1e-5)
    assert not advantages[~active].any()


def test_gae_without_trace_is_the_one_step_error() -> None:
    rewards, values, active = random_games(np.random.default_rng(3))
    advantages, _ = generalized_advantages(rewards, values, active, gamma=0.9, trace=0.0)
    following = np.vstack([np.where(active, values, 0.0)[1:], np.zeros((1, 9))])
    errors = rewards - 0.9 * following - values
    assert advantages[active] == pytest.approx(errors[active], abs=1e-5)


def test_gae_is_the_weighted_sum_of_n_step_errors() -> None:
    # Schulman et al. 2016, equation 16: (1 - lambda) * sum of lambda**(n - 1) * A^(n).
    rewards, values, active = random_games(np.random.default_rng(4))
    gamma, trace, b = 0.95, 0.8, int(active.sum(axis=0).argmax())
    length = int(active[:, b].sum())
    known = np.append(values[:length, b], 0.0)
    expected = 0.0
    for n in range(1, length + 1):
        gained = sum((-gamma) ** k * rewards[k, b] for k in range(n))
        error = gained + (-gamma) ** n * known[n] - known[0]
        expected += error * ((1 - trace) * trace ** (n - 1) if n < length else trace ** (n - 1))
    advantages, _ = generalized_advantages(rewards, values, active, gamma, trace)
    assert advantages[0, b] == pytest.approx(expected, abs=1e-5)
