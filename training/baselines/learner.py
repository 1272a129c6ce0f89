"""What every baseline's learner offers to its trainer, and what the two with networks share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from agents.base import Agent
from agents.baseline_checkpoint import save_network
from agents.baseline_network import ActorCritic, QNetwork
from agents.policy_agent import PolicyAgent
from go_env.features import FeatureSet, feature_set
from mcts.evaluator import Evaluator
from training.baselines.collectors import Tally
from training.baselines.config import Optimization, PolicyGradientRunConfig, QRunConfig

_Network = TypeVar("_Network", QNetwork, ActorCritic)


class BaselineLearner(Protocol):
    """Tells collectors what to play and learns from what comes back; it starts nothing.

    steps: updates so far; samples: transitions learned from; evaluations: positions evaluated in
    play; overlaps: whether the next round may be played with the weights of this one.
    """

    steps: int
    samples: int
    evaluations: int
    overlaps: bool
    shape: str
    parameters: int

    def tasks(self, count: int, progress: float) -> Sequence[Any]:
        """Return what `count` collectors are to play in the next round."""
        ...

    def absorb(self, results: Sequence[Any], progress: float) -> tuple[Tally, dict[str, float]]:
        """Learn from a round; return its games and the means of what the learner tells."""
        ...

    def agent(self, name: str) -> Agent:
        """Return the player that was learned so far."""
        ...

    def facts(self) -> dict[str, float]:
        """Return what an evaluation is to tell beyond results of games."""
        ...

    def publish(self, path: Path, provenance: Mapping[str, Any]) -> None:
        """Write the player as a file."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return (tensors, JSON values) from which `restore` goes on."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None: ...


class Stepper:
    """One network's optimizer: Adam with a falling rate and clipped gradients."""

    def __init__(self, network: nn.Module, config: Optimization) -> None:
        self._network = network
        self._config = config
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def begin(self, progress: float) -> None:
        """Set the rate and clear gradients, which may then come in pieces."""
        share = 1.0 + min(progress, 1.0) * (self._config.final_rate - 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * share
        self._optimizer.zero_grad(set_to_none=True)

    def finish(self) -> float:
        """Step along the gradients and return their norm; a step that is not finite is left out."""
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self._config.clip_norm)
        if bool(torch.isfinite(norm)):
            self._optimizer.step()
        return float(norm)

    @property
    def rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's state as named tensors."""
        state = self._optimizer.state_dict()["state"]
        return {
            f"optimizer.{slot}.{index}": torch.as_tensor(value)
            for index, slots in state.items()
            for slot, value in slots.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimizer":
                slot, _, index = rest.partition(".")
                state.setdefault(int(index), {})[slot] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})


class NetworkLearner(Generic[_Network]):
    """What the learners with one network share: its making, counting, publishing and saving."""

    def __init__(
        self,
        config: QRunConfig | PolicyGradientRunConfig,
        kind: type[_Network],
        judge: Callable[[_Network, FeatureSet], Evaluator],
        optimization: Optimization,
    ) -> None:
        self._rules = config.rules
        self._rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0,)))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network: _Network = kind(config.network).to(self._device)
        self._judge_by: Callable[[_Network, FeatureSet], Evaluator] = judge
        self._stepper = Stepper(self.network, optimization)
        self.steps = self.samples = self.evaluations = 0
        self.shape = str(config.network)
        self.parameters: int = sum(p.numel() for p in self.network.parameters())

    def facts(self) -> dict[str, float]:
        return {}

    def agent(self, name: str) -> Agent:
        network = copy.deepcopy(self.network).to("cpu").eval()
        features = feature_set(network.config.features, network.config.feature_version)
        return PolicyAgent(self._judge_by(network, features), name)

    def publish(self, path: Path, provenance: Mapping[str, Any]) -> None:
        save_network(path, self.network, self._rules, provenance)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        counts = {"steps": self.steps, "samples": self.samples, "evaluations": self.evaluations}
        values: dict[str, Any] = {**counts, "rng": self._rng.bit_generator.state}
        return tensors | self._stepper.tensors(), values

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        self.network.load_state_dict(part_of(tensors, "network"))
        self._stepper.restore(tensors)
        self.steps, self.samples = values["steps"], values["samples"]
        self.evaluations = values["evaluations"]
        self._rng.bit_generator.state = values["rng"]

    def _tensor(self, array: np.ndarray) -> Tensor:
        # A copy: what comes through Ray is read-only.
        return torch.from_numpy(np.array(array)).to(self._device, non_blocking=True)


def collector_seed(seed: int, index: int, start: int) -> int:
    """Return the seed of a run's collector number `index` in its start number `start`."""
    sequence = np.random.SeedSequence(seed, spawn_key=(1, index, start))
    return int(sequence.generate_state(1)[0])


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors below `name.`, without that prefix."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def merged(tallies: Sequence[Tally]) -> Tally:
    """Return one tally of all games."""
    total = Tally()
    for tally in tallies:
        total.games += tally.games
        total.plies += tally.plies
        total.black_wins += tally.black_wins
        total.draws += tally.draws
        total.sample = tally.sample or total.sample
    return total
