"""The files of the baselines: safetensors as `agents.checkpoint` writes them, one name a kind.

honte-q-network         a QNetwork
honte-policy-gradient   an ActorCritic
honte-q-table           keys int64 [S] and values float32 [S, A] of `agents.q_table`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch

from agents.baseline_network import ActorCritic, QNetwork
from agents.checkpoint import check_tensors, load_tensors, rules_from, save_tensors
from agents.network import NetworkConfig
from agents.q_table import QTable
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.rules import Rules

FORMAT_VERSION = 1
TABLE_FORMAT = "honte-q-table"
NETWORK_FORMATS: dict[type, str] = {
    QNetwork: "honte-q-network",
    ActorCritic: "honte-policy-gradient",
}

BaselineNetwork = TypeVar("BaselineNetwork", QNetwork, ActorCritic)


def save_network(
    path: Path | str,
    network: QNetwork | ActorCritic,
    rules: Rules,
    provenance: Mapping[str, Any],
) -> None:
    """Publish a network's weights and what is known of them as one file."""
    metadata = _metadata(NETWORK_FORMATS[type(network)], rules, provenance)
    metadata["network"] = network.config.to_dict()
    save_tensors(path, {k: v.float() for k, v in network.state_dict().items()}, metadata)


def load_network(path: Path | str, kind: type[BaselineNetwork]) -> tuple[BaselineNetwork, Rules]:
    """Return a network ready to evaluate, and the rules that it was trained under.

    Raises:
        HonteError: one line that names the file and the first thing wrong with it.
    """
    tensors, metadata = load_tensors(path)
    try:
        _check_format(metadata, NETWORK_FORMATS[kind])
        config = NetworkConfig.from_dict(metadata["network"])
        feature_set(config.features, config.feature_version)
        with torch.device("meta"):
            check_tensors(tensors, kind(config), str(config))
        network = kind(config)
        network.load_state_dict(tensors)
        return network.eval(), rules_from(metadata["rules"])
    except HonteError as error:
        raise HonteError(f"{path}: {error}") from None


def save_table(path: Path | str, table: QTable, provenance: Mapping[str, Any]) -> None:
    """Publish a table of values as one file."""
    tensors = {"keys": torch.from_numpy(table.keys), "values": torch.from_numpy(table.values)}
    save_tensors(path, tensors, _metadata(TABLE_FORMAT, table.rules, provenance))


def load_table(path: Path | str) -> QTable:
    """Return a table of values whose shapes were checked."""
    tensors, metadata = load_tensors(path)
    try:
        _check_format(metadata, TABLE_FORMAT)
        rules = rules_from(metadata["rules"])
        keys, values = (tensors.get(name, torch.empty(0)) for name in ("keys", "values"))
        if keys.dtype != torch.int64 or values.shape != (len(keys), rules.size**2 + 1):
            raise HonteError("its keys and values do not fit together")
        return QTable(rules, keys.numpy(), values.numpy())
    except HonteError as error:
        raise HonteError(f"{path}: {error}") from None


def holds_table(path: Path | str) -> bool:
    """Tell whether a file of ours is a table rather than a network."""
    return bool(load_tensors(path)[1].get("format") == TABLE_FORMAT)


def _metadata(name: str, rules: Rules, provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": name,
        "format_version": FORMAT_VERSION,
        "rules": asdict(rules),
        "provenance": dict(provenance),
    }


def _check_format(metadata: Mapping[str, Any], wanted: str) -> None:
    found = metadata.get("format")
    if found != wanted:
        raise HonteError(f"it holds {found!r}, not {wanted!r}: use the player that fits the file")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise HonteError(
            f"its format {metadata.get('format_version')!r} is unknown here "
            f"(this honte reads {FORMAT_VERSION}): use the honte that wrote it"
        )
    for key in ("rules", "provenance", *(("network",) if wanted != TABLE_FORMAT else ())):
        if not isinstance(metadata.get(key), dict):
            raise HonteError(f"its metadata lacks {key!r}")
