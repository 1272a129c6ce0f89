"""Each loss term against a sum done by hand."""

from __future__ import annotations

from math import atanh, log

import pytest
import torch

from agents.network import NetworkOutput
from go_env.errors import HonteError
from training.losses import LossWeights, Targets, alphazero_losses, weighted_sum


def row(values: list[float]) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def terms(
    policy: tuple[list[float], list[float]] = ([0, 0], [1, 0]),
    soft: list[float] | None = None,
    value: tuple[list[float], float] = ([0, 0, 0], 1),
    short: tuple[float, float] = (0, 0),
    score: tuple[float, float] = (0, 0),
    ownership: tuple[list[float], list[float]] = ([0], [1]),
    search_value: float = 0.0,
) -> dict[str, float]:
    """Return the losses of one position; each pair is (network's output, target)."""
    output = NetworkOutput(
        policy=row(policy[0]), soft_policy=row(soft or [0, 0]), value=row(value[0]),
        short_term_value=row([short[0]])[0], score=row([score[0]])[0], ownership=row(ownership[0]),
    )  # fmt: skip
    targets = Targets(
        policy=row(policy[1]), value=row([value[1]])[0], short_term_value=row([short[1]])[0],
        score=row([score[1]])[0], ownership=row(ownership[1]),
    )  # fmt: skip
    losses = alphazero_losses(output, targets, search_value)
    return {name: float(term) for name, term in losses.items()}


@pytest.mark.parametrize(
    ("logits", "target", "expected"),
    [
        ([0, 0], [1, 0], log(2)),
        ([log(3), 0], [1, 0], log(4 / 3)),  # p = 3/4
        ([log(3), 0], [0, 1], log(4)),
        ([log(3), 0], [0.5, 0.5], 0.5 * log(4 / 3) + 0.5 * log(4)),
    ],
)
def test_policy(logits: list[float], target: list[float], expected: float) -> None:
    assert terms(policy=(logits, target))["policy"] == pytest.approx(expected)


def test_soft_policy() -> None:
    # Target 16/17, 1/17: fourth roots 2 to 1, so 2/3 and 1/3.
    target = [16 / 17, 1 / 17]
    even = terms(policy=([0, 0], target), soft=[0, 0])["soft_policy"]
    assert even == pytest.approx(log(2))
    matched = terms(policy=([0, 0], target), soft=[log(2), 0])["soft_policy"]
    assert matched == pytest.approx(2 / 3 * log(3 / 2) + 1 / 3 * log(3))


@pytest.mark.parametrize(("outcome", "chance"), [(1, 1 / 2), (0, 1 / 4), (-1, 1 / 4)])
def test_value_is_win_draw_loss(outcome: float, chance: float) -> None:
    assert terms(value=([log(2), 0, 0], outcome))["value"] == pytest.approx(-log(chance))


def test_value_tells_draw_from_loss() -> None:
    logits = [0, log(2), 0]
    losses = [terms(value=(logits, outcome))["value"] for outcome in (1, 0, -1)]
    assert losses == pytest.approx([log(4), log(2), log(4)])


def test_value_of_search_in_the_target() -> None:
    # A won game that searches thought lost by 3 to 1: targets 1, 0, 0 and 1/4, 0, 3/4.
    logits, short = [log(2), 0, 0], (0.0, -0.5)
    won, lost = log(2), log(4)
    for share in (0.0, 0.5, 1.0):
        value = terms(value=(logits, 1), short=short, search_value=share)["value"]
        assert value == pytest.approx((1 - share) * won + share * (won / 4 + 3 * lost / 4))


def test_short_term_value() -> None:
    assert terms(short=(atanh(0.5), -0.25))["short_term_value"] == pytest.approx(0.75**2)


@pytest.mark.parametrize(("points", "expected"), [(6, 0.5 * 0.4**2), (-15, 2.5 - 0.5), (10, 0)])
def test_score_in_units_of_ten_points(points: float, expected: float) -> None:
    assert terms(score=(1.0, points))["score"] == pytest.approx(expected)


def test_ownership() -> None:
    # tanh(x) = 1/2 says "mine with 3/4"; a neutral point pulls both ways by halves.
    losses = terms(ownership=([atanh(0.5)] * 3, [1, -1, 0]))["ownership"]
    neutral = 0.5 * log(4 / 3) + 0.5 * log(4)
    assert losses == pytest.approx((log(4 / 3) + log(4) + neutral) / 3)


def test_weights() -> None:
    losses = {name: torch.tensor(2.0) for name in vars(LossWeights())}
    weights = LossWeights(1, 0, 0.5, 0, 0, 0.25)
    assert float(weighted_sum(losses, weights)) == pytest.approx(2 * 1.75)
    with pytest.raises(HonteError, match="negative"):
        LossWeights(policy=-1)
