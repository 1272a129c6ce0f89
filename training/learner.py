"""The learner: batches in, better weights out. It owns network, average and optimizer."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from agents.growth import weights_to_start_from
from agents.network import Network, NetworkConfig, NetworkOutput, new_network
from go_env.errors import HonteError
from training.losses import LossWeights, Targets, alphazero_losses, weighted_sum
from training.replay import Batch

_MALLOPT = {-3: 32 << 20, -1: 2**31 - 1}  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: their maxima
_MOST_SKIPS = 3  # steps in a row that may be left out before the learner gives up


@dataclass(frozen=True)
class LearnerConfig:
    """How weights are changed."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    batch: int = 256
    learning_rate: float = 2e-3  # sgd: 0.02 (MiniZero at batch 1024), 0.05 (KataGo per 256)
    momentum: float = 0.9  # sgd, with Nesterov
    weight_decay: float = 1e-4  # AlphaGo Zero's L2 is 1e-4; here decoupled for adamw
    warmup_steps: int = 200
    hold: float = 0.6  # the rate is held up to this fraction of the run, then falls as a cosine ..
    final_rate: float = 0.03  # .. to this fraction of it
    clip_norm: float = 1.0
    average: float = 0.999  # decay of the averaged weights that play (0: play with the raw ones)
    search_value: float = 0.0  # share of the value's target that is what searches thought
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = 1  # on a CPU, under Ray; they are cores that do not play
    compile: bool = (
        False  # torch.compile: minutes at the start; not faster on a CPU, GPU unmeasured
    )
    losses: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.learning_rate <= 0 or self.clip_norm <= 0:
            raise HonteError("learner batch, learning_rate and clip_norm must be positive")
        if self.threads < 1 or self.warmup_steps < 0 or self.weight_decay < 0:
            raise HonteError("learner needs threads from 1, warmup_steps and weight_decay from 0")
        shares = (self.hold, self.final_rate, self.search_value)
        if not all(0 <= share <= 1 for share in shares):
            raise HonteError("learner hold, final_rate and search_value must be from 0 to 1")
        if not (0 <= self.momentum < 1 and 0 <= self.average < 1):
            raise HonteError("learner momentum and average must be from 0 to below 1")
        if not all(math.isfinite(value) for value in vars(self).values() if type(value) is float):
            raise HonteError("learner numbers must be finite")

    def rate(self, step: int, progress: float) -> float:
        """Return the learning rate at a step, `progress` in [0, 1] of the run being over."""
        warm = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = (1 - min(progress, 1.0)) / max(1 - self.hold, 1e-9)
        share = 0.5 - 0.5 * math.cos(math.pi * min(left, 1.0))
        return self.learning_rate * warm * (self.final_rate + (1 - self.final_rate) * share)


