"""What runs a network's arithmetic: one small interface, so that runtimes are interchangeable.

Letters: B batch, C input planes, N side, A = N*N + 1. All outputs are for the player to move.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Weights = Mapping[str, Tensor]
Precision = Literal["fp32", "bf16", "int8"]  # int8: the trunk's convolutions


def cpu_has_bf16() -> bool:
    """Return whether bf16 runs on this CPU's own instructions (ONEDNN_MAX_CPU_ISA is obeyed)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def cpu_has_vnni() -> bool:
    """Return whether this CPU adds up products of bytes in 32 bits; others do in 16 at first."""
    flags: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    named = any(flags.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
    return bool(named or getattr(torch.cpu, "_is_vnni_supported", bool)())


class BackendOutput(NamedTuple):
    """Float32 arrays; they are valid until the next run of the same backend."""

    policy: Floats  # [B, A] probabilities over all actions, illegal ones too
    value: Floats  # [B] p(win) - p(loss)
    ownership: Floats | None = None  # [B, N*N] in [-1, 1], with details only
    score: Floats | None = None  # [B] points, with details only


class Backend(Protocol):
    """A network ready to run; `run` may compile something the first time it sees a shape."""

    @property
    def name(self) -> str:
        """Runtime and precision, such as `openvino int8`."""
        ...

    @property
    def run_cost(self) -> int:
        """What a run costs beside its positions, in positions: how batches are best cut."""
        ...

    def run(self, planes: Floats) -> BackendOutput:
        """Evaluate planes [B, C, N, N] float32, C-contiguous."""
        ...

    def load(self, weights: Weights) -> None:
        """Replace the weights by others of the same network shape, in well under a second."""
        ...
