"""The evaluator of the search that a network is behind: encode, run, undo the symmetry.

Letters: B batch, C planes, N side, A = N*N + 1. Outputs are for the player to move.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agents.backend import Backend, BackendOutput, Floats, Weights
from agents.backend_choice import CheckedBackend, choose_backend
from agents.checkpoint import Checkpoint, load_checkpoint
from agents.inference_config import InferenceConfig as InferenceConfig  # callers need both
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import FeatureSet, encode, feature_set
from go_env.symmetry import NUM_SYMMETRIES, action_tables, point_tables
from mcts.evaluator import Evaluation

Symmetry = Literal["none", "random", "average"]


class NetworkEvaluator:
    """A network as an Evaluator. Not for two threads at once: its input buffers are its own.

    `symmetry`: `none`; `random` draws one of the eight views per position and evaluation (Silver
    et al. 2017, Methods); `average` runs all eight and takes the mean, at eight times the price.
    Batches are cut into a few fixed shapes and padded. Rows of one shape are equal to the last bit
    wherever they stand (torch fp32: only to rounding); another shape may differ by rounding. With
    min_batch = max_batch there is only one.
    """

    def __init__(
        self,
        backend: Backend,
        features: FeatureSet,
        symmetry: Symmetry = "none",
        rng: np.random.Generator | None = None,
        max_batch: int = 256,
        min_batch: int = 1,
    ) -> None:
        if symmetry not in get_args(Symmetry):
            raise HonteError(f"unknown symmetry {symmetry!r}: use {', '.join(get_args(Symmetry))}")
        if symmetry == "random" and rng is None:
            raise HonteError("random symmetries need a random generator")
        self.backend = backend
        self.features = features
        self._symmetry = symmetry
        self._rng = rng
        self._shapes = batch_sizes(max_batch, min_batch, backend.run_cost)
        self._buffers: dict[int, Floats] = {}

    @property
    def history(self) -> int:
        return self.features.history

    def load(self, weights: Weights) -> None:
        """Go on with other weights of the same network."""
        self.backend.load(weights)

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        symmetries = None
        if self._rng is not None and self._symmetry == "random":
            symmetries = self._rng.integers(NUM_SYMMETRIES, size=len(batch))
        parts, first = [], 0
        for shape in cut_batch(len(batch), self._shapes, self.backend.run_cost):
            rows = slice(first, min(first + shape, len(batch)))
            part = PositionBatch(
                batch.size, batch.boards[rows], batch.legal[rows], batch.snapshots[rows]
            )
            parts.append(self._evaluate_part(part, shape, symmetries, rows))
            first += shape
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _evaluate_part(
        self,
        part: PositionBatch,
        shape: int,
        symmetries: NDArray[np.int64] | None,
        rows: slice,
    ) -> Evaluation:
        if self._symmetry == "average":
            views = range(NUM_SYMMETRIES)
            return _mean([self._run(part, shape, np.full(len(part), s)) for s in views])
        return self._run(part, shape, None if symmetries is None else symmetries[rows])

    def _run(
        self, batch: PositionBatch, shape: int, symmetries: NDArray[np.int64] | None
    ) -> Evaluation:
        """Evaluate at most `shape` positions as a batch of that many, each under its symmetry."""
        count, size = len(batch), batch.size
        planes = self._buffer(size)[:shape]
        encode(batch, self.features, planes[:count], 0 if symmetries is None else symmetries)
        output = self.backend.run(planes)
        return _as_seen_upright(output, symmetries, count, size)

    def _buffer(self, size: int) -> Floats:
        """Return planes [max_batch, C, N, N]; rows past a batch keep what was there, unread."""
        if size not in self._buffers:
            shape = (self._shapes[-1], self.features.num_planes, size, size)
            self._buffers[size] = np.zeros(shape, np.float32)
        return self._buffers[size]


def network_evaluator(
    source: Checkpoint | Path | str,
    size: int,
    config: InferenceConfig | None = None,
    symmetry: Symmetry = "none",
    rng: np.random.Generator | None = None,
) -> NetworkEvaluator:
    """Return the evaluator of a checkpoint with the backend that is fastest for this board size."""
    config = config or InferenceConfig()
    checkpoint = source if isinstance(source, Checkpoint) else load_checkpoint(source)
    network = checkpoint.network
    backend: CheckedBackend = choose_backend(network, checkpoint.weights, config, size)
    features = feature_set(network.features, network.feature_version)
    return NetworkEvaluator(backend, features, symmetry, rng, config.max_batch, config.min_batch)


def batch_sizes(max_batch: int, min_batch: int, run_cost: int) -> tuple[int, ...]:
    """Return the few sizes that batches are made of, so that few shapes are ever compiled.

    Powers of two up to where a run costs 3 % more than its positions; with eighths of the largest
    between them where one run of a padded batch costs less than two that fit.
    """
    largest = max(min_batch, min(max_batch, 32 * run_cost))
    sizes = {largest}
    if 8 <= largest // 8 < run_cost:
        sizes |= {largest * eighth // 8 for eighth in range(1, 8)}
    power = 1
    while power < largest:
        sizes.add(power)
        power *= 2
    return tuple(sorted(size for size in sizes if size >= min_batch))


def cut_batch(count: int, shapes: tuple[int, ...], run_cost: int) -> list[int]:
    """Return the shapes that hold `count` positions at the lowest cost, the largest first.

    A run costs its shape and `run_cost` more; rows of a shape that no position fills are wasted.
    """
    whole = max(0, count // shapes[-1] - 1)  # of the largest; what is left takes one or two more
    last = _best_last_shapes(shapes, run_cost)
    cut = [shapes[-1]] * whole
    left = count - sum(cut)
    while left > 0:
        cut.append(last[left])
        left -= last[left]
    return sorted(cut, reverse=True)


@functools.lru_cache(maxsize=64)
def _best_last_shapes(shapes: tuple[int, ...], run_cost: int) -> list[int]:
    """Return for each number of positions, up to two of the largest shape, one shape of its cut."""
    costs, last = [0], [0]
    for positions in range(1, 2 * shapes[-1]):
        options = [(shape + run_cost + costs[max(positions - shape, 0)], shape) for shape in shapes]
        cost, shape = min(options)
        costs.append(cost)
        last.append(shape)
    return last


def _as_seen_upright(
    output: BackendOutput, symmetries: NDArray[np.int64] | None, count: int, size: int
) -> Evaluation:
    """Copy the first rows out of the backend's buffers, turned back to the batch's own view."""
    policy, value = output.policy[:count], output.value[:count].copy()
    ownership = None if output.ownership is None else output.ownership[:count]
    score = None if output.score is None else output.score[:count].copy()
    if symmetries is None:
        policy = policy.copy()
        ownership = None if ownership is None else ownership.copy()
    else:  # point p was shown at table[p]
        policy = np.take_along_axis(policy, action_tables(size)[symmetries], axis=1)
        if ownership is not None:
            ownership = np.take_along_axis(ownership, point_tables(size)[symmetries], axis=1)
    return Evaluation(policy, value, score, ownership)


def _joined(parts: list[Evaluation]) -> Evaluation:
    return _combined(parts, np.concatenate)


def _mean(parts: list[Evaluation]) -> Evaluation:
    return _combined(parts, lambda arrays: np.mean(arrays, axis=0, dtype=np.float32))


def _combined(parts: list[Evaluation], combine: Callable[[list[Floats]], Floats]) -> Evaluation:
    ownership = [part.ownership for part in parts if part.ownership is not None]
    score = [part.score for part in parts if part.score is not None]
    return Evaluation(
        combine([part.policy for part in parts]),
        combine([part.value for part in parts]),
        combine(score) if score else None,
        combine(ownership) if ownership else None,
    )
