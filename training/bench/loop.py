"""Speeds of what a network costs: self-play, the learner, and the memory of a worker."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from agents.backend import Backend, BackendOutput, Floats, Weights
from agents.backend_choice import choose_backend
from agents.inference import NetworkEvaluator
from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig, new_network
from go_env.features import feature_set
from go_env.rules import Rules, fair_komi
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator, UniformEvaluator
from training.bench.inference import flop_per_position
from training.bench.kernels import lockstep_games
from training.bench.timing import Figure, measure_rate
from training.learner import Learner, LearnerConfig
from training.replay import Batch, ReplayConfig, ReplayWindow
from training.self_play import PlayPlan, SelfPlay, SelfPlayConfig

_SEED = 1
_SIMULATIONS = 32
_TRAINING_FLOPS = 3  # of a training step, in forward passes
_GPU_FACTOR = 8  # times as many games are played where a GPU evaluates
_WORKERS = ((9, 256, 64), (19, 64, 800))  # size, games, simulations of the memory figures


class TimedBackend:
    """A backend that adds up the time spent in it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.spent_s = 0.0
        self.positions = 0

    @property
    def name(self) -> str:
        return self._backend.name

    @property
    def run_cost(self) -> int:
        return self._backend.run_cost

    def run(self, planes: Floats) -> BackendOutput:
        start = time.perf_counter()
        output = self._backend.run(planes)
        self.spent_s += time.perf_counter() - start
        self.positions += len(planes)
        return output

    def load(self, weights: Weights) -> None:
        self._backend.load(weights)


