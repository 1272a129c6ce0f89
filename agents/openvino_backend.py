"""The network in OpenVINO: the fastest runtime on x86 CPUs (measured 1.6-3x torch, 8x at B = 1).

The graph is built straight from the weights, with a fixed shape [B, C, N, N]. A new set of weights
means a new graph, ready in less than a tenth of a second. OpenVINO is optional: import this module
only where `backend_choice.openvino_is_installed` says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openvino
from openvino import Node
from openvino import opset13 as ops

from agents.backend import BackendOutput, Floats, Precision, Weights
from agents.network import NORM_EPSILON, POOL_CENTER, POOL_SPAN, SCORE_UNIT, NetworkConfig

_HINTS = {"fp32": "f32", "bf16": "bf16"}


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
        self._core = openvino.Core()
        self._properties = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Several processes, each with one thread: pinning would put them all on one core.
            "ENABLE_CPU_PINNING": False,
        }
        self._requests: dict[tuple[int, ...], openvino.InferRequest] = {}
        self.load(weights)

    def load(self, weights: Weights) -> None:
        self._weights = {name: tensor.detach().float().numpy() for name, tensor in weights.items()}
        self._requests.clear()

    def run(self, planes: Floats) -> BackendOutput:
        request = self._requests.get(planes.shape)
        if request is None:
            request = self._compile(planes.shape)
            self._requests[planes.shape] = request
        request.set_input_tensor(openvino.Tensor(planes, shared_memory=True))
        request.infer()
        outputs = 4 if self._details else 2
        return BackendOutput(*[request.get_output_tensor(i).data for i in range(outputs)])

    def _compile(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        model = build_model(self._config, self._weights, shape, self._details)
        return self._core.compile_model(model, "CPU", self._properties).create_infer_request()


def build_model(
    config: NetworkConfig,
    weights: Mapping[str, Floats],
    shape: tuple[int, ...],
    details: bool,
) -> openvino.Model:
    """Return the graph from planes to policy, value and, with details, ownership and score."""
    graph = _Graph(weights)
    planes = ops.parameter(list(shape), np.float32, name="planes")
    trunk = graph.trunk(planes, config)
    outputs = [graph.policy(trunk), *graph.values(trunk, details)]
    return openvino.Model(outputs, [planes], f"honte {config}")


class _Graph:
    """Layers of agents.network as OpenVINO nodes, by the same names."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._weights = weights

    def conv(self, name: str, x: Node) -> Node:
        weight = self._weights[f"{name}.weight"]
        bias = self._weights[f"{name}.bias"]
        pad = [weight.shape[2] // 2] * 2
        y = ops.convolution(x, ops.constant(weight), [1, 1], pad, pad, [1, 1])
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
        y = self.conv(f"{name}.conv1", ops.relu(x))
        if pools:
            y = ops.add(y, self.bias_from(f"{name}.pool", self.pool(ops.relu(y))))
        return self.conv(f"{name}.conv2", ops.relu(y))

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
