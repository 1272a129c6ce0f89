"""The network in torch: runs everywhere, and is what every other backend is checked against."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn

from agents.backend import BackendOutput, Floats, Precision, Weights
from agents.network import SCORE_UNIT, Network, NetworkConfig, value_from_logits

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def cpu_has_bf16() -> bool:
    """Return whether bf16 runs on this CPU's own instructions (ONEDNN_MAX_CPU_ISA is obeyed)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class TorchBackend:
    """Weights of one precision in channels_last; on CUDA one graph per shape of batch."""

    def __init__(
        self,
        config: NetworkConfig,
        weights: Weights,
        precision: Precision = "fp32",
        details: bool = False,
        device: str = "cpu",
    ) -> None:
        self.name = f"torch {precision}" + ("" if device == "cpu" else f" {device}")
        self._device = torch.device(device)
        self._dtype = _DTYPES[precision]
        network = Network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._answers = _Answers(network, details).to(self._device, self._dtype).eval()
        self._graphs: dict[torch.Size, _CudaGraph | None] = {}
        self._lock = threading.Lock()
        self.load(weights)

    def load(self, weights: Weights) -> None:
        with self._lock:  # copies in place, so that recorded graphs stay valid
            self._answers.network.load_state_dict(weights)

    @torch.inference_mode()
    def run(self, planes: Floats) -> BackendOutput:
        given = torch.from_numpy(planes)
        if self._device.type == "cuda":
            with self._lock:
                outputs = self._run_cuda(given)
        else:
            outputs = self._answer(given)
        return BackendOutput(*[output.numpy() for output in outputs])

    def _answer(self, planes: Tensor) -> tuple[Tensor, ...]:
        cast = planes.to(self._device, self._dtype, memory_format=torch.channels_last)
        outputs: tuple[Tensor, ...] = self._answers(cast)
        return outputs

    def _run_cuda(self, planes: Tensor) -> tuple[Tensor, ...]:
        if planes.shape not in self._graphs:
            self._graphs[planes.shape] = self._record(planes)
        graph = self._graphs[planes.shape]
        outputs = self._answer(planes) if graph is None else graph.replay(planes)
        return tuple(output.cpu() for output in outputs)

    def _record(self, planes: Tensor) -> _CudaGraph | None:
        """Return a CUDA graph for this shape, or None where the driver refuses to record one."""
        try:
            return _CudaGraph(self._answer, planes)
        except RuntimeError:
            return None


class _Answers(nn.Module):
    """The network followed by what turns its logits into probabilities and points, in float32."""

    def __init__(self, network: Network, details: bool) -> None:
        super().__init__()
        self.network = network
        self.details = details

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        if not self.details:
            policy, value = self.network.forward_policy_value(planes)
            return torch.softmax(policy, dim=1), value_from_logits(value)
        output = self.network(planes)
        return (
            torch.softmax(output.policy, dim=1),
            value_from_logits(output.value),
            torch.tanh(output.ownership),
            output.score * SCORE_UNIT,
        )


class _CudaGraph:
    """A recorded run over fixed buffers; replaying costs one launch."""

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], example: Tensor) -> None:
        self._input = example.cuda()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # warm-up, as recording demands
            for _ in range(3):
                function(self._input)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = function(self._input)

    def replay(self, planes: Tensor) -> tuple[Tensor, ...]:
        self._input.copy_(planes)
        self._graph.replay()
        return self._outputs