class Learner:
    """One network in training. `step` is deterministic given the batches on one thread of a CPU."""

    def __init__(self, network: NetworkConfig, config: LearnerConfig, seed: int) -> None:
        self.config = config
        self._seed = seed
        _keep_freed_memory()
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = new_network(network, seed).to(self._device)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._forward = torch.compile(self.network) if config.compile else self.network
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self._optimizer = _optimizer(self.network, config)
        self._bf16 = config.precision == "bf16" or (config.precision == "auto" and _has_fast_bf16())
        self.steps = 0
        self.samples = 0
        self.owed = 0.0  # samples that new games pay for and that no step has taken yet
        self.skipped = 0
        self._skips_in_a_row = 0

    @property
    def due_steps(self) -> int:
        """Steps that are paid for."""
        return max(0, int(self.owed // self.config.batch))

    def step(self, batch: Batch, progress: float) -> dict[str, float]:
        """Make one optimizer step; return the loss terms, `loss`, `grad_norm`, `learning_rate`.

        A step whose loss or gradient is not finite is left out and counted.
        """
        rate = self.config.rate(self.steps, progress)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        statistics = [buffer.clone() for buffer in self.network.buffers()]
        terms = self._losses(batch)
        loss = weighted_sum(terms, self.config.losses)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        if self._is_sound(loss, norm):
            self._optimizer.step()
            self._update_average()
        else:
            for buffer, before in zip(self.network.buffers(), statistics, strict=True):
                buffer.copy_(before)  # running means would stay NaN for good
        self.steps += 1
        self.samples += len(batch.value)
        self.owed -= len(batch.value)
        result = {name: float(term.detach()) for name, term in terms.items()}
        return {
            **result,
            "loss": float(loss.detach()),
            "grad_norm": float(norm),
            "learning_rate": rate,
        }

    @torch.no_grad()
    def judge(self, batch: Batch) -> tuple[dict[str, float], np.ndarray, float]:
        """Return what a batch says without learning from it.

        The loss terms, the predicted values [B] in [-1, 1], the policy's mean entropy in nats.
        """
        self.network.eval()
        output = self.network(self._planes(batch))
        terms = alphazero_losses(output, self._targets(batch), self.config.search_value)
        chances = torch.softmax(output.value, dim=1)
        log_policy = torch.log_softmax(output.policy, dim=1)
        entropy = float(-(log_policy.exp() * log_policy).sum(dim=1).mean())
        values = (chances[:, 0] - chances[:, 2]).cpu().numpy()
        return {name: float(term) for name, term in terms.items()}, values, entropy

    def weights(self) -> dict[str, Tensor]:
        """Return the weights that play: the averaged ones, float32 on the CPU, a copy."""
        source = self.averaged if self.config.average else self.network.state_dict()
        return {name: tensor.detach().float().cpu().clone() for name, tensor in source.items()}

    def playing_network(self) -> Network:
        """Return a network with the weights that play."""
        network = Network(self.network.config)
        network.load_state_dict(self.weights())
        return network

    def weight_norm(self) -> float:
        """Return the Euclidean norm of all weights."""
        return math.sqrt(sum(float(p.detach().square().sum()) for p in self.network.parameters()))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return (tensors, JSON values) from which `restore` goes on exactly."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.items()}
        names = [name for name, _ in self.network.named_parameters()]
        for index, slots in self._optimizer.state_dict()["state"].items():
            for slot, value in slots.items():
                tensors[f"optimizer.{slot}.{names[index]}"] = torch.as_tensor(value)
        counts = {"steps": self.steps, "samples": self.samples, "skipped": self.skipped}
        return tensors, {**counts, "owed": self.owed}

    def begin_with(self, player: str) -> dict[str, Any]:
        """Take over a trained player's weights (`agents.growth`); return what made them.

        The optimizer knows nothing of what they have learned from.
        """
        weights, facts = weights_to_start_from(player, self.network.config, self._seed)
        self.network.load_state_dict(weights)
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        return facts

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "averaged": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.network.load_state_dict(parts["network"])
        self.averaged = {k: v.to(self._device) for k, v in parts["averaged"].items()}
        self._restore_optimizer(parts["optimizer"])
        self.steps, self.samples = values["steps"], values["samples"]
        self.skipped = values["skipped"]
        self.owed = values.get("owed", 0.0)  # older runs go on without what they owed

    def _restore_optimizer(self, slots: Mapping[str, Tensor]) -> None:
        """Take an optimizer's state back, unless it is that of the other kind: then begin anew."""
        was_adamw = any(name.startswith("exp_avg.") for name in slots)
        if was_adamw != (self.config.optimizer == "adamw"):
            return
        names = [name for name, _ in self.network.named_parameters()]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in slots.items():
            slot, _, parameter = name.partition(".")
            state.setdefault(names.index(parameter), {})[slot] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            output = self._forward(self._planes(batch))
        output = NetworkOutput(*(tensor.float() for tensor in output))
        return alphazero_losses(output, self._targets(batch), self.config.search_value)

    def _planes(self, batch: Batch) -> Tensor:
        planes = torch.from_numpy(batch.planes).to(self._device, non_blocking=True)
        return planes.contiguous(memory_format=torch.channels_last)

    def _targets(self, batch: Batch) -> Targets:
        arrays = (batch.policy, batch.value, batch.short_term_value, batch.score, batch.ownership)
        return Targets(*(torch.from_numpy(a).to(self._device, non_blocking=True) for a in arrays))

    def _is_sound(self, loss: Tensor, norm: Tensor) -> bool:
        if bool(torch.isfinite(loss)) and bool(torch.isfinite(norm)):
            self._skips_in_a_row = 0
            return True
        self.skipped += 1
        self._skips_in_a_row += 1
        if self._skips_in_a_row >= _MOST_SKIPS:
            raise HonteError(
                f"training diverged at step {self.steps}: {_MOST_SKIPS} losses in a row were not "
                "finite; start again from the last checkpoint with a lower learner.learning_rate"
            )
        return False

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.average, (1 + self.steps) / (10 + self.steps))
        for name, tensor in self.network.state_dict().items():
            self.averaged[name].lerp_(tensor.float(), 1 - decay)


def _keep_freed_memory() -> None:
    """Have malloc keep what a step has freed: the next one needs as much again.

    Else glibc returns it, and the kernel clears thousands of pages anew in every step: steps are
    some 10 % faster with this (measured on a CPU, 6x64, batch 256). Nothing happens elsewhere.
    """
    if sys.platform == "linux":
        mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
        if mallopt is not None:
            for option, value in _MALLOPT.items():
                mallopt(option, value)


def _optimizer(network: Network, config: LearnerConfig) -> torch.optim.Optimizer:
    """Return the optimizer; biases and single scales are not decayed."""
    groups = [  # one a parameter keeps the order of named_parameters(), which `state` relies on
        {"params": [p], "weight_decay": config.weight_decay if p.ndim > 1 else 0.0}
        for p in network.parameters()
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, foreach=True)
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        foreach=True,
    )


def _has_fast_bf16() -> bool:
    """Tell whether bf16 arithmetic is faster than fp32 here."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
