"""Many games of Go in one gymnasium vector environment, stepped by one kernel call.

    import gymnasium, go_env.gym_env
    envs = gymnasium.make_vec("honte/Go-v0", num_envs=256, size=9, opponent="random")

The contract of a game is `go_env.gym_env`'s. `infos` holds an array [B] for each key of its info
(`action_mask` is [B, A]); `winner` and `score` come with the masks `_winner` and `_score`.

Games that are over begin anew by themselves, in one of gymnasium's ways:

* "NextStep" (gymnasium's default): the step that ends a game returns its last observation; the
  next step ignores that game's action, returns the first observation of a new one and reward 0.
* "SameStep": the step that ends a game returns the first observation of the next one, with the
  last one in infos["final_obs"] and what is to be told about it in infos["final_info"].
* "Disabled": `reset(options={"reset_mask": bool [B]})` begins the marked games anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from go_env.env_games import RENDER_MODES, Games, Opponent, check_render_mode, draw, game_rules
from go_env.errors import HonteError
from go_env.gym_env import Planes, observation_space
from go_env.position import Position
from go_env.rules import Rules

Actions = NDArray[np.int64]
VectorStep = tuple[Planes, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]


class GoVectorEnv(VectorEnv[Planes, Actions, NDArray[Any]]):
    """B games of Go; the module's text tells the contract.

    With copy=False the arrays of observations and masks are two that are used in turn: faster, and
    valid until the step after the next.
    """

    def __init__(  # noqa: PLR0913 - the keywords of make_vec, all by name
        self,
        num_envs: int = 1,
        size: int = 9,
        komi: float | None = None,
        opponent: Opponent = "random",
        rules: str | Rules = "tromp-taylor",
        color: str = "random",
        features: str = "lean",
        move_limit: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
    ) -> None:
        if num_envs < 1:
            raise HonteError(f"num_envs is {num_envs}: use at least 1")
        self.num_envs = num_envs
        self.render_mode = check_render_mode(render_mode)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {
            "render_modes": list(RENDER_MODES), "render_fps": 4,
            "autoreset_mode": self.autoreset_mode,
        }  # fmt: skip
        game = game_rules(size, komi, rules, move_limit)
        self._games = Games(num_envs, game, features, opponent, color)
        self.single_observation_space = observation_space(self._games)
        self.single_action_space = spaces.Discrete(self._games.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._buffers = None if copy else (self._new_arrays(), self._new_arrays())
        self._turn = 0
        self._started = False

    def position(self, index: int) -> Position:
        """Return one game as it stands, with its whole past."""
        return self._games.position(index)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Planes, dict[str, Any]]:
        """Begin all games anew, or those of options["reset_mask"]; only these heed a seed.

        options["color"] as in GoEnv: the agent's in the games that begin now.
        """
        options = options or {}
        which = np.ones(self.num_envs, np.bool_)
        if "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != which.shape or mask.dtype != np.bool_:
                raise HonteError(f"reset_mask must be bool [{self.num_envs}], one for each game")
            which = mask if self._started else which
        super().reset(seed=seed)
        if seed is not None or not self._started:
            self._games.seed(self.np_random, which)
        self._started = True
        self._games.restart(which, options.get("color"))
        out, mask = self._arrays()
        self._games.observe(out, mask)
        return out, self._infos(mask)

    def step(self, actions: Actions) -> VectorStep:
        """Play one action in each game and let the opponents answer."""
        if not self._started:
            raise HonteError("call reset() before step()")
        actions = np.asarray(actions, np.int64)
        if actions.shape != (self.num_envs,):
            raise HonteError(f"actions have shape {actions.shape}, not ({self.num_envs},)")
        games = self._games.games
        if self.autoreset_mode is AutoresetMode.DISABLED and games["over"].any():
            raise HonteError('a game is over: reset(options={"reset_mask": ...}) before step()')
        out, mask = self._arrays()
        self._games.step(actions, self.autoreset_mode is AutoresetMode.NEXT_STEP, out, mask)
        rewards = games["reward"].astype(np.float64)
        over = games["over"].astype(np.bool_)
        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and over.any():
            final = self._final(out, mask, over)
            self._games.restart(over)
            self._games.observe(out, mask)
        truncated = np.zeros(self.num_envs, np.bool_)
        return out, rewards, over, truncated, self._infos(mask) | final

    def render(self) -> tuple[Any, ...] | None:
        """Return one frame per game."""
        if self.render_mode is None:
            return None
        return tuple(draw(self.position(i), self.render_mode) for i in range(self.num_envs))

    def _new_arrays(self) -> tuple[Planes, NDArray[np.int8]]:
        shape = (self.num_envs, *self._games.plane_shape)
        masks = np.empty((self.num_envs, self._games.num_actions), np.int8)
        return np.empty(shape, np.float32), masks

    def _arrays(self) -> tuple[Planes, NDArray[np.int8]]:
        if self._buffers is None:
            return self._new_arrays()
        self._turn ^= 1
        return self._buffers[self._turn]

    def _infos(self, mask: NDArray[np.int8]) -> dict[str, Any]:
        """Tell about all games; where one is over, also how it ended."""
        games = self._games.games
        infos: dict[str, Any] = {
            "action_mask": mask,
            "color": games["color"].astype(np.int64),
            "ply": self._games.boards["ply"].astype(np.int64),
            "illegal": games["illegal"].astype(np.bool_),
        }
        everyone = np.ones(self.num_envs, np.bool_)
        infos |= {f"_{key}": everyone for key in infos}
        over = games["over"].astype(np.bool_)
        if over.any():
            infos["winner"] = games["winner"].astype(np.int64)
            infos["score"] = games["score"].astype(np.float64)
            infos["_winner"] = infos["_score"] = over
        return infos

    def _final(
        self, out: Planes, mask: NDArray[np.int8], over: NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Return the last observations and infos of the games that are over, as gymnasium does."""
        final_obs = np.full(self.num_envs, None, dtype=object)
        for index in np.flatnonzero(over):
            final_obs[index] = out[index].copy()
        final_info = self._infos(mask.copy())
        final_info |= {key: over for key in final_info if key.startswith("_")}
        return {
            "final_obs": final_obs, "_final_obs": over,
            "final_info": final_info, "_final_info": over,
        }  # fmt: skip