def measure_self_play(network: NetworkConfig, size: int, seconds: float) -> Iterator[Figure]:
    """Yield simulations, evaluations and games per second of one worker."""
    config = _play_config(lockstep_games(size), _SIMULATIONS)
    if torch.cuda.is_available():  # enough games for the device, searched while it evaluates
        games = _GPU_FACTOR * config.games
        config = replace(config, games=games, groups=2, threads=0)
    evaluator, backend = _timed_evaluator(network, size, config.largest_batch)
    player = _player(evaluator, size, config)
    plan = _plan(size, _SIMULATIONS)
    player.play(size * size // 2, _plan(size, 2))  # games at all stages, as later in a run
    player.play(1, plan)
    backend.spent_s, backend.positions = 0.0, 0
    before, start = player.search.evaluations, time.perf_counter()
    cpu_start = time.process_time()
    rate = measure_rate(lambda: _play_round(player, plan), seconds)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    share = backend.spent_s / wall_s
    label = f"{config.games} games x {_SIMULATIONS} simulations, {backend.name}"
    note = "of the time inside the network call"
    yield Figure(f"self-play, {label}", "simulations/s", rate, share=share, note=note)
    evaluations = player.search.evaluations - before
    yield Figure("evaluations inside self-play", "positions/s", amount=evaluations / cpu_s)
    yield Figure(
        "padding of batches", "", amount=backend.positions / max(evaluations, 1) - 1,
        note="positions evaluated for nothing",
    )  # fmt: skip
    moves = size * size  # of a game, about
    per_hour = rate.per_cpu_s * 3600 / moves / _SIMULATIONS
    yield Figure(f"games of {moves} moves", "games/hour", amount=per_hour)


def measure_learner(
    network: NetworkConfig, size: int, seconds: float, bf16_gflop_per_s: float
) -> Iterator[Figure]:
    """Yield samples per second of a training step and of what brings its data."""
    torch.set_num_threads(1)
    window = _filled_window(network, size)
    rng = np.random.default_rng(_SEED)
    learner = Learner(network, LearnerConfig(), _SEED)
    batch_size = learner.config.batch
    batch = window.sample(batch_size, rng)
    step = measure_rate(lambda: _step(learner, batch), seconds)
    work = _TRAINING_FLOPS * flop_per_position(network, size) * 1e-9
    on_gpu = torch.cuda.is_available()
    yield Figure(
        f"learner step, batch {batch_size}", "samples/s", step,
        share=(step.per_s if on_gpu else step.per_cpu_s) * work / bf16_gflop_per_s,
        note="of the matrix product",
    )  # fmt: skip
    data = measure_rate(lambda: len(window.sample(batch_size, rng).value), seconds)
    yield Figure(
        "data: rows rebuilt with symmetries", "samples/s", data,
        share=step.per_cpu_s / data.per_cpu_s, note="of a step's time",
    )  # fmt: skip


def measure_memory(network: NetworkConfig) -> Iterator[Figure]:
    """Yield the resident memory of whole worker processes with trees of full size."""
    for size, games, simulations in _WORKERS:
        told = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(network), str(size), str(games),
             str(simulations)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        peak_bytes, tree_bytes, nodes = json.loads(told.stdout.splitlines()[-1])
        yield Figure(
            f"worker {size}x{size}, {games} games x {simulations} simulations", "MiB",
            amount=peak_bytes / 2**20,
            note=f"trees {tree_bytes / 2**20:,.0f} MiB, {tree_bytes / nodes:,.0f} bytes a node",
        )  # fmt: skip


def worker_memory(network: NetworkConfig, size: int, games: int, simulations: int) -> list[int]:
    """Return (peak bytes of this process, bytes of its trees, nodes that fit) after some moves.

    The network is loaded and run once; the trees are filled with an evaluator that costs nothing.
    """
    evaluator, _ = _timed_evaluator(network, size, games)
    _player(evaluator, size, _play_config(games, 2)).play(1, _plan(size, 2))
    player = _player(UniformEvaluator(), size, _play_config(games, simulations))
    player.play(3, _plan(size, simulations))
    forest = player.search.forest
    trees = sum(array.nbytes for array in forest.trees)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [peak_bytes, trees, forest.nodes.size]


def _timed_evaluator(
    network: NetworkConfig, size: int, max_batch: int
) -> tuple[NetworkEvaluator, TimedBackend]:
    config = InferenceConfig(max_batch=max_batch)
    weights = new_network(network, _SEED).state_dict()
    backend = TimedBackend(choose_backend(network, weights, config, size))
    features = feature_set(network.features, network.feature_version)
    rng = np.random.default_rng(_SEED)
    return NetworkEvaluator(backend, features, "random", rng, max_batch), backend


def _play_config(games: int, simulations: int) -> SelfPlayConfig:
    return SelfPlayConfig(games=games, simulations=simulations, first_simulations=simulations)


def _player(evaluator: Evaluator, size: int, config: SelfPlayConfig) -> SelfPlay:
    rules = config.rules(Rules(size=size, komi=fair_komi(size)), size)
    return SelfPlay(rules, config, SearchConfig(), evaluator, np.random.default_rng(_SEED))


def _plan(size: int, simulations: int) -> PlayPlan:
    return PlayPlan(simulations, fair_komi(size), fair_komi(size), model=0)


def _play_round(player: SelfPlay, plan: PlayPlan) -> float:
    player.play(1, plan)
    return float(player.search.forest.states["target"].sum())


def _step(learner: Learner, batch: Batch) -> float:
    learner.step(batch, 0.5)
    return len(batch.value)


def _filled_window(network: NetworkConfig, size: int) -> ReplayWindow:
    """Return a window of quick games without a network."""
    rules = Rules(size=size, komi=fair_komi(size))
    features = feature_set(network.features, network.feature_version)
    window = ReplayWindow(ReplayConfig(), rules, features)
    player = _player(UniformEvaluator(), size, _play_config(32, 2))
    while window.rows < 2_000:
        window.add(player.play(size * size, _plan(size, 2)))
    return window


def cuda_matmul_gflop_per_s(seconds: float) -> float:
    """Return GFLOP per second of a large bf16 matrix product on the accelerator, by the clock."""
    side = 8192
    left, right = (torch.rand(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def run() -> float:
        torch.mm(left, right)
        torch.cuda.synchronize()
        return 2.0 * side**3 / 1e9

    return measure_rate(run, seconds).per_s


def copy_gb_per_s(seconds: float) -> float:
    """Return how many GB per second of CPU time one thread copies between large arrays."""
    source = np.ones(1 << 24)
    target = np.empty_like(source)

    def run() -> float:
        np.copyto(target, source)
        return source.nbytes / 1e9

    return measure_rate(run, seconds).per_cpu_s


def _main(arguments: list[str]) -> None:
    from training.bench.inference import parse_network

    network, size, games, simulations = arguments
    numbers = worker_memory(parse_network(network), int(size), int(games), int(simulations))
    print(json.dumps(numbers))


if __name__ == "__main__":
    _main(sys.argv[1:])
