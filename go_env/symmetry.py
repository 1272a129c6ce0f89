"""The eight symmetries of the board as index tables."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

NUM_SYMMETRIES = 8

#: Symmetry s mirrors rows if s & 1, mirrors columns if s & 2, then transposes if s & 4.
_INVERSE = (0, 1, 2, 3, 4, 6, 5, 7)


def inverse(symmetry: int) -> int:
    """Return the symmetry that undoes this one."""
    return _INVERSE[symmetry]


@functools.cache
def point_tables(size: int) -> NDArray[np.int32]:
    """Return [8, N*N]: the image of each point under each symmetry. Read-only."""
    row, column = np.divmod(np.arange(size * size, dtype=np.int32), size)
    tables = []
    for symmetry in range(NUM_SYMMETRIES):
        y = size - 1 - row if symmetry & 1 else row
        x = size - 1 - column if symmetry & 2 else column
        tables.append(x * size + y if symmetry & 4 else y * size + x)
    result = np.stack(tables).astype(np.int32)
    result.flags.writeable = False
    return result


@functools.cache
def action_tables(size: int) -> NDArray[np.int32]:
    """Return [8, A]: the image of each action; a pass is its own image. Read-only."""
    passes = np.full((NUM_SYMMETRIES, 1), size * size, dtype=np.int32)
    result = np.concatenate([point_tables(size), passes], axis=1)
    result.flags.writeable = False
    return result


def transform_policy(policy: NDArray[np.float32], symmetry: int, size: int) -> NDArray[np.float32]:
    """Return a policy [..., A] as seen on the transformed board."""
    result = np.empty_like(policy)
    result[..., action_tables(size)[symmetry]] = policy
    return result


def transform_points(values: NDArray[np.float32], symmetry: int, size: int) -> NDArray[np.float32]:
    """Return a map of points [..., N*N] as seen on the transformed board."""
    result = np.empty_like(values)
    result[..., point_tables(size)[symmetry]] = values
    return result
