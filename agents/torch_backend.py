"""The network in torch: runs everywhere, and is what every other backend is checked against."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from agents.backend import BackendOutput, Floats, Precision, Weights
from agents.network import SCORE_UNIT, Network, NetworkConfig, value_from_logits

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_WARM_UP_RUNS = 3  # before recording, as torch demands; cuDNN tries its algorithms in them


def torch_name(precision: Precision, device: str) -> str:
    """Return what the backend of this precision and device is called."""
    return f"torch {precision}" if device == "cpu" else f"torch {precision} {device}"


class TorchBackend:
    """Weights of one precision in channels_last; on CUDA one recorded graph per shape of batch.

    New weights are copied into the old ones' memory, so recorded graphs stay valid.
    """

    def __init__(
        self,
        config: NetworkConfig,
        weights: Weights,
        precision: Precision = "fp32",
        details: bool = False,
        device: str = "cpu",
    ) -> None:
        self.name = torch_name(precision, device)
        self._device = torch.device(device)
        # Measured on a CPU: 1.7 ms at batch 1, 0.12 ms a position at 256. On a GPU it is a guess.
        self.run_cost = 256 if self._device.type == "cuda" else 13
        self._dtype = _DTYPES[precision]
        network = Network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._answers = _Answers(network, details).to(self._device, self._dtype).eval()
        self._graphs: dict[torch.Size, RecordedRun | None] = {}
        self._lock = threading.Lock()
        self.load(weights)

    def load(self, weights: Weights) -> None:
        with self._lock:
            self._answers.network.load_state_dict(weights)

    @torch.inference_mode()
    def run(self, planes: Floats) -> BackendOutput:
        given = torch.from_numpy(planes)
        if self._device.type == "cuda":
            with self._lock, torch.cuda.device(self._device):  # streams belong to the current one
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
        run = self._graphs[planes.shape]
        if run is None:
            return tuple(output.cpu() for output in self._answer(planes))
        return run(planes)

    def _record(self, planes: Tensor) -> RecordedRun | None:
        """Return a recorded run of this shape, or None where the driver refuses to record."""
        try:
            return RecordedRun(self._answer, planes, self._device, record_cuda_graph)
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


Outputs = tuple[Tensor, ...]
#: Runs a function of nothing once and returns its outputs and what computes them anew, in place.
Record = Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]]


class RecordedRun:
    """A function of planes with fixed memory for input and outputs, recorded once.

    Planes and answers pass through page-locked memory on a GPU: such copies need no staging and do
    not stop the host. What is returned is overwritten by the next call.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Outputs],
        example: Tensor,
        device: torch.device,
        record: Record,
    ) -> None:
        self._on_gpu = device.type == "cuda"
        self._host_input = torch.empty_like(example, pin_memory=self._on_gpu)
        self._input = example.to(device, copy=True)
        self._outputs, self._replay = record(lambda: function(self._input))
        self._host_outputs = tuple(
            torch.empty(output.shape, dtype=output.dtype, pin_memory=self._on_gpu)
            for output in self._outputs
        )

    def __call__(self, planes: Tensor) -> Outputs:
        self._host_input.copy_(planes)
        self._input.copy_(self._host_input, non_blocking=True)
        self._replay()
        for host, output in zip(self._host_outputs, self._outputs, strict=True):
            host.copy_(output, non_blocking=True)
        if self._on_gpu:
            torch.cuda.current_stream().synchronize()
        return self._host_outputs


def cudnn_chooses() -> AbstractContextManager[None]:
    """Let cuDNN time its algorithms for each new shape; unnamed, `enabled` would become False."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=True)


def record_cuda_graph(function: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
    """Record what a function does on the GPU as one graph."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with cudnn_chooses():
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process, such as a learner's, may go on using the GPU meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = function()
    return outputs, graph.replay
