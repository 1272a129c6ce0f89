"""Which backend evaluates: measured, compared with fp32, overridden."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch

from agents import backend_choice
from agents.backend import BackendOutput, Floats, cpu_has_bf16
from agents.backend_choice import choose_backend, compare
from agents.champion import find_checkpoint
from agents.checkpoint import load_checkpoint
from agents.inference_config import InferenceConfig
from agents.sample_planes import sample_planes
from agents.torch_backend import TorchBackend, cudnn_chooses, torch_name
from go_env.errors import HonteError
from go_env.features import feature_set
from networks import filled_network

SIZE = 5


def test_the_choice_is_measured_reported_and_obeys_overrides() -> None:
    network = filled_network()
    weights = network.state_dict()
    chosen = choose_backend(network.config, weights, InferenceConfig(), SIZE)
    assert len(chosen.report) >= 1
    assert any(line.startswith(chosen.name) and "positions/s" in line for line in chosen.report)
    forced = InferenceConfig(backend="torch", precision="fp32")
    assert choose_backend(network.config, weights, forced, SIZE).name == "torch fp32"
    assert torch.get_num_threads() == 1


def test_a_cpu_without_bf16_gets_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_choice, "cpu_has_bf16", lambda: False)
    network = filled_network()
    chosen = choose_backend(network.config, network.state_dict(), InferenceConfig(), SIZE)
    assert not any("bf16" in line for line in chosen.report)
    with pytest.raises(HonteError, match="no bf16 instructions"):
        config = InferenceConfig(precision="bf16")
        choose_backend(network.config, network.state_dict(), config, SIZE)


def test_int8_needs_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    network = filled_network()
    monkeypatch.setattr(backend_choice, "openvino_is_installed", lambda: False)
    with pytest.raises(HonteError, match="int8 needs OpenVINO"):
        choose_backend(
            network.config, network.state_dict(), InferenceConfig(precision="int8"), SIZE
        )


@pytest.mark.skipif(not backend_choice.openvino_is_installed(), reason="openvino is optional")
@pytest.mark.parametrize("size", [5, 9])
def test_the_shipped_network_bears_eight_bits(size: int) -> None:
    """On other positions than those that the ranges of its layers come from."""
    from agents.openvino_backend import OpenvinoBackend

    checkpoint = load_checkpoint(find_checkpoint(""))
    network, weights = checkpoint.network, checkpoint.weights
    planes = sample_planes(feature_set(network.features, network.feature_version), size, 64, seed=9)
    short = OpenvinoBackend(network, weights, "int8").run(planes)
    reference = TorchBackend(network, weights).run(planes)
    difference = compare(short, reference)
    assert difference.acceptable
    floats = OpenvinoBackend(network, weights, "bf16" if cpu_has_bf16() else "fp32").run(planes)
    assert difference.policy > 3 * compare(floats, reference).policy, "nothing was rounded"


def test_without_openvino_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_choice, "openvino_is_installed", lambda: False)
    network = filled_network()
    chosen = choose_backend(network.config, network.state_dict(), InferenceConfig(), SIZE)
    assert chosen.name.startswith("torch")
    with pytest.raises(HonteError, match="openvino is not installed"):
        config = InferenceConfig(backend="openvino")
        choose_backend(network.config, network.state_dict(), config, SIZE)


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16")
def test_a_precision_that_changes_the_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and, after a good start, with the first weights that it cannot carry."""
    network = filled_network()
    weights = network.state_dict()
    loud = {name: w if name.startswith("norm") else w * 8 for name, w in weights.items()}
    monkeypatch.setattr(  # bf16 is no faster at this size of network
        backend_choice,
        "_seconds_per_run",
        lambda backend, *_: 2.0 if "fp32" in backend.name else 1.0,
    )
    config = InferenceConfig(backend="torch")
    chosen = choose_backend(network.config, weights, config, SIZE)
    assert chosen.name == "torch bf16"
    monkeypatch.setattr(backend_choice, "MAX_VALUE_ERROR", 1e-4)
    chosen.load(loud)
    assert chosen.name == "torch fp32"
    assert any("refused, differs from fp32" in line for line in chosen.report)
    bf16_only = dataclasses.replace(config, precision="bf16")
    with pytest.raises(HonteError, match="try precision=fp32"):
        choose_backend(network.config, loud, bf16_only, SIZE)


def test_backends_are_timed_by_the_clock_of_their_device() -> None:
    class Sleeper:
        """Wanted by others all the time: each of its runs takes 7 units of the device's clock."""

        device_time = 0.0

        def run(self, planes: Floats) -> BackendOutput:
            self.device_time += 7.0
            return BackendOutput(planes, planes)

    sleeper = Sleeper()
    planes = np.zeros((1, 1, 1, 1), np.float32)
    seconds = backend_choice._seconds_per_run(sleeper, planes, lambda: sleeper.device_time)  # type: ignore[arg-type]
    assert seconds == 7.0
    candidates = backend_choice.find_candidates(filled_network().config, InferenceConfig())
    on_gpu = torch.cuda.is_available()
    assert all((each.clock is time.process_time) != on_gpu for each in candidates)


def test_candidates_are_called_what_their_backends_are() -> None:
    """Else the choice of an earlier start would be measured anew each time."""
    network = filled_network()
    for candidate in backend_choice.find_candidates(network.config, InferenceConfig()):
        assert candidate.make(network.state_dict()).name == candidate.name
    assert torch_name("bf16", "cuda:1") == "torch bf16 cuda:1"


def test_cudnn_stays_in_use_while_it_chooses_its_algorithms() -> None:
    with cudnn_chooses():
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark


def test_differences_are_the_divergence_of_policies_and_the_distance_of_values() -> None:
    reference = BackendOutput(
        np.array([[0.5, 0.499, 0.001]], np.float32), np.array([0.1], np.float32)
    )
    output = BackendOutput(np.array([[0.25, 0.7, 0.05]], np.float32), np.array([0.4], np.float32))
    assert not compare(BackendOutput(2 * reference.policy, reference.value), reference).acceptable
    difference = compare(output, reference)
    ratios = np.log([0.5 / 0.25, 0.499 / 0.7, 0.001 / 0.05])
    assert difference.policy == pytest.approx(np.dot(reference.policy[0], ratios), rel=1e-5)
    assert difference.worst == pytest.approx(0.3)
    assert difference.value == pytest.approx(0.3)
    broken = BackendOutput(np.full((1, 3), np.nan, np.float32), reference.value)
    assert not compare(broken, reference).acceptable
