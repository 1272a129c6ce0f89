"""Who owns what in the end: dead stones by ownership, unconditional life by Benson, area score."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from agents.gtp.game import all_chains
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE
from go_env.playout import play_out_all, random_states
from go_env.position import Position
from mcts.evaluator import Evaluator

_PLAYOUTS = 400
_DEAD_BELOW = -0.4  # mean ownership of a chain by its own color


def estimate_ownership(
    position: Position, evaluator: Evaluator | None, seed: int = 0
) -> NDArray[np.float32]:
    """Return [N*N] float32 in [-1, 1]: +1 Black's, -1 White's.

    It is the evaluator's, if it tells something, otherwise the mean of many playouts.
    """
    if evaluator is not None:
        estimate = evaluator.evaluate(PositionBatch.of([position], evaluator.history)).ownership
        if is_informative(estimate):
            sign = 1.0 if position.to_play == BLACK else -1.0
            return np.asarray(estimate[0] * sign, np.float32)
    return playout_ownership(position, _PLAYOUTS, seed)


def is_informative(ownership: NDArray[np.float32] | None) -> TypeGuard[NDArray[np.float32]]:
    """Tell an estimate from the whole numbers of a single playout, which judge nothing."""
    return ownership is not None and not bool(np.equal(ownership, np.round(ownership)).all())


def playout_ownership(position: Position, count: int, seed: int) -> NDArray[np.float32]:
    """Return the mean final ownership of random games, [N*N] in [-1, 1], +1 Black's."""
    points = position.size**2
    longest = 3 * points + 20
    record = position.record.copy()
    record["passes"] = 0
    roots = np.repeat(record, count)
    length = int(record["length"][0])
    hashes = np.zeros((count, length + longest + 2), np.uint64)
    hashes[:, :length] = position.history[0, :length]
    owner = np.zeros((count, points), np.int8)
    score = np.zeros(count, np.float32)
    states = random_states(np.random.default_rng(seed), count)
    snapshots = np.zeros((count, 0, 0), np.int8)
    play_out_all(roots, roots.copy(), hashes, snapshots, states, True, longest, owner, score)
    return owner.mean(axis=0, dtype=np.float32)


def dead_chains(position: Position, ownership: NDArray[np.float32]) -> list[list[int]]:
    """Return the chains that are as good as captured; `ownership` is +1 for Black's points."""
    alive = position.pass_alive()
    dead = []
    for color, chain in all_chains(position):
        owners = alive[chain]
        if (owners == color).all():
            continue
        sign = 1.0 if color == BLACK else -1.0
        if (owners == 3 - color).all() or sign * float(ownership[chain].mean()) < _DEAD_BELOW:
            dead.append(chain)
    return dead


def without(position: Position, chains: list[list[int]]) -> Position:
    """Return a position with these chains taken off the board."""
    stones = position.board.ravel()
    for chain in chains:
        stones[chain] = 0
    return Position.setup(
        position.rules,
        [int(point) for point in np.flatnonzero(stones == BLACK)],
        [int(point) for point in np.flatnonzero(stones == WHITE)],
        position.to_play,
    )


def judged_score(position: Position, evaluator: Evaluator | None) -> float:
    """Return Black minus White minus komi with dead stones removed."""
    dead = dead_chains(position, estimate_ownership(position, evaluator))
    return without(position, dead).score() if dead else position.score()
