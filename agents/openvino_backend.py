"""The network in OpenVINO: the fastest runtime on x86 CPUs (measured 1.6-3x torch, 8x at B = 1).

With precision int8 the convolutions of the residual branches, 95 % of the arithmetic, multiply
eight-bit integers: weights with a scale for each output channel, inputs (which follow a relu) with
one for each layer, up to the largest input that sample positions show. All else stays as it was.
Post-training quantization after Jacob et al. 2018. Without VNNI instructions the runtime adds
products in pairs of 16 bits, which two of 255 * 127 overflow: there inputs have seven bits.

The graph is built straight from the weights, with a fixed shape [B, C, N, N]. A new set of weights
means a new graph, ready in a tenth of a second (6x64 on 9x9; int8: a third). OpenVINO is optional:
import this module only where `backend_choice.openvino_is_installed` says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino
from openvino import Node
from openvino import opset13 as ops

from agents.backend import (
    BackendOutput,
    Floats,
    Precision,
    Weights,
    cpu_has_bf16,
    cpu_has_vnni,
)
from agents.network import NORM_EPSILON, POOL_CENTER, POOL_SPAN, SCORE_UNIT, NetworkConfig
from agents.sample_planes import sample_planes
from go_env.features import feature_set

_SAMPLE_POINTS = 10_000  # of all positions that show how large the inputs of layers are
_LEAST_SAMPLES, _SAMPLE_SEED = 24, 0
_LEVELS, _SYMMETRIC_LEVELS = 256, 255  # of an unsigned byte, and of a signed one without -128


class OpenvinoBackend:
    """One compiled model for each shape of batch in use, rebuilt when the weights change."""

    run_cost = 2  # measured, 6x64: 189 us of CPU at batch 1, 647 at 8, 64 a position at 64

    def __init__(
        self,
        config: NetworkConfig,
        weights: Weights,
        precision: Precision = "bf16",
        details: bool = False,
        threads: int = 1,
    ) -> None:
        self.name = f"openvino {precision}"
        self._config = config
        self._details = details
        self._quantized = precision == "int8"
        short = cpu_has_bf16() if self._quantized else precision == "bf16"
        self._floats = "bf16" if short else "f32"
        self._threads = threads
        self._core = openvino.Core()
        self._tops: dict[int, dict[str, float]] = {}  # the largest inputs of layers, by side
        self._requests: dict[tuple[int, ...], openvino.InferRequest] = {}
        self.load(weights)

    def load(self, weights: Weights) -> None:
        self._weights = {name: tensor.detach().float().numpy() for name, tensor in weights.items()}
        self._tops.clear()
        self._requests.clear()

    def run(self, planes: Floats) -> BackendOutput:
        request = self._requests.get(planes.shape)
        if request is None:
            tops = self._largest_inputs(planes.shape[2]) if self._quantized else {}
            model = build_model(self._config, self._weights, planes.shape, self._details, tops)
            request = self._request(model, self._floats)
            self._requests[planes.shape] = request
        request.set_input_tensor(openvino.Tensor(planes, shared_memory=True))
        request.infer()
        outputs = 4 if self._details else 2
        return BackendOutput(*[request.get_output_tensor(i).data for i in range(outputs)])

    def _request(self, model: openvino.Model, floats: str) -> openvino.InferRequest:
        properties = {
            "INFERENCE_PRECISION_HINT": floats,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Several processes, each with one thread: pinning would put them all on one core.
            "ENABLE_CPU_PINNING": False,
        }
        return self._core.compile_model(model, "CPU", properties).create_infer_request()

    def _largest_inputs(self, side: int) -> dict[str, float]:
        """Return the largest input of each quantized layer on boards of this side.

        Without VNNI twice that, of which the upper half is hardly used: 2 * 127 * 127 fits 16 bits.
        """
        if side not in self._tops:
            features = feature_set(self._config.features, self._config.feature_version)
            count = max(_LEAST_SAMPLES, _SAMPLE_POINTS // side**2)
            samples = sample_planes(features, side, count, _SAMPLE_SEED)
            names, model = build_probe(self._config, self._weights, samples.shape)
            request = self._request(model, self._floats)
            request.infer([samples])
            room = 1 if cpu_has_vnni() else 2
            found = [room * float(request.get_output_tensor(i).data) for i in range(len(names))]
            self._tops[side] = dict(zip(names, found, strict=True))
        return self._tops[side]


def build_model(
    config: NetworkConfig,
    weights: Mapping[str, Floats],
    shape: tuple[int, ...],
    details: bool,
    tops: Mapping[str, float] | None = None,
) -> openvino.Model:
    """Return the graph from planes to policy, value and, with details, ownership and score.

    Layers named in `tops` are quantized, for inputs from 0 to that number.
    """
    graph = _Graph(weights, tops or {})
    planes = ops.parameter(list(shape), np.float32, name="planes")
    trunk = graph.trunk(planes, config)
    outputs = [graph.policy(trunk), *graph.values(trunk, details)]
    return openvino.Model(outputs, [planes], f"honte {config}")


def build_probe(
    config: NetworkConfig, weights: Mapping[str, Floats], shape: tuple[int, ...]
) -> tuple[list[str], openvino.Model]:
    """Return the names of the layers to quantize, and the graph from planes to their top inputs."""
    graph = _Graph(weights, {})
    planes = ops.parameter(list(shape), np.float32, name="planes")
    graph.trunk(planes, config)
    axes = ops.constant(np.arange(4))
    tops = [ops.reduce_max(x, axes, keep_dims=False) for x in graph.branch_inputs.values()]
    return list(graph.branch_inputs), openvino.Model(tops, [planes], f"inputs of honte {config}")


class _Graph:
    """Layers of agents.network as OpenVINO nodes, by the same names.

    tops: the largest input of each convolution that is to be quantized.
    """

    def __init__(self, weights: Mapping[str, Floats], tops: Mapping[str, float]) -> None:
        self._weights = weights
        self._tops = tops
        self.branch_inputs: dict[str, Node] = {}  # of the convolutions in residual branches

    def conv(self, name: str, x: Node) -> Node:
        weight = self._weights[f"{name}.weight"]
        bias = self._weights[f"{name}.bias"]
        pad = [weight.shape[2] // 2] * 2
        kernel = ops.constant(weight)
        if name in self._tops:
            top = np.float32(max(self._tops[name], 1e-6))
            x = _rounded(x, np.float32(0.0), top, _LEVELS)
            reach = np.maximum(np.abs(weight).max(axis=(1, 2, 3), keepdims=True), 1e-12)
            kernel = _rounded(kernel, -reach, reach, _SYMMETRIC_LEVELS)
        y = ops.convolution(x, kernel, [1, 1], pad, pad, [1, 1])
        return ops.add(y, ops.constant(bias.reshape(1, -1, 1, 1)))

    def linear(self, name: str, x: Node) -> Node:
        y = ops.matmul(x, ops.constant(self._weights[f"{name}.weight"]), False, True)
        return ops.add(y, ops.constant(self._weights[f"{name}.bias"].reshape(1, -1)))

    def pool(self, x: Node) -> Node:
        side = x.get_output_shape(0)[2]
        axes = ops.constant(np.array([2, 3]))
        mean = ops.reduce_mean(x, axes, keep_dims=False)
        scale = np.float32((side - POOL_CENTER) / POOL_SPAN)
        highest = ops.reduce_max(x, axes, keep_dims=False)
        return ops.concat([mean, ops.multiply(mean, ops.constant(scale)), highest], 1)

    def bias_from(self, name: str, pooled: Node) -> Node:
        bias = self.linear(name, pooled)
        return ops.reshape(bias, ops.constant(np.array([0, 0, 1, 1])), True)

    def trunk(self, planes: Node, config: NetworkConfig) -> Node:
        x = self.conv("stem", planes)
        for i in range(config.blocks):
            x = ops.add(x, self.branch(f"blocks.{i}", x, config.pools(i)))
        return ops.relu(self.norm("norm", x))

    def norm(self, name: str, x: Node) -> Node:
        part = {
            key: self._weights[f"{name}.{key}"] for key in ("weight", "bias", "mean", "variance")
        }
        scale = part["weight"] / np.sqrt(part["variance"] + np.float32(NORM_EPSILON))
        shift = part["bias"] - part["mean"] * scale
        scale, shift = (each.reshape(1, -1, 1, 1) for each in (scale, shift))
        return ops.add(ops.multiply(x, ops.constant(scale)), ops.constant(shift))

    def branch(self, name: str, x: Node, pools: bool) -> Node:
        y = self.branch_conv(f"{name}.conv1", x)
        if pools:
            y = ops.add(y, self.bias_from(f"{name}.pool", self.pool(ops.relu(y))))
        return self.branch_conv(f"{name}.conv2", y)

    def branch_conv(self, name: str, x: Node) -> Node:
        self.branch_inputs[name] = ops.relu(x)
        return self.conv(name, self.branch_inputs[name])

    def policy(self, trunk: Node) -> Node:
        pooled = self.pool(ops.relu(self.conv("policy_head.pooled", trunk)))
        points = self.conv("policy_head.points", trunk)
        if "policy_head.bias.weight" in self._weights:
            points = ops.add(points, self.bias_from("policy_head.bias", pooled))
        points = self.conv("policy_head.policy.points", ops.relu(points))
        flat = ops.reshape(points, ops.constant(np.array([0, -1])), True)
        passing = ops.relu(self.linear("policy_head.passing", pooled))
        passing = self.linear("policy_head.policy.passing", passing)
        return ops.softmax(ops.concat([flat, passing], 1), 1)

    def values(self, trunk: Node, details: bool) -> list[Node]:
        points = ops.relu(self.conv("value_head.points", trunk))
        hidden = ops.relu(self.linear("value_head.hidden", self.pool(points)))
        odds = ops.softmax(self.linear("value_head.value", hidden), 1)
        # win - loss, as a product so that no gather is needed
        value = ops.matmul(odds, ops.constant(np.array([1, 0, -1], np.float32)), False, False)
        if not details:
            return [value]
        ownership = ops.tanh(self.conv("value_head.ownership", points))
        score = ops.multiply(
            self.linear("value_head.score", hidden), ops.constant(np.float32(SCORE_UNIT))
        )
        return [
            value,
            ops.reshape(ownership, ops.constant(np.array([0, -1])), True),
            ops.reshape(score, ops.constant(np.array([-1])), False),
        ]


def _rounded(x: Node, low: Floats | np.float32, high: Floats | np.float32, levels: int) -> Node:
    """Return x on evenly spaced levels from low to high, which the runtime keeps as bytes."""
    least, most = ops.constant(low), ops.constant(high)
    return ops.fake_quantize(x, least, most, least, most, levels)
