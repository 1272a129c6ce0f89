"""Small networks for tests, with every layer filled so that no difference stays hidden."""

from __future__ import annotations

from dataclasses import replace

import torch

from agents.network import Network, NetworkConfig, new_network
from go_env.features import feature_set


def fill_zero_layers(network: Network, seed: int = 5, scale: float = 0.1) -> Network:
    """Fill, in place, the layers that start at zero and the statistics of the trunk's norm."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, scale, generator=generator)
        network.norm.mean.normal_(0.0, 0.3, generator=generator)
        network.norm.variance.uniform_(0.05, 0.2, generator=generator)
    return network.eval()


def filled_network(
    seed: int = 0,
    blocks: int = 3,
    channels: int = 16,
    features: str = "lean",
    pool_every: int = 3,
) -> Network:
    """Return a network whose outputs vary with its input."""
    planes = feature_set(features)
    config = NetworkConfig.sized(blocks, channels, planes.name, planes.version, planes.num_planes)
    config = replace(config, pool_every=pool_every)
    return fill_zero_layers(new_network(config, seed), seed)
