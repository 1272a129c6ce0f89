"""The file format of weights: safetensors with one JSON text in the header. Never a pickle.

The header's only metadata key is `honte`, because safetensors writes several keys in random order
and equal content must give equal bytes. A file is published whole or not at all.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from agents.champion import unreadable
from agents.network import Network, NetworkConfig
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.rules import Rules

FORMAT = "honte-network"
FORMAT_VERSION = 1
_KEY = "honte"
_RULE_TYPES: dict[str, tuple[type, ...]] = {
    "size": (int,),
    "komi": (int, float),
    "ko": (str,),
    "suicide": (bool,),
    "move_limit": (int, type(None)),
}


@dataclass(frozen=True)
class Checkpoint:
    """A network at rest: what it is, what it was trained for and how it came to be."""

    network: NetworkConfig
    rules: Rules
    provenance: dict[str, Any]  # git commit, run config, games, samples, hours, parent
    weights: dict[str, Tensor]  # float32, by the names of Network.state_dict()

    def build(self) -> Network:
        """Return the network with these weights, ready to evaluate."""
        network = Network(self.network)
        network.load_state_dict(self.weights)
        return network.eval()


def save_checkpoint(
    path: Path | str, network: Network, rules: Rules, provenance: Mapping[str, Any]
) -> None:
    """Publish the network's weights and what is known of them as one file."""
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": network.config.to_dict(),
        "rules": asdict(rules),
        "provenance": dict(provenance),
    }
    weights = {name: tensor.float() for name, tensor in network.state_dict().items()}
    save_tensors(path, weights, metadata)


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Return a checkpoint whose every tensor and every field was checked.

    Raises:
        HonteError: one line that names the file and the first thing wrong with it.
    """
    tensors, metadata = load_tensors(path)
    try:
        return _checked(tensors, metadata)
    except HonteError as error:
        raise HonteError(f"{path}: {error}") from None


def save_tensors(
    path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Publish tensors and JSON metadata atomically; equal content gives equal bytes."""
    text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    plain = {
        name: tensor.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        for name, tensor in sorted(tensors.items())
    }
    _publish(Path(path), safetensors.torch.save(plain, {_KEY: text}))


def load_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the metadata that `save_tensors` published."""
    if not Path(path).is_file():
        raise HonteError(f"{path}: there is no such file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = json.loads(header[_KEY])
    except (safetensors.SafetensorError, OSError) as error:
        raise unreadable(path, error) from None
    except (KeyError, ValueError, RecursionError):
        raise HonteError(f"{path}: a safetensors file, but not written by honte") from None
    if not isinstance(metadata, dict):
        raise HonteError(f"{path}: its metadata is not a JSON object")
    return tensors, metadata


def _checked(tensors: dict[str, Tensor], metadata: dict[str, Any]) -> Checkpoint:
    if metadata.get("format") != FORMAT:
        raise HonteError("not a network checkpoint")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise HonteError(
            f"checkpoint format {metadata.get('format_version')!r} is unknown here "
            f"(this honte reads {FORMAT_VERSION}): use the honte that wrote it"
        )
    for key in ("network", "rules", "provenance"):
        if not isinstance(metadata.get(key), dict):
            raise HonteError(f"its metadata lacks {key!r}")
    config = NetworkConfig.from_dict(metadata["network"])
    planes = len(feature_set(config.features, config.feature_version).planes)
    if planes != config.planes:
        raise HonteError(
            f"it has {config.planes} input planes, but features {config.features!r} version "
            f"{config.feature_version} are {planes}"
        )
    with torch.device("meta"):
        check_tensors(tensors, Network(config), str(config))
    return Checkpoint(config, rules_from(metadata["rules"]), metadata["provenance"], tensors)


def rules_from(values: dict[str, Any]) -> Rules:
    """Return the rules that a file's metadata tells."""
    for name, value in values.items():
        if type(value) not in _RULE_TYPES.get(name, ()):
            raise HonteError(f"its rules are not understood: {name!r} is {value!r}")
    return Rules(**values)


def check_tensors(tensors: Mapping[str, Tensor], network: nn.Module, shape: str) -> None:
    """Compare tensors with a network's (it may be on `meta`) and see that all are finite."""
    expected = network.state_dict()
    if missing := sorted(set(expected) - set(tensors)):
        raise HonteError(f"tensor {missing[0]!r} is missing")
    if unknown := sorted(set(tensors) - set(expected)):
        raise HonteError(f"tensor {unknown[0]!r} is unknown to a {shape} network")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise HonteError(
                f"tensor {name!r} has shape {list(tensor.shape)}, "
                f"a {shape} network needs {list(expected[name].shape)}"
            )
        if tensor.dtype != torch.float32:
            raise HonteError(f"tensor {name!r} is {tensor.dtype}, not float32")
        if not bool(torch.isfinite(tensor).all()):
            raise HonteError(f"tensor {name!r} holds numbers that are not finite")


def _publish(path: Path, content: bytes) -> None:
    # The suffix by which a run removes at its next start what a kill has left behind.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
