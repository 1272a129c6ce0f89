"""The configuration of a run: sections that live beside their readers, composed and checked here.

A run is described by a preset or a TOML file, then by `--set section.key=value`, both checked
against the dataclasses below. What results is written to the run directory and into checkpoints.
"""

import functools
import hashlib
import json
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.rules import Rules
from mcts.config import SearchConfig
from training.gatekeeper import GateConfig
from training.learner import LearnerConfig
from training.replay import ReplayConfig
from training.schedule import LoopConfig
from training.self_play import SelfPlayConfig
from training.settings import (
    build,
    merge,
    nearest,
    parse_overrides,
    to_mapping,
    to_toml,
    without_unknown,
)

# What a run may not change once it has begun: its games and weights would mean something else.
FIXED_KEYS = ("rules", "network", "function", "start_from")

# Packages whose versions change results.
_RECORDED_PACKAGES = ("honte", "numpy", "numba", "torch", "openvino", "ray", "safetensors")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run, apart from where its files lie and how long it lasts."""

    seed: int = 1
    start_from: str = ""  # a run or weights file, `honte`: the shipped one; "": random weights
    rules: Rules = field(default_factory=Rules)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    self_play: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not self.start_from.isprintable():  # nor can config.toml hold it
            raise HonteError(f"start_from {self.start_from!r} is not text: rename the file")
        _check_features(self.network)
        for size in (self.rules.size, *self.loop.small_sizes):
            self.self_play.rules(self.rules, size)  # says what is wrong with it
        if self.rules.move_limit is not None:
            raise HonteError("leave rules.move_limit out: self_play.move_limit ends training games")


def check_seed(seed: int) -> None:
    if seed < 0:
        raise HonteError(f"seed must not be negative (given {seed})")
    if seed >= 2**63:
        raise HonteError(f"seed must be below 2**63 (given {seed})")


def load_config(preset_or_path: str, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a preset (by name) or a TOML file, lay `section.key=value` texts over it, check it."""
    values = merge(read_values(preset_or_path), parse_overrides(overrides))
    return build(RunConfig, with_feature_shape(values))


def load_earlier(path: str) -> RunConfig:
    """Read the configuration that a run began with, perhaps under another version of Honte."""
    return build(RunConfig, without_unknown(RunConfig, read_values(path)))


def preset_names(family: str = "") -> list[str]:
    """Names of the presets; `family` is a folder below those of the main loop."""
    presets = resources.files("training") / "presets" / family
    return sorted(p.name.removesuffix(".toml") for p in presets.iterdir() if p.name[-5:] == ".toml")


def config_toml(config: object) -> str:
    """The resolved configuration as TOML; `load_config` reads the same values back."""
    return to_toml(to_mapping(config))


def config_hash(config: object) -> str:
    """Twelve hex digits that change when any value of the configuration does."""
    text = json.dumps(to_mapping(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Dotted names of the values in which two `to_mapping` results differ."""
    changed = []
    for key in sorted(old.keys() | new.keys()):
        where = f"{path}.{key}" if path else key
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changed += changed_keys(before, after, where)
        elif before != after:
            changed.append(where)
    return changed


def provenance(config: object) -> dict[str, Any]:
    """What made a checkpoint: resolved configuration, versions, git commit. JSON values only."""
    return {
        "config": to_mapping(config),
        "config_hash": config_hash(config),
        "versions": {"python": platform.python_version(), **_package_versions()},
        "platform": f"{sys.platform} {platform.machine()}",
        "git_commit": git_commit(),
    }


@functools.cache
def git_commit() -> str | None:
    """Commit of the code that runs, with `+dirty` if tracked files differ; None outside git.

    Read once: a checkout may move on under a run. A repository that this file is not part of, as
    around an installed package, is none of ours.
    """
    folder = Path(__file__).parent
    try:
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git(folder, "rev-parse", "HEAD").strip()
        dirty = _git(folder, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+dirty" if dirty else commit


def read_values(
    preset_or_path: str, family: str = "", extended_by: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Nested values of a preset or a TOML file, those that it `extends` included."""
    if preset_or_path in extended_by:
        raise HonteError(f"{preset_or_path} extends itself: give another preset or file there")
    is_file = preset_or_path.endswith(".toml")
    name = preset_or_path if is_file else f"preset {preset_or_path}"
    data = _file_bytes(preset_or_path) if is_file else _preset_bytes(preset_or_path, family)
    try:
        values = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise HonteError(f"{name} is not UTF-8 text: save it as such") from None
    except tomllib.TOMLDecodeError as error:
        raise HonteError(f"{name} is not valid TOML: {error}") from None
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise HonteError(f"{name}: 'extends' must name a preset or a .toml file, not {base!r}")
    if is_file and base.endswith(".toml"):
        base = str(Path(preset_or_path).parent / base)  # beside the file that names it
    return merge(read_values(base, family, (*extended_by, preset_or_path)), values)


def with_feature_shape(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in the version and number of planes that follow from the name of the feature set."""
    network = values.get("network", {})
    if not isinstance(network, Mapping):
        return values  # `build` says what is wrong with it
    name = network.get("features", NetworkConfig().features)
    if not isinstance(name, str):
        return values
    features = feature_set(name)
    shape = {"feature_version": features.version, "planes": len(features.planes)}
    return merge(values, {"network": merge(shape, network)})


def _file_bytes(path: str) -> bytes:
    if not Path(path).is_file():
        raise HonteError(f"no such config file: {path}")
    return Path(path).read_bytes()


def _preset_bytes(preset: str, family: str) -> bytes:
    names = preset_names(family)
    if preset not in names:
        hint = nearest(preset, names)
        raise HonteError(f"unknown preset '{preset}'{hint} (or give a .toml file)")
    return (resources.files("training") / "presets" / family / f"{preset}.toml").read_bytes()


def _check_features(network: NetworkConfig) -> None:
    planes = len(feature_set(network.features, network.feature_version).planes)
    if network.planes != planes:
        raise HonteError(
            f"network.planes is {network.planes}, but features '{network.features}' version "
            f"{network.feature_version} have {planes}; leave network.planes out"
        )


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in _RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
