"""Planes of positions from random games: what backends are compared on, and quantized by."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.features import FeatureSet, encode
from go_env.position import Position
from go_env.rules import Rules, fair_komi

_GAME_POSITIONS = 8  # of one game, from the empty board to a full one; the last but one by a pass
_KOMI_SPREAD = 4.0  # standard deviation, in points


@functools.lru_cache(maxsize=16)
def sample_planes(features: FeatureSet, size: int, count: int, seed: int) -> NDArray[np.float32]:
    """Return the planes of `count` positions, float32 [count, C, N, N]; not to be changed."""
    rng = np.random.default_rng(seed)
    planes = np.zeros((count, features.num_planes, size, size), np.float32)
    position = Position.initial(Rules(size=size))
    for i in range(count):
        stage = i % _GAME_POSITIONS
        if stage == 0:
            komi = fair_komi(size) + round(rng.normal(0.0, _KOMI_SPREAD))
            position = Position.initial(Rules(size=size, komi=komi))
        elif stage == _GAME_POSITIONS - 2:
            position = position.play(size * size)
        else:
            for _ in range(max(1, size * size // _GAME_POSITIONS - 1)):
                legal = np.flatnonzero(position.legal()[:-1])
                position = position.play(int(rng.choice(legal)) if len(legal) else size * size)
        batch = PositionBatch.of([position], features.history)
        encode(batch, features, planes[i : i + 1])
    return planes
