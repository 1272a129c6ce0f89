"""Go as a gymnasium environment: one agent, and an opponent that answers within `step`.

    import gymnasium, go_env.gym_env
    env = gymnasium.make("honte/Go-v0", size=9, opponent="random", color="black")
    envs = gymnasium.make_vec("honte/Go-v0", num_envs=256, size=9)  # all in one kernel call

* Actions: row * N + column, row 0 at the top; N * N is a pass.
* Observations: planes [C, N, N] float32 of a feature set, seen by the agent.
* Rewards: 0 until the end, then +1, 0 or -1.
* `info["action_mask"]` int8 [A]: 1 where an action is legal; there is always one. Also
  `info["color"]` (the agent's: 1 Black, 2 White, 0 both), `info["ply"]`, `info["illegal"]`, and
  once the game is over `info["winner"]` (1, 2, or 0 for a draw) and `info["score"]` (Black minus
  White minus komi).
* An illegal action loses: reward -1, terminated, `info["illegal"]` is True.
* The move limit (three moves per point unless given) is a rule of the game: it terminates and is
  scored. Nothing is ever truncated.
* opponent=None is self-play: the agent plays both colors, each observation is the mover's, and the
  reward at the end is that of the player who moved last.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from go_env.env_games import (
    RENDER_MODES,
    Description,
    Games,
    Opponent,
    check_render_mode,
    draw,
    game_rules,
)
from go_env.errors import HonteError
from go_env.features import KOMI_SCALE
from go_env.position import Position
from go_env.rules import Rules

Planes = NDArray[np.float32]
_FLOAT, _INT = np.dtype(np.float32), np.dtype(np.int8)
_THE_GAME = np.ones(1, np.bool_)


def observation_space(games: Games) -> spaces.Space[Any]:
    """Return the space of one observation [C, N, N]: all planes lie in [0, 1], but for komi."""
    reach = np.float32(abs(games.rules.komi) / KOMI_SCALE) if games.features.name == "lean" else 0.0
    return spaces.Box(-reach, max(1.0, reach), games.plane_shape, np.float32)


class GoEnv(gymnasium.Env[Planes, np.int64]):
    """A single game of Go; the module's text tells the contract."""

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        size: int = 9,
        komi: float | None = None,
        opponent: Opponent = "random",
        rules: str | Rules = "tromp-taylor",
        color: str = "random",
        features: str = "lean",
        move_limit: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = check_render_mode(render_mode)
        game = game_rules(size, komi, rules, move_limit)
        self._games = Games(1, game, features, opponent, color)
        self.observation_space = observation_space(self._games)
        self.action_space = spaces.Discrete(self._games.num_actions)
        self._shape = (1, *self._games.plane_shape)
        self._mask_shape = (1, self._games.num_actions)
        self._mask = np.zeros(self._mask_shape, np.int8)
        self._seeded = False
        self._over = True  # until the first reset

    @property
    def position(self) -> Position:
        """The game as it stands, with its whole past."""
        return self._games.position(0)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return bool [A], as sb3-contrib's MaskablePPO asks for it."""
        return self._mask[0].astype(np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Planes, dict[str, Any]]:
        """Begin a new game; options {"color": "white"} chooses the agent's color for this game."""
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            self._games.seed(self.np_random, _THE_GAME)
            self._seeded = True
        self._games.restart(_THE_GAME, (options or {}).get("color"))
        out = np.empty(self._shape, _FLOAT)
        self._mask = np.empty(self._mask_shape, _INT)
        self._games.observe(out, self._mask)
        info = self._info(self._games.describe(0))
        if self.render_mode == "human":
            self.render()
        return out[0], info

    def step(self, action: np.int64 | int) -> tuple[Planes, float, bool, bool, dict[str, Any]]:
        """Play for the agent, then for the opponent."""
        games = self._games
        if self._over:
            raise HonteError("the game is over: call reset() before step()")
        out = np.empty(self._shape, _FLOAT)
        self._mask = np.empty(self._mask_shape, _INT)
        game = games.step_first(int(action), out, self._mask)
        if self.render_mode == "human":
            self.render()
        return out[0], game[5], game[2], False, self._info(game)

    def render(self) -> Any:
        """Return text (`ansi`) or an image [H, W, 3] uint8 (`rgb_array`); `human` prints."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs a render_mode: make(..., render_mode='ansi')")
            return None
        return draw(self.position, self.render_mode)

    def _info(self, game: Description) -> dict[str, Any]:
        """Tell about the game, and remember whether it is over."""
        ply, color, self._over, illegal, winner, _, score = game
        info = {"action_mask": self._mask[0], "color": color, "ply": ply, "illegal": illegal}
        if self._over:
            info["winner"] = winner
            info["score"] = score
        return info


gymnasium.register(
    id="honte/Go-v0",
    entry_point="go_env.gym_env:GoEnv",
    vector_entry_point="go_env.vector_env:GoVectorEnv",
)
