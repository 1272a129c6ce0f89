"""Random playouts inside kernels, and the random numbers of kernels."""

from __future__ import annotations

import numpy as np

from go_env.board import classify, fill_area, is_over, play
from go_env.jit import kernel
from go_env.layout import BORDER, LEGAL, action_of


def random_states(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return `count` independent non-zero generator states, uint64 [count]."""
    return rng.integers(1, 2**64, size=count, dtype=np.uint64)


@kernel(forceinline=True)
def next_random(states, i):
    """Advance one xorshift64* state and return 32 random bits as int64. Source: Vigna 2016."""
    x = states[i]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    states[i] = x
    return np.int64((x * np.uint64(2685821657736338717)) >> np.uint64(32))


@kernel(forceinline=True)
def is_own_eye(b, cell, color):
    """Tell whether an empty cell is a one-point eye: all neighbors own, and the corners safe.

    At most one diagonal may be the enemy's, none at the edge. Source: Brügmann 1993.
    """
    w = b.side + 1
    for step in (-w, -1, 1, w):
        near = b.color[cell + step]
        if near != color and near != BORDER:
            return False
    enemy = edge = 0
    for step in (-w - 1, -w + 1, w - 1, w + 1):
        near = b.color[cell + step]
        enemy += near == 3 - color
        edge |= near == BORDER
    return enemy + edge < 2


@kernel
def random_action(b, hashes, row, states, state, keep_eyes):
    """Choose uniformly among the legal actions, or among the sensible ones.

    keep_eyes: own eyes are never filled and a pass is chosen only when nothing else is left;
    otherwise a pass is one of the legal actions.
    """
    side, color = np.int64(b.side), np.int64(b.to_play)
    left = np.int64(b.num_empty)
    slots = left if keep_eyes else left + 1
    while slots > 0:
        pick = (next_random(states, state) * slots) >> 32
        if pick >= left:
            return side * side
        cell = np.int64(b.empties[pick])
        fills_eye = keep_eyes and is_own_eye(b, cell, color)
        if not fills_eye and classify(b, hashes, row, cell, color) == LEGAL:
            return action_of(cell, side)
        left -= 1
        slots -= 1
        other = b.empties[left]
        b.empties[left] = cell
        b.where[cell] = left
        b.empties[pick] = other
        b.where[other] = pick
    return side * side


@kernel
def play_out(b, hashes, row, snapshots, states, state, keep_eyes, max_moves):
    """Play random actions until the game is over or `max_moves` were played; return their number.

    hashes[row] must have room for `max_moves` more positions; snapshots [1, 0, 0] of int8 is fine.
    """
    moves = 0
    while moves < max_moves and not is_over(b):
        action = random_action(b, hashes, row, states, state, keep_eyes)
        play(b, hashes, row, snapshots, 0, action)
        moves += 1
    return moves


@kernel
def play_out_all(roots, scratch, hashes, snapshots, states, keep_eyes, max_moves, owner, score):
    """Play each root position out once.

    roots, scratch: records [B] (scratch is overwritten with the final positions); hashes [B, L];
    owner: int8 [B, >=N*N]; score: float32 [B], Black minus White minus komi. Returns all moves.
    """
    moves = 0
    for i in range(len(roots)):
        scratch[i] = roots[i]
        moves += play_out(scratch[i], hashes, i, snapshots, states, i, keep_eyes, max_moves)
        score[i] = fill_area(scratch[i], owner, i) - scratch[i].komi
    return moves
