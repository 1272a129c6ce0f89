"""Boards as seen under symmetries, many rows at once, each under its own. n rows, A actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from go_env.symmetry import NUM_SYMMETRIES, action_tables, inverse, point_tables

_INVERSES = np.array([inverse(symmetry) for symmetry in range(NUM_SYMMETRIES)])


def turn_planes(planes: NDArray[np.float32], symmetries: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return planes [n, C, N, N], each as seen under its symmetry [n]."""
    count, channels, side, _ = planes.shape
    back = point_tables(side)[_INVERSES[symmetries]]
    flat = np.take_along_axis(planes.reshape(count, channels, -1), back[:, None, :], axis=2)
    return flat.reshape(planes.shape)


def turn_masks(
    masks: NDArray[np.bool_], symmetries: NDArray[np.int64], side: int
) -> NDArray[np.bool_]:
    """Return masks over actions [n, A], each as seen under its symmetry [n]."""
    return np.take_along_axis(masks, action_tables(side)[_INVERSES[symmetries]], axis=1)


def turn_actions(
    actions: NDArray[np.int64], symmetries: NDArray[np.int64], side: int
) -> NDArray[np.int64]:
    """Return actions [n], each as seen under its symmetry [n]."""
    return action_tables(side)[symmetries, actions].astype(np.int64)


def turn_actions_back(
    actions: NDArray[np.int64], symmetries: NDArray[np.int64], side: int
) -> NDArray[np.int64]:
    """Return the actions [n] that were seen as these under their symmetries [n]."""
    return turn_actions(actions, _INVERSES[symmetries], side)
