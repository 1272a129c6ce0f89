"""Tabular Q-learning in self-play: episodes in, a table out; the solver tells how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.base import Agent
from agents.baseline_checkpoint import save_table
from agents.q_agent import TableAgent
from agents.q_table import QTable
from go_env.playout import random_states
from training.baselines.collectors import Floats, Tally
from training.baselines.config import QRunConfig
from training.baselines.learner import collector_seed, merged
from training.baselines.small_boards import SituationGraph, situation_graph, solve
from training.baselines.tabular_kernels import TRANSITION, learn, mark_lines, play_episodes

BOTH = 2


@dataclass(frozen=True)
class TableTask:
    """So many games with these values, epsilon-greedily."""

    values: Floats
    epsilon: float
    episodes: int


@dataclass(frozen=True)
class Episodes:
    """transitions: TRANSITION [M], in the order of play."""

    transitions: np.ndarray
    tally: Tally


class TableCollector:
    """Plays on the graph of situations, which is the environment's rules worked out in advance."""

    def __init__(self, graph: SituationGraph, seed: int) -> None:
        self._graph = graph
        self._states = random_states(np.random.default_rng(seed), 1)

    def collect(self, task: TableTask) -> Episodes:
        graph = self._graph
        assert graph.rules.move_limit is not None
        out = np.zeros(task.episodes * graph.rules.move_limit, TRANSITION)
        results = np.zeros(task.episodes, np.float32)
        count = play_episodes(
            graph.following, graph.rewards, task.values, task.epsilon, self._states,
            task.episodes, out, results,
        )  # fmt: skip
        wins, draws = int((results > 0).sum()), int((results == 0).sum())
        return Episodes(out[:count], Tally(task.episodes, count, wins, draws))


class TableLearner:
    """A table in training: off-policy, one-step, negamax. Source: Watkins 1989; Littman 1994."""

    overlaps = True

    def __init__(self, config: QRunConfig) -> None:
        self.config = config
        self.graph = situation_graph(config.rules)
        self.exact = solve(self.graph)
        self.values = np.zeros(self.graph.following.shape, np.float32)
        self._legal = self.graph.legal
        self.steps = self.samples = self.evaluations = 0
        self.shape = f"table of {len(self.graph)} situations"
        self.parameters = int(self._legal.sum())

    @staticmethod
    def collector(config: QRunConfig, index: int, start: int, count: int) -> TableCollector:
        seed = collector_seed(config.seed, index, start)
        return TableCollector(situation_graph(config.rules), seed)

    def tasks(self, count: int, progress: float) -> Sequence[TableTask]:
        epsilon = self.config.exploration.epsilon(progress)
        return [TableTask(self.values.copy(), epsilon, self.config.table.episodes)] * count

    def absorb(
        self, results: Sequence[Episodes], progress: float
    ) -> tuple[Tally, dict[str, float]]:
        """Apply every transition once, the last ply of the last game first."""
        settings, error = self.config.table, 0.0
        for episodes in results:
            error += learn(
                self.values, self._legal, episodes.transitions, settings.learning_rate,
                settings.discount,
            ) / len(results)  # fmt: skip
            self.samples += len(episodes.transitions)
        self.steps = self.evaluations = self.samples
        told = {"loss": error, "epsilon": self.config.exploration.epsilon(progress)}
        return merged([episodes.tally for episodes in results]), told

    def agent(self, name: str) -> Agent:
        return TableAgent(self.table(), name)

    def table(self) -> QTable:
        return QTable(self.config.rules, self.graph.keys, self.values)

    def facts(self) -> dict[str, float]:
        """Return errors against the solver: the empty board's, and of what greedy play meets."""
        root = abs(self._best(self.values)[0] - self._best(self.exact)[0])
        lines = self.lines(0) | self.lines(1)
        errors = np.abs(self._best(self.values) - self._best(self.exact))[lines]
        return {
            "root_error": float(root),
            "value_error": float(errors.mean()),
            "known": float((self.values != 0).sum() / self._legal.sum()),
        }

    def lines(self, learner: int) -> NDArray[np.bool_]:
        """Return bool [S]: what can arise when `learner` (0 Black, 1 White, 2 both) is greedy."""
        marked = np.zeros(len(self.graph), np.uint8)
        mark_lines(self.graph.following, self.values, learner, 1e-3, marked)
        return marked.astype(np.bool_)

    def publish(self, path: Path, provenance: Mapping[str, Any]) -> None:
        save_table(path, self.table(), provenance)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"values": torch.from_numpy(self.values)}, {"samples": self.samples}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        self.values = tensors["values"].numpy().copy()
        self.steps = self.samples = self.evaluations = values["samples"]

    def _best(self, values: Floats) -> Floats:
        return np.where(self._legal, values, -np.inf).max(axis=1).astype(np.float32)
