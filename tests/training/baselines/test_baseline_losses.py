"""Losses of the baselines against numbers worked out by hand."""

import math

import pytest
import torch

from training.losses import (
    clipped_policy_loss,
    critic_loss,
    masked_policy,
    policy_gradient_loss,
    q_loss,
    q_targets,
)

# Three positions n plies later; of the last the game is already over.
RETURNS = torch.tensor([0.0, 0.25, 1.0])
DISCOUNTS = torch.tensor([-0.5, 0.5, 0.0])
LEGAL = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])
TARGET_Q = torch.tensor([[0.2, 0.6, 9.0], [0.4, -0.2, 0.1], [0.7, 0.7, 0.7]])
ONLINE_Q = torch.tensor([[0.9, 0.1, 9.0], [0.0, 0.3, 0.1], [0.0, 0.0, 0.0]])


def test_double_dqn_chooses_online_and_judges_by_the_target() -> None:
    targets = q_targets(RETURNS, DISCOUNTS, LEGAL, TARGET_Q, ONLINE_Q)
    # Row 0: the illegal 9.0 is not seen; online best is action 0: 0 - 0.5 * 0.2 = -0.1.
    # Row 1: online best is action 1: 0.25 + 0.5 * (-0.2) = 0.15. Row 2: over, only the return.
    assert targets.tolist() == pytest.approx([-0.1, 0.15, 1.0])


def test_dqn_takes_the_maximum_of_the_target() -> None:
    targets = q_targets(RETURNS, DISCOUNTS, LEGAL, TARGET_Q, None)
    # 0 - 0.5 * 0.6 = -0.3; 0.25 + 0.5 * 0.4 = 0.45; 1.
    assert targets.tolist() == pytest.approx([-0.3, 0.45, 1.0])


def test_targets_stay_within_what_outcomes_can_be() -> None:
    far = q_targets(
        torch.zeros(1), -torch.ones(1), torch.ones(1, 2).bool(), 5 * torch.ones(1, 2), None
    )
    assert far.tolist() == [-1.0]


def test_q_loss_moves_only_the_action_that_was_played() -> None:
    q = torch.tensor([[0.1, 0.5, -0.2]], requires_grad=True)
    q_loss(q, torch.tensor([1]), torch.tensor([1.0])).backward()
    # Huber with an error of 0.5 - 1.0 inside its square part: the gradient is the error itself.
    assert q.grad is not None
    assert q.grad.tolist()[0] == pytest.approx([0.0, -0.5, 0.0])


def test_policy_gradient_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), 5.0]], requires_grad=True)
    legal = torch.tensor([[True, True, False]])
    log_probs, entropy = masked_policy(logits, legal, torch.tensor([0]))
    assert float(log_probs.detach()) == pytest.approx(math.log(0.25))
    assert float(entropy.detach()) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    policy_gradient_loss(log_probs, torch.tensor([2.0])).backward()
    # d(-A log pi_0)/d logit_i = A * (pi_i - [i is 0]): 2 * (0.25 - 1), 2 * 0.75; illegal: 0.
    assert logits.grad is not None
    assert logits.grad.tolist()[0] == pytest.approx([-1.5, 1.5, 0.0])


def test_entropy_gradient_vanishes_at_the_uniform_policy() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    _, entropy = masked_policy(logits, torch.ones(1, 4).bool(), torch.tensor([0]))
    assert float(entropy.detach()) == pytest.approx(math.log(4))
    entropy.sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-7


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),  # inside: the plain policy gradient
        (1.1, -2.0, 2.2, 2.2),
        (1.5, 2.0, -2.4, 0.0),  # gone far enough: 1.2 * 2, no gradient
        (0.5, -2.0, 1.6, 0.0),  # 0.8 * 2
        (0.5, 2.0, -1.0, -1.0),  # a mistake may be taken back however far it went
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_ppo_clip(ratio: float, advantage: float, loss: float, slope: float) -> None:
    log_prob = torch.tensor([math.log(ratio)], requires_grad=True)
    result = clipped_policy_loss(log_prob, torch.zeros(1), torch.tensor([advantage]), clip=0.2)
    assert float(result.detach()) == pytest.approx(loss, rel=1e-5)
    result.backward()
    assert log_prob.grad is not None  # d ratio / d log pi = ratio
    assert float(log_prob.grad) == pytest.approx(slope, rel=1e-5)


def test_ppo_at_its_first_step_has_the_gradient_of_the_policy_gradient() -> None:
    torch.manual_seed(0)
    logits, advantages = torch.randn(6, 5), torch.randn(6)
    actions, legal = torch.randint(5, (6,)), torch.ones(6, 5).bool()
    gradients = []
    for clipped in (False, True):
        leaf = logits.clone().requires_grad_()
        log_probs, _ = masked_policy(leaf, legal, actions)
        if clipped:
            loss = clipped_policy_loss(log_probs, log_probs.detach(), advantages, 0.2)
        else:
            loss = policy_gradient_loss(log_probs, advantages)
        loss.backward()
        gradients.append(leaf.grad)
    assert torch.allclose(*gradients)


def test_critic_loss() -> None:
    assert float(critic_loss(torch.tensor([0.5, 0.0]), torch.tensor([1.0, -1.0]))) == 0.625
