"""The identity task: an environment that shows the right action and ends after one move."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv


class ShownActionEnv(VectorEnv[Any, Any, Any]):
    """Plane 0 marks the point to play, all other planes are 0; +1 for playing it, else -1.

    A marked point is never the pass. Game and restart are one step, as in gymnasium's SAME_STEP.
    """

    def __init__(self, num_envs: int, planes: int, side: int = 2) -> None:
        self.num_envs = num_envs
        self._side = side
        self._num_planes = planes
        self.single_action_space = spaces.Discrete(side * side + 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        return self._observe()

    def step(self, actions: Any) -> Any:
        rewards = np.where(np.asarray(actions) == self._right, 1.0, -1.0)
        over = np.ones(self.num_envs, np.bool_)
        planes, infos = self._observe()
        return planes, rewards, over, np.zeros_like(over), infos

    def _observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        points = self._side**2
        self._right = self._rng.integers(points, size=self.num_envs)
        planes = np.zeros((self.num_envs, self._num_planes, points), np.float32)
        planes[np.arange(self.num_envs), 0, self._right] = 1.0
        mask = np.ones((self.num_envs, points + 1), np.int8)
        shape = (self.num_envs, self._num_planes, self._side, self._side)
        return planes.reshape(shape), {"action_mask": mask}
