"""Checkpoints come back as they were, and anything else is refused in one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from agents.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from agents.network import Network, NetworkConfig, new_network
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.rules import Rules

PROVENANCE = {"git_commit": "abc", "games": 12, "hours": 0.5, "parent": None}


def small_network(seed: int = 3) -> Network:
    features = feature_set("lean")
    config = NetworkConfig.sized(2, 16, features.name, features.version, len(features.planes))
    return new_network(config, seed)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, small_network(), Rules(size=5, komi=24.0), PROVENANCE)
    return path


def test_what_was_saved_comes_back(saved: Path) -> None:
    checkpoint = load_checkpoint(saved)
    assert checkpoint.rules == Rules(size=5, komi=24.0)
    assert checkpoint.provenance == PROVENANCE
    network = small_network()
    planes = torch.rand(2, network.config.planes, 5, 5)
    for ours, theirs in zip(network(planes), checkpoint.build()(planes), strict=True):
        assert torch.equal(ours, theirs)


def test_equal_content_gives_equal_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    provenance = dict(reversed(PROVENANCE.items()))
    save_checkpoint(again, small_network(), Rules(size=5, komi=24.0), provenance)
    assert again.read_bytes() == saved.read_bytes()
    save_checkpoint(again, small_network(seed=4), Rules(size=5, komi=24.0), provenance)
    assert again.read_bytes() != saved.read_bytes()


def test_channels_last_weights_are_saved_in_plain_order(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    network = small_network()
    network.to(memory_format=torch.channels_last)
    save_checkpoint(again, network, Rules(size=5, komi=24.0), PROVENANCE)
    assert again.read_bytes() == saved.read_bytes()


def test_a_failed_save_leaves_the_old_file_and_no_litter(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(saved, small_network(seed=9), Rules(), PROVENANCE)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_optimizer_tensors_of_any_type_come_back(tmp_path: Path) -> None:
    tensors = {"step": torch.tensor(7), "mean": torch.rand(3), "half": torch.rand(2).bfloat16()}
    save_tensors(tmp_path / "state", tensors, {"step": 7})
    loaded, metadata = load_tensors(tmp_path / "state")
    assert metadata == {"step": 7}
    assert set(loaded) == set(tensors)
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


Damage = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]


def _drop(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    del tensors["stem.bias"]


def _add(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["extra.weight"] = torch.zeros(1)


def _reshape(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["stem.bias"] = torch.zeros(15)


def _retype(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["stem.bias"] = tensors["stem.bias"].double()


def _poison(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["stem.bias"][3] = float("nan")


def _metadata(**changes: Any) -> Damage:
    def damage(_: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
        for path, value in changes.items():
            *parents, last = path.split("__")
            target = metadata
            for parent in parents:
                target = target[parent]
            target[last] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop, "'stem.bias' is missing"),
        (_add, "'extra.weight' is unknown to a 2x16 network"),
        (_reshape, r"'stem.bias' has shape \[15\], a 2x16 network needs \[16\]"),
        (_retype, "'stem.bias' is torch.float64, not float32"),
        (_poison, "'stem.bias' holds numbers that are not finite"),
        (_metadata(format="other"), "not a network checkpoint"),
        (_metadata(format_version=99), "format 99 is unknown here"),
        (_metadata(network=None), "lacks 'network'"),
        (_metadata(network__feature_version=99), "99"),
        (_metadata(network__features="nonsense"), "nonsense"),
        (_metadata(network__planes=3), "3 input planes"),
        (_metadata(network__blocks=0), "blocks must be an integer from 1 to 1000, not 0"),
        (_metadata(network__blocks=10**5), "blocks must be an integer from 1 to 1000"),
        (_metadata(network__channels=10**10), "channels must be an integer from 1 to 10000"),
        (_metadata(network__features=["lean"]), "features must be a name"),
        (_metadata(network__depth=4), "missing or unknown keys: depth"),
        (_metadata(rules__ko="triple"), "unknown ko rule 'triple'"),
        (_metadata(rules__handicap=1), "rules are not understood"),
        (_metadata(rules__suicide="no"), "rules are not understood: 'suicide' is 'no'"),
        (_metadata(rules__size=9.5), "rules are not understood: 'size' is 9.5"),
    ],
)
def test_damage_is_named_in_one_line(saved: Path, damage: Damage, message: str) -> None:
    tensors, metadata = load_tensors(saved)
    damage(tensors, metadata)
    save_tensors(saved, tensors, metadata)
    with pytest.raises(HonteError, match=message) as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_truncated_file_is_refused(saved: Path, length: int) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(HonteError, match="truncated or no safetensors file"):
        load_checkpoint(saved)


def test_files_of_others_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(HonteError, match="there is no such file"):
        load_checkpoint(tmp_path / "absent")
    for metadata in (None, {"honte": "{"}, {"honte": json.dumps([1])}):
        saved.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}, metadata))
        with pytest.raises(HonteError, match=r"not written by honte|not a JSON object"):
            load_checkpoint(saved)
