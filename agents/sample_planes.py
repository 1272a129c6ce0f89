"""Planes of positions from random games: what backends are compared on, and quantized by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.features import FeatureSet, encode
from go_env.position import Position
from go_env.rules import Rules, fair_komi

_GAME_POSITIONS = 8  # of one game, from the empty board to a full one


def sample_planes(features: FeatureSet, size: int, count: int) -> NDArray[np.float32]:
    """Return the planes of `count` fixed positions, float32 [count, C, N, N]."""
    rng = np.random.default_rng(0)
    rules = Rules(size=size, komi=fair_komi(size))
    positions: list[Position] = []
    for i in range(count):
        if i % _GAME_POSITIONS == 0:
            position = Position.initial(rules)
        else:
            for _ in range(max(1, size * size // _GAME_POSITIONS - 1)):
                legal = np.flatnonzero(position.legal()[:-1])
                position = position.play(int(rng.choice(legal)) if len(legal) else size * size)
        positions.append(position)
    batch = PositionBatch.of(positions, features.history)
    planes = np.zeros((count, features.num_planes, size, size), np.float32)
    encode(batch, features, planes)
    return planes
