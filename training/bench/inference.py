"""Measures network inference beside the arithmetic ceiling of the same core, in one run.

Positions per second are given by the wall clock and by CPU time: the latter is what a core would
do if nobody else were using it. Random weights, random sparse planes; medians of short runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from agents.backend import Floats, cpu_has_bf16, cpu_has_vnni
from agents.backend_choice import Candidate, find_candidates
from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig, new_network
from go_env.errors import HonteError
from go_env.features import feature_set

NETWORKS = ("3x32", "4x48", "6x64", "6x96", "10x128")
BATCHES = (1, 8, 32, 64, 256)
_MATMUL_SIDE = 1024
_NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
_PLANE_DENSITY = 0.3


@dataclass(frozen=True)
class InferenceRow:
    """One network on one backend at one batch size."""

    network: str
    backend: str
    size: int
    batch: int
    first_run_s: float  # building it and its first answer
    positions_per_s: float
    positions_per_cpu_s: float
    gflop_per_s: float  # of CPU time
    ceiling_share: float | None  # of the measured matrix product in the same numbers


@dataclass(frozen=True)
class _Speed:
    per_s: float
    per_cpu_s: float


def measure_inference(
    networks: Sequence[str] = NETWORKS,
    batches: Sequence[int] = BATCHES,
    size: int = 9,
    seconds: float = 0.5,
    ceilings: dict[str, float] | None = None,
) -> Iterable[InferenceRow]:
    """Yield a row for every network, backend and batch as it is measured, on one thread."""
    config = InferenceConfig()
    ceilings = ceilings or measure_ceilings(seconds)
    for text in networks:
        network = parse_network(text)
        for candidate in find_candidates(network, config):
            for batch in batches:
                yield _measure(network, candidate, size, batch, seconds, ceilings)


def measure_ceilings(seconds: float = 0.5) -> dict[str, float]:
    """Return 10**9 operations per second of CPU time of a large matrix product, by precision.

    Only of those that torch multiplies by instructions made for them.
    """
    torch.set_num_threads(1)
    able = {"fp32": True, "bf16": cpu_has_bf16(), "int8": cpu_has_vnni()}
    ceilings = {}
    for name, dtype in _NUMBERS.items():
        if not able[name]:
            continue
        left, right = ((100 * torch.rand(_MATMUL_SIDE, _MATMUL_SIDE)).to(dtype) for _ in range(2))
        product = torch._int_mm if name == "int8" else torch.matmul
        with torch.inference_mode():
            speed = _speed(lambda: product(left, right), seconds)  # noqa: B023
        ceilings[name] = speed.per_cpu_s * 2 * _MATMUL_SIDE**3 / 1e9
    return ceilings


def flop_per_position(config: NetworkConfig, size: int) -> float:
    """Return the arithmetic of the convolutions; the rest is below one percent."""
    trunk = config.planes * config.channels * 9 + config.blocks * 2 * 9 * config.channels**2
    heads = config.channels * config.head_channels * 3
    return 2.0 * size * size * (trunk + heads)


def parse_network(text: str) -> NetworkConfig:
    """Return the config of `6x64`: blocks and channels, with the features in use."""
    blocks, _, channels = text.partition("x")
    if not (blocks.isdigit() and channels.isdigit()):
        raise HonteError(f"network {text!r} is not understood: give blocks x channels, as in 6x64")
    features = feature_set("lean")
    return NetworkConfig.sized(
        int(blocks), int(channels), features.name, features.version, features.num_planes
    )


def table(rows: Iterable[InferenceRow], ceilings: dict[str, float]) -> str:
    """Return rows as text for a terminal."""
    lines = [
        "ceiling of one matrix product: "
        + ", ".join(f"{name} {rate:,.0f} G op/s" for name, rate in ceilings.items()),
        f"{'network':8}{'backend':15}{'batch':>6}{'first s':>9}{'pos/s':>11}"
        f"{'pos/cpu-s':>11}{'G op/s':>9}{'ceiling':>9}",
    ]
    lines += [
        f"{row.network:8}{row.backend:15}{row.batch:6}{row.first_run_s:9.3f}"
        f"{row.positions_per_s:11,.0f}{row.positions_per_cpu_s:11,.0f}"
        f"{row.gflop_per_s:9,.0f}"
        + ("" if row.ceiling_share is None else f"{row.ceiling_share:9.0%}")
        for row in rows
    ]
    return "\n".join(lines)


def _measure(
    network: NetworkConfig,
    candidate: Candidate,
    size: int,
    batch: int,
    seconds: float,
    ceilings: dict[str, float],
) -> InferenceRow:
    weights = new_network(network, seed=0).state_dict()
    planes = _random_planes(batch, network.planes, size)
    start = time.perf_counter()
    backend = candidate.make(weights)
    backend.run(planes)
    first_run_s = time.perf_counter() - start
    speed = _speed(lambda: backend.run(planes), seconds)
    ceiling = ceilings.get(candidate.name.split()[-1])
    gflop_per_s = speed.per_cpu_s * batch * flop_per_position(network, size) / 1e9
    return InferenceRow(
        network=str(network),
        backend=candidate.name,
        size=size,
        batch=batch,
        first_run_s=first_run_s,
        positions_per_s=speed.per_s * batch,
        positions_per_cpu_s=speed.per_cpu_s * batch,
        gflop_per_s=gflop_per_s,
        ceiling_share=gflop_per_s / ceiling if ceiling else None,
    )


def _speed(run: Callable[[], object], seconds: float) -> _Speed:
    """Return runs per second: the median of single runs by the clock, the mean by CPU time."""
    for _ in range(2):
        run()
    walls: list[float] = []
    cpu_start, end = time.process_time(), time.perf_counter() + seconds
    while len(walls) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        walls.append(time.perf_counter() - start)
    cpu_s = (time.process_time() - cpu_start) / len(walls)
    return _Speed(per_s=1 / median(walls), per_cpu_s=1 / cpu_s)


def _random_planes(batch: int, planes: int, size: int) -> Floats:
    rng = np.random.default_rng(0)
    return (rng.random((batch, planes, size, size)) < _PLANE_DENSITY).astype(np.float32)
