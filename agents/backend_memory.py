"""Which inference backend was measured to be the fastest here, so that the next start is quicker.

One JSON file beside the compiled kernels; a missing, foreign or unwritable one only means that the
measurement is made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

import llvmlite.binding
import torch

from agents.network import NetworkConfig
from go_env.jit import CACHE_FOLDER

_FILE = "backends.json"


def choice_key(network: NetworkConfig, settings: str, size: int) -> str:
    """Return a key that changes with the machine, the libraries and the question asked."""
    try:
        openvino = importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        openvino = "none"
    cpu = llvmlite.binding.get_host_cpu_name()  # such as sapphirerapids: a home may be shared
    machine = (platform.machine(), cpu, torch.backends.cpu.get_cpu_capability(), os.cpu_count())
    limits = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    parts = (machine, limits, torch.__version__, openvino, network.to_dict(), settings, size)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def recall(key: str) -> str | None:
    """Return the name of the backend that was chosen for this key, if it is known."""
    name = _read().get(key)
    return name if isinstance(name, str) else None


def remember(key: str, name: str) -> None:
    """Note a choice; the file is replaced in one step."""
    choices = {**_read(), key: name}
    temporary = _path().with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(choices, indent=1), encoding="utf-8")
        temporary.replace(_path())
    except OSError:
        return


def _path() -> Path:
    return CACHE_FOLDER.parent / _FILE


def _read() -> dict[str, object]:
    try:
        choices = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return choices if isinstance(choices, dict) else {}
