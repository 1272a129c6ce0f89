"""Go for two agents as a PettingZoo AEC environment.

    from go_env import aec_env
    env = aec_env.env(size=9, komi=7.0, rules="tromp-taylor")

* Agents: "black_0" and "white_0"; Black moves first.
* Observations: {"observation": planes [C, N, N] float32 as that agent sees them, "action_mask":
  int8 [A], all zero for an agent that is not to move; after the end both see a pass alone, which
  `step` does not take: PettingZoo wants None then}. Actions as everywhere: row * N + column, row 0
  at the top; N * N is a pass.
* Rewards: 0 until the end, then +1, 0 or -1.
* An illegal action loses the game: `infos[agent]["illegal"]` is True. At the end every info also
  holds "winner" (1 Black, 2 White, 0 draw) and "score" (Black minus White minus komi).
* The move limit (three moves per point unless given) is a rule of the game: it terminates.

Boards of different sizes live side by side in one process.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import AECEnv  # type: ignore[import-untyped]

from go_env.coords import BLACK, WHITE
from go_env.env_games import RENDER_MODES, Description, Games, check_render_mode, draw, game_rules
from go_env.errors import HonteError
from go_env.gym_env import observation_space
from go_env.position import Position
from go_env.rules import Rules

AGENTS = ("black_0", "white_0")
_COLOR_OF = {"black_0": BLACK, "white_0": WHITE}


class raw_env(AECEnv):  # type: ignore[misc]
    """A game of Go between two agents; the module's text tells the contract."""

    metadata: dict[str, Any] = {  # noqa: RUF012 - the base class declares it so
        "name": "honte_go_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "is_parallelizable": False,
    }

    def __init__(
        self,
        size: int = 9,
        komi: float | None = None,
        rules: str | Rules = "tromp-taylor",
        render_mode: str | None = None,
        features: str = "lean",
        move_limit: int | None = None,
    ) -> None:
        super().__init__()
        self.render_mode = check_render_mode(render_mode)
        game = game_rules(size, komi, rules, move_limit)
        self._games = Games(1, game, features, opponent=None, color="black")
        planes = observation_space(self._games)
        mask = spaces.Box(0, 1, (self._games.num_actions,), np.int8)
        space = spaces.Dict({"observation": planes, "action_mask": mask})
        self.possible_agents = list(AGENTS)
        self.observation_spaces = dict.fromkeys(AGENTS, space)
        self.action_spaces = dict.fromkeys(AGENTS, spaces.Discrete(self._games.num_actions))
        self.agents: list[str] = []
        self._seen: dict[str, dict[str, Any]] = {}

    @property
    def position(self) -> Position:
        """The game as it stands, with its whole past."""
        return self._games.position(0)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a new game. Nothing is random: the seed changes nothing."""
        if seed is not None:
            self.np_random, self.np_random_seed = seeding.np_random(seed)
        self.agents = list(AGENTS)
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations = dict.fromkeys(AGENTS, False)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}
        self.agent_selection = AGENTS[0]
        self._games.restart(np.ones(1, np.bool_))
        self._seen = {}

    def observe(self, agent: str) -> dict[str, Any]:
        """Return what an agent sees, whoever is to move; the arrays are the caller's."""
        if agent not in self._seen:
            if agent not in _COLOR_OF:
                raise HonteError(f"unknown agent {agent!r}: use {' or '.join(AGENTS)}")
            planes, mask = self._arrays()
            self._games.observe_as(0, _COLOR_OF[agent], planes, mask)
            self._seen[agent] = {"observation": planes[0], "action_mask": mask[0]}
        return {name: array.copy() for name, array in self._seen[agent].items()}

    def step(self, action: int | None) -> None:
        """Play for the agent whose turn it is."""
        if not self.agents:
            raise HonteError("no game is being played: call reset() before step()")
        mover = self.agent_selection
        if self.terminations[mover]:
            self._was_dead_step(action)
            return
        if action is None:
            raise HonteError(f"{mover} is to move: None is for agents whose game is over")
        planes, mask = self._arrays()
        game = self._games.step_first(int(action), planes, mask)
        other = AGENTS[1] if mover == AGENTS[0] else AGENTS[0]
        self.agent_selection = other
        self._cumulative_rewards[mover] = 0.0
        # The planes are those of the player to move, which is the other one unless the move failed.
        self._seen = {other: {"observation": planes[0], "action_mask": mask[0]}}
        if game[2]:
            self._end(game, mover, other)
        if self.render_mode == "human":
            self.render()

    def render(self) -> Any:
        """Return text (`ansi`) or an image [H, W, 3] uint8 (`rgb_array`); `human` prints."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs a render_mode: env(..., render_mode='ansi')")
            return None
        return draw(self.position, self.render_mode)

    def close(self) -> None:
        """Release nothing: there is nothing to release."""

    def _arrays(self) -> tuple[Any, Any]:
        planes = np.empty((1, *self._games.plane_shape), np.float32)
        return planes, np.empty((1, self._games.num_actions), np.int8)

    def _end(self, game: Description, mover: str, other: str) -> None:
        """Hand out rewards and tell both agents how the game ended."""
        _, _, _, illegal, winner, reward, score = game
        self._seen = {}
        self.rewards = {mover: reward, other: -reward}
        self._cumulative_rewards[mover] += reward
        self._cumulative_rewards[other] -= reward
        self.terminations = dict.fromkeys(AGENTS, True)
        for agent in AGENTS:
            lost_so = illegal and agent == mover
            self.infos[agent] = {"winner": winner, "score": score, "illegal": lost_so}


def env(
    size: int = 9,
    komi: float | None = None,
    rules: str | Rules = "tromp-taylor",
    render_mode: str | None = None,
    features: str = "lean",
    move_limit: int | None = None,
) -> raw_env:
    """Return the environment.

    PettingZoo's wrappers would only slow it down threefold: a raw_env itself refuses calls out of
    order and lets an action that is illegal, or not on the board at all, lose the game.
    """
    return raw_env(size, komi, rules, render_mode, features, move_limit)
