"""Backends agree, rows do not depend on their batch, symmetries are undone, refits take effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch

from agents.backend import Backend, BackendOutput, Floats, Precision, Weights, cpu_has_bf16
from agents.backend_choice import openvino_is_installed
from agents.checkpoint import Checkpoint
from agents.inference import (
    NetworkEvaluator,
    Symmetry,
    network_evaluator,
)
from agents.inference_config import InferenceConfig
from agents.network import SCORE_UNIT, Network
from agents.sample_planes import sample_planes
from agents.torch_backend import RecordedRun, TorchBackend
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import encode, feature_set
from go_env.position import Position
from go_env.rules import Rules
from go_env.symmetry import NUM_SYMMETRIES, action_tables, point_tables
from networks import filled_network

SIZE = 5
LEAN = feature_set("lean")
needs_openvino = pytest.mark.skipif(not openvino_is_installed(), reason="openvino is optional")
needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16")


def backend_of(kind: str, network: Network, details: bool = False) -> Backend:
    runtime, precision = kind.split()
    chosen = cast(Precision, precision)
    if runtime == "torch":
        return TorchBackend(network.config, network.state_dict(), chosen, details)
    from agents.openvino_backend import OpenvinoBackend

    return OpenvinoBackend(network.config, network.state_dict(), chosen, details)


KINDS = [
    "torch fp32",
    pytest.param("torch bf16", marks=needs_bf16),
    pytest.param("openvino fp32", marks=needs_openvino),
    pytest.param("openvino bf16", marks=[needs_openvino, needs_bf16]),
    pytest.param("openvino int8", marks=needs_openvino),
]


def tolerance(kind: str) -> float:
    return {"fp32": 2e-5, "bf16": 0.03, "int8": 0.06}[kind.split()[1]]


def random_positions(count: int, size: int = SIZE, seed: int = 0) -> list[Position]:
    rng = np.random.default_rng(seed)
    positions = []
    for _ in range(count):
        position = Position.initial(Rules(size=size, komi=24.0))
        for _ in range(int(rng.integers(size * size))):
            position = position.play(int(rng.choice(np.flatnonzero(position.legal()[:-1]))))
        positions.append(position)
    return positions


def evaluator_of(
    network: Network, symmetry: Symmetry = "none", kind: str = "torch fp32", max_batch: int = 16
) -> NetworkEvaluator:
    rng = np.random.default_rng(3)
    backend = backend_of(kind, network, details=True)
    return NetworkEvaluator(backend, LEAN, symmetry, rng, max_batch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "pool_every"), [(2, 3), (5, 3), (9, 3), (5, 0)])
def test_backends_answer_as_the_network_does(kind: str, size: int, pool_every: int) -> None:
    network = filled_network(pool_every=pool_every)
    planes = sample_planes(LEAN, size, 8, seed=1)
    with torch.no_grad():
        expected = network(torch.from_numpy(planes))
    probabilities = torch.softmax(expected.value, dim=1).numpy()
    output = backend_of(kind, network, details=True).run(planes)
    near = {"atol": tolerance(kind), "rtol": tolerance(kind)}
    np.testing.assert_allclose(output.policy, torch.softmax(expected.policy, 1).numpy(), **near)
    np.testing.assert_allclose(output.value, probabilities[:, 0] - probabilities[:, 2], **near)
    assert output.ownership is not None
    assert output.score is not None
    np.testing.assert_allclose(output.ownership, torch.tanh(expected.ownership).numpy(), **near)
    points = expected.score.numpy() * SCORE_UNIT
    np.testing.assert_allclose(output.score, points, atol=10 * tolerance(kind), rtol=0.03)
    assert output.value.std() > 0.01, "a constant would agree with anything"
    short = backend_of(kind, network).run(planes)
    np.testing.assert_allclose(short.policy, output.policy, **near)
    assert short.ownership is None


@pytest.mark.parametrize("kind", KINDS)
def test_new_weights_take_effect_in_every_shape(kind: str) -> None:
    old, new = filled_network(seed=1), filled_network(seed=2)
    planes = sample_planes(LEAN, SIZE, 8, seed=1)
    backend = backend_of(kind, old)
    for rows in (8, 4):
        backend.run(planes[:rows].copy())
    backend.load(new.state_dict())
    for rows in (8, 4):
        expected = backend_of(kind, new).run(planes[:rows].copy())
        np.testing.assert_array_equal(backend.run(planes[:rows].copy()).value, expected.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_its_batch(kind: str) -> None:
    """Neither on its place, nor on its neighbors, nor on how far the batch was padded."""
    evaluator = evaluator_of(filled_network(), kind=kind)
    positions = random_positions(11)
    whole = evaluator.evaluate(PositionBatch.of(positions))
    for i in (0, 4, 10):
        alone = evaluator.evaluate(PositionBatch.of([positions[i]]))
        moved = evaluator.evaluate(PositionBatch.of([positions[1], positions[i], positions[0]]))
        for mine, row in ((alone, 0), (moved, 1)):
            np.testing.assert_allclose(mine.policy[row], whole.policy[i], atol=tolerance(kind))
            np.testing.assert_allclose(mine.value[row], whole.value[i], atol=tolerance(kind))


@pytest.mark.parametrize("kind", KINDS[1:])  # torch's fp32 matrix product: only to rounding
def test_with_one_shape_rows_are_equal_to_the_last_bit(kind: str) -> None:
    """What makes a search independent of how games are batched together."""
    network = filled_network(channels=32)
    evaluator = NetworkEvaluator(backend_of(kind, network), LEAN, max_batch=8, min_batch=8)
    positions = random_positions(11)
    whole = evaluator.evaluate(PositionBatch.of(positions))
    for chosen in ([4], [7, 10, 2], list(range(10, -1, -1))):
        some = evaluator.evaluate(PositionBatch.of([positions[i] for i in chosen]))
        np.testing.assert_array_equal(some.policy, whole.policy[chosen])
        np.testing.assert_array_equal(some.value, whole.value[chosen])


def test_batches_above_the_limit_are_cut_and_joined() -> None:
    network = filled_network()
    positions = random_positions(11)
    whole = evaluator_of(network, max_batch=16).evaluate(PositionBatch.of(positions))
    parts = evaluator_of(network, max_batch=4).evaluate(PositionBatch.of(positions))
    for name in ("policy", "value", "score", "ownership"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-5)


def test_a_recorded_run_follows_its_input_and_new_weights() -> None:
    """What a CUDA graph does, with a recorder that computes again: all memory stays in place."""
    old, new = filled_network(seed=1), filled_network(seed=2)
    runs = []

    def record(
        function: Callable[[], tuple[torch.Tensor, ...]],
    ) -> tuple[tuple[torch.Tensor, ...], Callable[[], None]]:
        outputs = function()

        def replay() -> None:
            runs.append(1)
            for output, again in zip(outputs, function(), strict=True):
                output.copy_(again)

        return outputs, replay

    planes = torch.from_numpy(sample_planes(LEAN, SIZE, 8, seed=1))
    backend = TorchBackend(old.config, old.state_dict())
    with torch.inference_mode():
        run = RecordedRun(backend._answer, planes, torch.device("cpu"), record)
        for network, given in ((old, planes), (old, planes.flip(0)), (new, planes)):
            backend.load(network.state_dict())
            policy, value = run(given)
            plain = TorchBackend(network.config, network.state_dict())
            expected = plain.run(given.contiguous().numpy())
            np.testing.assert_array_equal(policy.numpy(), expected.policy)
            np.testing.assert_array_equal(value.numpy(), expected.value)
    assert len(runs) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_answers_as_the_cpu_does_also_after_new_weights() -> None:
    old, new = filled_network(seed=1), filled_network(seed=2)
    gpu = TorchBackend(old.config, old.state_dict(), "bf16", device="cuda")
    planes = sample_planes(LEAN, SIZE, 8, seed=1)
    for network in (old, new):
        gpu.load(network.state_dict())
        expected = TorchBackend(network.config, network.state_dict()).run(planes)
        for _ in range(2):
            answer = gpu.run(planes)
            np.testing.assert_allclose(answer.policy, expected.policy, atol=0.03)
            np.testing.assert_allclose(answer.value, expected.value, atol=0.03)
    assert all(run is not None for run in gpu._graphs.values()), "no graph was recorded"


def test_batches_arrive_whole_and_in_order() -> None:
    shapes = []

    class Recorder:
        """Its value is the sum of the planes, so that rows can be told apart."""

        name, run_cost = "recorder", 2

        def run(self, planes: Floats) -> BackendOutput:
            shapes.append(len(planes))
            policy = np.zeros((len(planes), 26), np.float32)
            return BackendOutput(policy, planes.sum(axis=(1, 2, 3)))

        def load(self, weights: Weights) -> None: ...

    evaluator = NetworkEvaluator(Recorder(), LEAN, max_batch=8)
    for count in (1, 5, 7, 19):
        positions = random_positions(count)
        answer = evaluator.evaluate(PositionBatch.of(positions))
        assert answer.policy.shape == (count, 26)
        planes = np.zeros((count, LEAN.num_planes, SIZE, SIZE), np.float32)
        encode(PositionBatch.of(positions), LEAN, planes)
        np.testing.assert_allclose(answer.value, planes.sum(axis=(1, 2, 3)), rtol=1e-6)
    assert shapes == [1, 4, 1, 8, 8, 8, 4]


def transformed(position: Position, symmetry: int) -> Position:
    table = action_tables(position.size)[symmetry]
    moves = [(color, int(table[action])) for color, action in position.moves]
    return Position.from_moves(position.rules, moves)


def test_averaging_makes_the_network_blind_to_the_board_s_orientation() -> None:
    evaluator = evaluator_of(filled_network(), symmetry="average")
    plain = evaluator_of(filled_network())
    position = random_positions(1, seed=4)[0]
    upright = evaluator.evaluate(PositionBatch.of([position]))
    assert upright.ownership is not None
    for symmetry in range(NUM_SYMMETRIES):
        turned = evaluator.evaluate(PositionBatch.of([transformed(position, symmetry)]))
        table = action_tables(SIZE)[symmetry]
        np.testing.assert_allclose(turned.policy[0, table], upright.policy[0], atol=1e-5)
        np.testing.assert_allclose(turned.value, upright.value, atol=1e-5)
        assert turned.ownership is not None
        points = point_tables(SIZE)[symmetry]
        np.testing.assert_allclose(turned.ownership[0, points], upright.ownership[0], atol=1e-5)
    alone = plain.evaluate(PositionBatch.of([position]))
    assert np.abs(alone.policy - upright.policy).max() > 1e-4, "this network has no orientation"


def test_a_random_symmetry_is_one_of_the_eight_views_turned_back() -> None:
    network = filled_network()
    position = random_positions(1, seed=4)[0]
    plain = evaluator_of(network)
    views = []
    for symmetry in range(NUM_SYMMETRIES):
        turned = plain.evaluate(PositionBatch.of([transformed(position, symmetry)]))
        views.append(turned.policy[0, action_tables(SIZE)[symmetry]])
    answers = evaluator_of(network, symmetry="random").evaluate(PositionBatch.of([position] * 16))
    seen = {int(np.argmin([np.abs(view - row).max() for view in views])) for row in answers.policy}
    closest = [min(np.abs(view - row).max() for view in views) for row in answers.policy]
    assert max(closest) < 1e-5
    assert len(seen) > 3


def test_a_checkpoint_becomes_an_evaluator() -> None:
    network = filled_network()
    checkpoint = Checkpoint(network.config, Rules(size=SIZE), {}, network.state_dict())
    evaluator = network_evaluator(checkpoint, SIZE)
    answer = evaluator.evaluate(PositionBatch.of(random_positions(3), evaluator.history))
    np.testing.assert_allclose(answer.policy.sum(axis=1), 1.0, atol=0.02)
    assert answer.score is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(HonteError, match="unknown backend 'tpu'"):
        InferenceConfig(backend="tpu")  # type: ignore[arg-type]
    with pytest.raises(HonteError, match="unknown precision"):
        InferenceConfig(precision="int4")  # type: ignore[arg-type]
    with pytest.raises(HonteError, match="unknown symmetry"):
        evaluator_of(filled_network(), symmetry="mirror")  # type: ignore[arg-type]
    with pytest.raises(HonteError, match="random generator"):
        NetworkEvaluator(backend_of("torch fp32", filled_network()), LEAN, "random")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error_in_one_line(device: str) -> None:
    network = filled_network()
    checkpoint = Checkpoint(network.config, Rules(size=SIZE), {}, network.state_dict())
    with pytest.raises(HonteError, match="no such GPU"):
        network_evaluator(checkpoint, SIZE, InferenceConfig(device=device))
