"""The network: shapes at every size, a neutral start, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from agents.network import (
    Network,
    NetworkConfig,
    NetworkOutput,
    global_pool,
    new_network,
    value_from_logits,
)
from go_env.errors import HonteError
from networks import fill_zero_layers

PLANES = 5


def small_config(blocks: int = 3, channels: int = 16) -> NetworkConfig:
    return NetworkConfig.sized(blocks, channels, "lean", 1, PLANES)


@pytest.mark.parametrize("size", [2, 5, 9, 19, 25])
def test_one_set_of_weights_serves_every_board(size: int) -> None:
    output = new_network(small_config(), 0)(torch.rand(3, PLANES, size, size))
    actions = size * size + 1
    assert NetworkOutput(*(tuple(tensor.shape) for tensor in output)) == NetworkOutput(
        policy=(3, actions),
        soft_policy=(3, actions),
        value=(3, 3),
        short_term_value=(3,),
        score=(3,),
        ownership=(3, actions - 1),
    )


def test_it_starts_with_a_uniform_policy_and_value_zero() -> None:
    output = new_network(small_config(), 0)(torch.rand(2, PLANES, 5, 5))
    assert all(not tensor.any() for tensor in output)
    assert not value_from_logits(output.value).any()


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = new_network(small_config(), 7).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = (new_network(small_config(), seed).state_dict() for seed in (7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


def test_the_short_way_gives_the_same_policy_and_value() -> None:
    network = fill_zero_layers(new_network(small_config(), 0))
    planes = torch.rand(4, PLANES, 7, 7)
    output = network(planes)
    policy, value = network.forward_policy_value(planes)
    assert torch.allclose(policy, output.policy, atol=1e-5)
    assert torch.allclose(value, output.value, atol=1e-5)
    assert policy.std() > 0.01, "a constant would agree with anything"


def test_pooling_is_mean_scaled_mean_and_maximum() -> None:
    x = torch.tensor([[[[0.0, 1.0], [2.0, 9.0]]]])  # N = 2: mean 3, scaled (2 - 14) / 10
    assert torch.allclose(global_pool(x), torch.tensor([[3.0, -3.6, 9.0]]))


def test_pooling_lets_a_corner_see_the_other_corner() -> None:
    """One 3x3 block reaches 3 points far; the pooled path reaches the whole board."""

    def influence(pool_every: int) -> float:
        config = NetworkConfig(
            blocks=1, channels=8, planes=PLANES, pool_every=pool_every, head_channels=4
        )
        network = fill_zero_layers(new_network(config, 0))
        planes = torch.zeros(2, PLANES, 19, 19)
        planes[1, :, 0, 0] = 5.0
        trunk = network.trunk(planes)
        return float((trunk[0, :, -1, -1] - trunk[1, :, -1, -1]).abs().max().detach())

    assert influence(pool_every=0) == 0.0
    assert influence(pool_every=1) > 1e-4


def test_without_pooling_no_move_sees_the_other_corner() -> None:
    config = NetworkConfig(blocks=1, channels=8, planes=PLANES, pool_every=0, head_channels=4)
    network = fill_zero_layers(new_network(config, 0)).eval()
    planes = torch.zeros(2, PLANES, 19, 19)
    planes[1, :, 0, 0] = 5.0
    output = network(planes)
    assert torch.equal(output.policy[0, -2], output.policy[1, -2])
    assert not torch.equal(output.policy[0, 0], output.policy[1, 0])
    assert not torch.equal(output.value[0], output.value[1])  # the value is the whole board's


def test_every_third_block_pools() -> None:
    config = NetworkConfig(blocks=8)
    assert [i for i in range(8) if config.pools(i)] == [1, 4, 7]


def test_configs_survive_json_and_reject_nonsense() -> None:
    config = small_config()
    assert NetworkConfig.from_dict(config.to_dict()) == config
    assert str(config) == "3x16"
    with pytest.raises(HonteError, match="keys: depth"):
        NetworkConfig.from_dict({**config.to_dict(), "depth": 3})
    with pytest.raises(HonteError, match="channels must be an integer from 1 to 10000, not 0"):
        NetworkConfig(channels=0)
    with pytest.raises(HonteError, match="blocks must be an integer"):
        NetworkConfig(blocks=True)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_it_learns_a_global_task_with_either_optimizer(optimizer: str) -> None:
    """Policy: the one marked point. Value: which of two kinds of stones is in the majority."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = new_network(small_config(blocks=2), 0)
    if optimizer == "adamw":
        steps: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    else:
        steps = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for _ in range(80):
        policy_loss, value_loss = _losses(network, *_majority_batch())
        steps.zero_grad()
        (policy_loss + value_loss).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        steps.step()
    with torch.no_grad():
        policy_loss, value_loss = _losses(network, *_majority_batch())
    assert policy_loss < 0.3, "3.26 by guessing"
    assert value_loss < 0.4, "0.69 by guessing"


def _majority_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stones = torch.randint(0, 3, (64, 1, 5, 5))
    marked = torch.randint(0, 25, (64,))
    planes = torch.zeros(64, PLANES, 5, 5)
    planes[:, 0:1], planes[:, 1:2] = (stones == 1).float(), (stones == 2).float()
    planes[:, 2] = functional.one_hot(marked, 25).float().view(-1, 5, 5)
    more = (planes[:, 0] - planes[:, 1]).sum(dim=(1, 2)) > 0
    return planes, marked, torch.where(more, 0, 2)


def _losses(
    network: Network, planes: torch.Tensor, marked: torch.Tensor, result: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    output = network(planes)
    return (
        functional.cross_entropy(output.policy, marked),
        functional.cross_entropy(output.value, result),
    )
