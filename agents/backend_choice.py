"""Chooses what runs the network on this machine: by measurement, and only if its answers agree.

Every candidate is compared with torch in float32 on fixed positions, again with each new set of
weights, and the fastest that agrees is taken. On a CPU one process uses one thread: two contended
torch threads were measured at a fifteenth of the speed of one.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from agents.backend import Backend, BackendOutput, Floats, Precision, Weights
from agents.backend_memory import choice_key, recall, remember
from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig
from agents.torch_backend import TorchBackend, cpu_has_bf16, torch_name
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import FeatureSet, encode, feature_set
from go_env.position import Position
from go_env.rules import Rules, fair_komi

PROBABLE = 0.02  # moves whose probabilities are compared
MAX_LOG_POLICY_ERROR = 0.2
MAX_VALUE_ERROR = 0.06
NUM_CHECK_POSITIONS = 8
_TIMING_S = 0.03  # of each candidate, after its first run


@dataclass(frozen=True)
class Difference:
    """The largest differences of one backend's outputs from the reference's."""

    log_policy: float  # over actions of at least PROBABLE
    value: float

    @property
    def acceptable(self) -> bool:
        return self.log_policy <= MAX_LOG_POLICY_ERROR and self.value <= MAX_VALUE_ERROR

    def __str__(self) -> str:
        return f"|d log p| {self.log_policy:.4f}, |d v| {self.value:.4f}"


@dataclass(frozen=True)
class Candidate:
    """A runtime and a precision that could run here."""

    name: str
    make: Callable[[Weights], Backend] = field(repr=False)
    clock: Callable[[], float] = time.process_time  # of a GPU: the wall's


class CheckedBackend:
    """The fastest agreeing candidate; each new set of weights is checked against torch fp32.

    `favorite` is the name of the candidate that was the fastest before: it is taken without being
    timed, if it still agrees.
    """

    def __init__(
        self,
        candidates: list[Candidate],
        reference: TorchBackend,
        planes: Floats,
        weights: Weights,
        favorite: str | None = None,
    ) -> None:
        self._candidates = sorted(candidates, key=lambda each: each.name != favorite)
        self._favorite = favorite
        self._reference = reference
        self._planes = planes
        self.report: list[str] = []
        self._backend = self._choose(weights)

    @property
    def name(self) -> str:
        return self._backend.name

    @property
    def run_cost(self) -> int:
        return self._backend.run_cost

    def run(self, planes: Floats) -> BackendOutput:
        return self._backend.run(planes)

    def load(self, weights: Weights) -> None:
        self._backend.load(weights)
        self._reference.load(weights)
        difference = self._difference(self._backend)
        if not difference.acceptable:
            self._backend = self._choose(weights)
            self.report.insert(0, f"new weights do not agree with fp32 ({difference})")

    def _choose(self, weights: Weights) -> Backend:
        """Return the fastest backend that agrees, and report on all of them."""
        fastest, chosen = math.inf, None
        self.report = []
        for candidate in self._candidates:
            try:
                backend = candidate.make(weights)
                difference = self._difference(backend)
            except RuntimeError as error:  # such as an instruction set that was forbidden
                self.report.append(f"{candidate.name}: cannot run here ({_last_line(error)})")
                continue
            seconds = _seconds_per_run(backend, self._planes, candidate.clock)
            rate = f"{len(self._planes) / seconds:,.0f} positions/s"
            if not difference.acceptable:
                self.report.append(f"{candidate.name}: refused, differs from fp32 by {difference}")
                continue
            self.report.append(f"{candidate.name}: {rate}, {difference}")
            if seconds < fastest:
                fastest, chosen = seconds, backend
            if candidate.name == self._favorite:
                break
        if chosen is None:
            reasons = "; ".join(self.report)
            raise HonteError(f"no inference backend works here; try precision=fp32 ({reasons})")
        return chosen

    def _difference(self, backend: Backend) -> Difference:
        return compare(backend.run(self._planes), self._reference.run(self._planes))


def choose_backend(
    network: NetworkConfig, weights: Weights, config: InferenceConfig, size: int
) -> CheckedBackend:
    """Return the backend for boards about this side; its report says why it was chosen.

    This is the one place that sets the number of torch's threads.
    """
    torch.set_num_threads(config.threads)
    features = feature_set(network.features, network.feature_version)
    candidates = find_candidates(network, config)
    reference = TorchBackend(network, weights, "fp32", device=_device(config))
    key = choice_key(network, f"{config} {[each.name for each in candidates]}", size)
    favorite = recall(key)
    chosen = CheckedBackend(candidates, reference, check_planes(features, size), weights, favorite)
    if chosen.name != favorite:
        remember(key, chosen.name)
    return chosen


def find_candidates(network: NetworkConfig, config: InferenceConfig) -> list[Candidate]:
    """Return what this machine and the config allow.

    Raises:
        HonteError: if they allow nothing, with the reason.
    """
    device = _device(config)
    on_cpu = device == "cpu"
    if config.backend == "openvino" and not (on_cpu and openvino_is_installed()):
        raise HonteError(
            "backend openvino is not installed here (or not for this device): use auto"
        )
    if config.precision == "bf16" and on_cpu and not cpu_has_bf16():
        raise HonteError("this CPU has no bf16 instructions (or may not use them): use fp32")
    precisions: list[Precision] = ["bf16"] if not on_cpu or cpu_has_bf16() else []
    precisions.append("fp32")
    if config.precision != "auto":
        precisions = [config.precision]
    found = []
    if on_cpu and config.backend != "torch" and openvino_is_installed():
        found += [_openvino_candidate(network, config, precision) for precision in precisions]
    if config.backend != "openvino":
        found += [_torch_candidate(network, config, precision, device) for precision in precisions]
    return found


def openvino_is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def compare(output: BackendOutput, reference: BackendOutput) -> Difference:
    probable = reference.policy >= PROBABLE
    floor = np.float32(1e-9)
    log_ratio = np.log(np.maximum(output.policy, floor)) - np.log(
        np.maximum(reference.policy, floor)
    )
    worst_policy = np.abs(log_ratio[probable]).max(initial=0.0)
    worst_value = np.abs(output.value - reference.value).max(initial=0.0)
    worst = np.nan_to_num([worst_policy, worst_value], nan=np.inf)
    return Difference(float(worst[0]), float(worst[1]))


def check_planes(features: FeatureSet, size: int) -> Floats:
    """Return the planes of fixed positions of random games, [NUM_CHECK_POSITIONS, C, N, N]."""
    rng = np.random.default_rng(0)
    position = Position.initial(Rules(size=size, komi=fair_komi(size)))
    positions = []
    for i in range(NUM_CHECK_POSITIONS):
        for _ in range(0 if i == 0 else max(1, size * size // NUM_CHECK_POSITIONS - 1)):
            legal = np.flatnonzero(position.legal()[:-1])
            position = position.play(int(rng.choice(legal)) if len(legal) else size * size)
        positions.append(position)
    batch = PositionBatch.of(positions, features.history)
    planes = np.zeros((len(batch), features.num_planes, size, size), np.float32)
    encode(batch, features, planes)
    return planes


def _device(config: InferenceConfig) -> str:
    usable = torch.cuda.is_available()
    if config.device == "auto":
        return "cuda" if usable and config.backend != "openvino" else "cpu"
    _, _, index = config.device.partition(":")
    if config.device != "cpu" and not (usable and int(index or 0) < torch.cuda.device_count()):
        raise HonteError(f"device {config.device}: no such GPU is usable here; use device=cpu")
    return config.device


def _torch_candidate(
    network: NetworkConfig, config: InferenceConfig, precision: Precision, device: str
) -> Candidate:
    def make(weights: Weights) -> Backend:
        return TorchBackend(network, weights, precision, config.details, device)

    clock = time.process_time if device == "cpu" else time.perf_counter
    return Candidate(torch_name(precision, device), make, clock)


def _openvino_candidate(
    network: NetworkConfig, config: InferenceConfig, precision: Precision
) -> Candidate:
    def make(weights: Weights) -> Backend:
        from agents.openvino_backend import OpenvinoBackend  # optional, and 0.13 s to import

        return OpenvinoBackend(network, weights, precision, config.details, config.threads)

    return Candidate(f"openvino {precision}", make)


def _seconds_per_run(backend: Backend, planes: Floats, clock: Callable[[], float]) -> float:
    """Return the shortest time of a few runs.

    On a CPU by the time that this process had: others that use the machine do not sway the choice.
    """
    best, end = math.inf, time.perf_counter() + _TIMING_S
    while best == math.inf or time.perf_counter() < end:
        start = clock()
        backend.run(planes)
        best = min(best, clock() - start)
    return best


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
