"""A larger network that begins as a smaller one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agents.growth import grown
from agents.network import Network, NetworkConfig, new_network
from go_env.errors import HonteError

OLD = NetworkConfig(blocks=4, channels=8, planes=5, head_channels=6, value_hidden=10, pool_every=3)


def trained(config: NetworkConfig) -> Network:
    """Return a network none of whose weights is zero, with running statistics of its own."""
    network = new_network(config, 3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator).abs())
    return network


@pytest.mark.parametrize(
    "larger",
    [
        {},
        {"blocks": 9},
        {"channels": 13},
        {"head_channels": 7, "value_hidden": 11},
        {"blocks": 6, "channels": 16, "head_channels": 12, "value_hidden": 20},
    ],
    ids=str,
)
@pytest.mark.parametrize("pool_every", [0, 3])
def test_it_answers_as_before(larger: dict[str, int], pool_every: int) -> None:
    config = replace(OLD, pool_every=pool_every)
    small = trained(config)
    shape = replace(config, **larger)  # type: ignore[arg-type]
    large = Network(shape)
    large.load_state_dict(grown(small.state_dict(), config, shape, seed=1))
    for training in (False, True):
        small.train(training)
        large.train(training)
        for size in (3, 9):
            planes = torch.rand(4, 5, size, size)
            with torch.no_grad():
                expected, found = small(planes), large(planes)
            assert expected.policy.std() > 0
            for one, other in zip(expected, found, strict=True):
                torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def test_what_is_new_learns_at_once() -> None:
    shape = replace(OLD, blocks=5, channels=12)
    large = Network(shape)
    large.load_state_dict(grown(trained(OLD).state_dict(), OLD, shape, seed=1))
    before = {name: tensor.clone() for name, tensor in large.named_parameters()}
    optimizer = torch.optim.AdamW(large.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(2):
        optimizer.zero_grad()
        output = large(torch.rand(8, 5, 5, 5))
        torch.nn.functional.cross_entropy(output.policy, torch.arange(8)).backward()
        optimizer.step()
    moved = {name: (tensor - before[name]).abs() for name, tensor in large.named_parameters()}
    assert moved["blocks.4.conv1.weight"].max() > 0  # a new block, its input included
    assert moved["blocks.0.conv1.weight"][:8, 8:].max() > 0  # old channels read new ones
    assert moved["stem.weight"][8:].max() > 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"blocks": 3}, "network.blocks is 4"),
        ({"value_hidden": 9}, "network.value_hidden is 10"),
        ({"pool_every": 2}, "network.pool_every is 3"),
        ({"features": "zero"}, "network.features is 'lean'"),
    ],
)
def test_what_does_not_fit_is_said(change: dict[str, object], word: str) -> None:
    with pytest.raises(HonteError, match=word):
        grown({}, OLD, replace(OLD, **change), seed=1)  # type: ignore[arg-type]
