"""Weights for a larger network that answers exactly as a smaller one: more blocks, more channels.

New blocks are residual branches that end in zeros, as all of them did at first. New channels are
drawn as for an untrained network, but nothing that was there before reads them yet: those weights
start at zero and have gradients at once.

Source: Chen et al. 2016, "Net2Net: Accelerating Learning via Knowledge Transfer" (there new
channels are copies of old ones); KataGo's runs go on from a small network to a larger one by
training the larger on the games of the smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from agents.champion import find_checkpoint
from agents.checkpoint import load_checkpoint
from agents.network import NetworkConfig, new_network
from go_env.errors import HonteError

_POOLED = 3  # global pooling makes three features of each channel
_POOLED_INPUTS = (
    "pool.weight", "policy_head.bias.weight", "policy_head.passing.weight",
    "value_head.hidden.weight",
)  # fmt: skip
_SIZES = ("blocks", "channels", "head_channels", "value_hidden")
_FACTS = ("git_commit", "config_hash", "model", "games", "evaluations", "steps", "hours", "parent")


def weights_to_start_from(
    player: str, network: NetworkConfig, seed: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a trained player's weights, grown to the shape `network`, and what made them.

    player: a weights file, a run directory (its champion) or `honte`, the one that is shipped.
    """
    path = find_checkpoint("" if player == "honte" else player)
    checkpoint = load_checkpoint(path)
    made = checkpoint.provenance
    facts = {"player": player, **{key: made[key] for key in _FACTS if key in made}}
    return grown(checkpoint.weights, checkpoint.network, network, seed), facts


def grown(
    weights: Mapping[str, Tensor], old: NetworkConfig, new: NetworkConfig, seed: int
) -> dict[str, Tensor]:
    """Return weights of shape `new` with the outputs of `weights`, a network of shape `old`.

    Raises:
        HonteError: `new` is smaller somewhere, or sees or pools otherwise.
    """
    for name in ("features", "feature_version", "pool_every"):
        if getattr(old, name) != getattr(new, name):
            raise HonteError(
                f"network.{name} is {getattr(old, name)!r} in the weights to start from: "
                f"{getattr(new, name)!r} cannot take them over"
            )
    for name in _SIZES:
        if getattr(new, name) < getattr(old, name):
            raise HonteError(
                f"network.{name} is {getattr(old, name)} in the weights to start from: "
                f"set it to that or more, not {getattr(new, name)}"
            )
    result = new_network(new, seed).state_dict()
    for name, tensor in weights.items():
        result[name] = _pasted(name, tensor, result[name])
    return result


def _pasted(name: str, old: Tensor, fresh: Tensor) -> Tensor:
    """Return `fresh` with `old` in its first rows, which read none of the new inputs."""
    result, rows = fresh.clone(), len(old)
    if old.ndim == 1:
        result[:rows] = old
        return result
    groups = _POOLED if name.endswith(_POOLED_INPUTS) else 1
    before, after = old.shape[1] // groups, fresh.shape[1] // groups
    inputs = torch.cat([torch.arange(before) + group * after for group in range(groups)])
    result[:rows] = 0.0
    result[:rows, inputs] = old
    return result
