"""How a network is to be evaluated, as plain values: read without loading torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from go_env.errors import HonteError


@dataclass(frozen=True)
class InferenceConfig:
    """How a network is evaluated; `auto` is decided by measurement on this machine."""

    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"  # int8: with OpenVINO only
    device: str = "auto"  # cpu, cuda, cuda:1; auto: cuda where there is one
    details: bool = False  # also ownership and score
    threads: int = 1  # of this whole process
    max_batch: int = 256  # larger batches are cut
    min_batch: int = 1  # smaller ones are padded; equal to max_batch: exact under any batching

    @property
    def needs_cpu(self) -> bool:
        """Whether it asks for what no GPU does."""
        return self.backend == "openvino" or self.precision == "int8"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("backend", self.backend, ("auto", "torch", "openvino")),
            ("precision", self.precision, ("auto", "fp32", "bf16", "int8")),
        ):
            if value not in known:
                raise HonteError(f"unknown {name} {value!r}: use one of {', '.join(known)}")
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise HonteError(f"unknown device {self.device!r}: use auto, cpu, cuda or cuda:1")
        if self.threads < 1 or not 1 <= self.min_batch <= self.max_batch:
            raise HonteError("inference needs threads >= 1 and 1 <= min_batch <= max_batch")
