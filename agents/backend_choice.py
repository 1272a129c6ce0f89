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

from agents.backend import Backend, BackendOutput, Floats, Precision, Weights, cpu_has_bf16
from agents.backend_memory import choice_key, recall, remember
from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig
from agents.sample_planes import sample_planes
from agents.torch_backend import TorchBackend, torch_name
from go_env.errors import HonteError
from go_env.features import feature_set

MAX_POLICY_ERROR = 0.01
MAX_VALUE_ERROR = 0.03
MAX_ROW_ERROR = 0.3  # of either, in any one position
NUM_CHECK_POSITIONS = 32
_CHECK_SEED = 1  # other games than those that ranges for int8 are taken from
_TIMING_S = 0.03  # of each candidate, after its first run


@dataclass(frozen=True)
class Difference:
    """How far one backend's outputs lie from the reference's, over some positions."""

    policy: float  # mean Kullback-Leibler divergence, in nats
    value: float  # mean absolute difference
    worst: float  # the largest of either in one position

    @property
    def acceptable(self) -> bool:
        near = self.policy <= MAX_POLICY_ERROR and self.value <= MAX_VALUE_ERROR
        return near and self.worst <= MAX_ROW_ERROR

    def __str__(self) -> str:
        return f"policy KL {self.policy:.1e}, |d v| {self.value:.4f}"


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
        self.refused = False  # whether one that runs here did not agree about these weights
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
        self._reference.load(weights)
        if self.refused:  # what was refused may carry these
            self._backend = self._choose(weights)
            return
        self._backend.load(weights)
        difference = self._difference(self._backend)
        if not difference.acceptable:
            self._backend = self._choose(weights)
            self.report.insert(0, f"new weights do not agree with fp32 ({difference})")

    def _choose(self, weights: Weights) -> Backend:
        """Return the fastest backend that agrees, and report on all of them."""
        fastest, chosen = math.inf, None
        self.report, self.refused = [], False
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
                self.refused = True
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
    planes = sample_planes(features, size, NUM_CHECK_POSITIONS, _CHECK_SEED)
    chosen = CheckedBackend(candidates, reference, planes, weights, favorite)
    if chosen.name != favorite and not chosen.refused:
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
    precisions: list[Precision] = ["int8", "bf16", "fp32"]
    if on_cpu and not cpu_has_bf16():
        precisions.remove("bf16")
    if config.precision != "auto":
        precisions = [config.precision]
    found = []
    if on_cpu and config.backend != "torch" and openvino_is_installed():
        found += [_openvino_candidate(network, config, each) for each in precisions]
    if config.backend != "openvino":
        own = [each for each in precisions if each != "int8"]
        found += [_torch_candidate(network, config, each, device) for each in own]
    if not found:
        raise HonteError("precision int8 needs OpenVINO, on a CPU: use precision=auto")
    return found


def openvino_is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def compare(output: BackendOutput, reference: BackendOutput) -> Difference:
    floor = np.float32(1e-9)
    ratio = np.log(np.maximum(reference.policy, floor) / np.maximum(output.policy, floor))
    # with the difference of the sums, it is never negative, whatever the answers sum to
    policy = (reference.policy * ratio - reference.policy + output.policy).sum(axis=1)
    value = np.abs(output.value - reference.value)
    found = [policy.mean(), value.mean(), max(policy.max(), value.max())]
    return Difference(*(float(each) for each in np.nan_to_num(found, nan=np.inf)))


def _device(config: InferenceConfig) -> str:
    usable = torch.cuda.is_available()
    if config.device == "auto":
        return "cuda" if usable and not config.needs_cpu else "cpu"
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
