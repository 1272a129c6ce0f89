"""Baselines at play: vectorized self-play games in, arrays for the learners out.

Both sides are played through `GoVectorEnv` with opponent=None: it then shows every ply to the
player to move, takes both colors' actions in turn and rewards the last mover. (Its view with a
built-in opponent hides the opponent's plies, of which self-play learns as well.) Any gymnasium
vector environment that restarts in the same step and tells an `action_mask` will do.

Letters: T plies, B games, M plies that count, C planes, N side, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import nn

from agents.baseline_network import ActorCritic, QNetwork
from agents.network import NetworkConfig
from go_env.coords import BLACK, WHITE
from go_env.rules import Rules
from go_env.symmetry import NUM_SYMMETRIES
from go_env.vector_env import GoVectorEnv
from training.baselines.views import turn_actions_back, turn_masks, turn_planes

Weights = Mapping[str, NDArray[np.float32]]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass
class Tally:
    """What is to be told about games that ended."""

    games: int = 0
    plies: int = 0  # of finished games
    black_wins: int = 0
    draws: int = 0
    sample: list[int] = field(default_factory=list)  # actions of one finished, legal game

    def add(self, length: int, black_outcome: float, moves: list[int]) -> None:
        self.games += 1
        self.plies += length
        self.black_wins += black_outcome > 0
        self.draws += black_outcome == 0
        self.sample = moves or self.sample


@dataclass(frozen=True)
class Plies:
    """T plies of B games that go on over and over; rewards are the mover's.

    planes: float16 [T + 1, B, C, N, N]; legal: bool [T + 1, B, A]; actions: int64 [T, B];
    rewards: float32 [T, B]; over: bool [T, B], whether the action ended the game.
    """

    planes: NDArray[np.float16]
    legal: Bools
    actions: NDArray[np.int64]
    rewards: Floats
    over: Bools
    tally: Tally


@dataclass(frozen=True)
class Games:
    """B whole games; their M plies in flat arrays, in order of (ply, game), as they were seen.

    planes: float16 [M, C, N, N]; legal: bool [M, A]; actions: int64 [M]; own: bool [M], whether
    the learner chose this action; rewards: float32 [T, B] of the mover; active: bool [T, B].
    """

    planes: NDArray[np.float16]
    legal: Bools
    actions: NDArray[np.int64]
    own: Bools
    rewards: Floats
    active: Bools
    tally: Tally


@dataclass(frozen=True)
class QTask:
    """So many plies in every game, epsilon-greedily."""

    weights: Weights
    epsilon: float
    plies: int


@dataclass(frozen=True)
class PolicyTask:
    """One game in every lane; without an opponent the learner plays both sides."""

    weights: Weights
    opponent: Weights | None


class Collector(Protocol):
    """One process's share of the play: `collect` takes values and returns values."""

    def collect(self, task: Any) -> Any: ...


class QCollector:
    """Plays epsilon-greedily. Games go on from call to call."""

    def __init__(
        self, env: VectorEnv[Any, Any, Any], network: NetworkConfig, mask: bool, seed: int
    ) -> None:
        self._env = env
        self._network = QNetwork(network).eval()
        self._mask = mask
        self._rng = np.random.default_rng(seed)
        self._planes, infos = env.reset(seed=seed)
        self._legal = self._allowed(infos)
        self._moves: list[list[int]] = [[] for _ in range(env.num_envs)]

    def collect(self, task: QTask) -> Plies:
        """Play `task.plies` in every game."""
        load(self._network, task.weights)
        count, games = task.plies, self._env.num_envs
        planes = np.empty((count + 1, *self._planes.shape), np.float16)
        legal = np.empty((count + 1, *self._legal.shape), np.bool_)
        actions = np.empty((count, games), np.int64)
        rewards, over = np.empty((count, games), np.float32), np.empty((count, games), np.bool_)
        tally = Tally()
        for t in range(count):
            planes[t], legal[t] = self._planes, self._legal
            actions[t] = self._choose(task.epsilon)
            self._planes, rewards[t], over[t], _, infos = self._env.step(actions[t])
            self._legal = self._allowed(infos)
            illegal = infos.get("final_info", {}).get("illegal", np.zeros(games, np.bool_))
            self._note(actions[t], rewards[t], over[t], illegal, tally)
        planes[count], legal[count] = self._planes, self._legal
        return Plies(planes, legal, actions, rewards, over, tally)

    def _choose(self, epsilon: float) -> NDArray[np.int64]:
        """Return the greedy allowed action [B], or with chance epsilon a random one."""
        with torch.inference_mode():
            q = self._network(torch.from_numpy(self._planes)).numpy()
        noise = self._rng.random(q.shape, dtype=np.float32)
        random = self._rng.random(len(q)) < epsilon
        return np.where(self._legal, np.where(random[:, None], noise, q), -np.inf).argmax(axis=1)

    def _allowed(self, infos: Mapping[str, Any]) -> Bools:
        mask = np.asarray(infos["action_mask"], np.bool_)
        return mask if self._mask else np.ones_like(mask)

    def _note(
        self, actions: NDArray[np.int64], rewards: Floats, over: Bools, illegal: Bools, tally: Tally
    ) -> None:
        for lane, moves in enumerate(self._moves):
            moves.append(int(actions[lane]))
            if over[lane]:
                outcome = float(rewards[lane]) * (1 if len(moves) % 2 == 1 else -1)
                tally.add(len(moves), outcome, [] if illegal[lane] else moves)
                self._moves[lane] = []


class PolicyCollector:
    """Draws moves from policies and plays games from their first to their last move."""

    def __init__(
        self, env: VectorEnv[Any, Any, Any], network: NetworkConfig, symmetries: bool, seed: int
    ) -> None:
        self._env = env
        self._symmetries = symmetries
        self._learner = ActorCritic(network).eval()
        self._opponent = ActorCritic(network).eval()
        self._rng = np.random.default_rng(seed)
        env.reset(seed=seed)

    def collect(self, task: PolicyTask) -> Games:
        """Play a game in every lane; against an opponent the learner has Black in every other."""
        load(self._learner, task.weights)
        colors = np.zeros(self._env.num_envs, np.int64)  # 0: both
        if task.opponent is not None:
            load(self._opponent, task.opponent)
            colors[:] = np.where(np.arange(len(colors)) % 2 == 0, BLACK, WHITE)
        planes, infos = self._env.reset()
        side = planes.shape[2]
        views = self._rng.integers(NUM_SYMMETRIES if self._symmetries else 1, size=len(colors))
        going = np.ones(len(colors), np.bool_)
        steps: list[_Step] = []
        while going.any():
            lanes = np.flatnonzero(going)
            seen = turn_planes(planes[lanes], views[lanes])
            mask = np.asarray(infos["action_mask"], np.bool_)
            legal = turn_masks(mask[lanes], views[lanes], side)
            own = ((colors == 0) | (colors == BLACK + len(steps) % 2))[lanes]
            chosen = self._choose(seen, legal, own)
            actions = np.full(len(colors), mask.shape[1] - 1, np.int64)  # a pass where it is over
            actions[lanes] = turn_actions_back(chosen, views[lanes], side)
            planes, rewards, over, _, infos = self._env.step(actions)
            step = _Step(
                seen.astype(np.float16), legal, chosen, own, going.copy(), actions, rewards
            )
            steps.append(step)
            going &= ~over
        return _games(steps)

    def _choose(self, planes: Floats, legal: Bools, own: Bools) -> NDArray[np.int64]:
        """Draw one action for each row from the policy of who moves there."""
        logits = np.empty(legal.shape, np.float32)
        for network, mine in ((self._learner, own), (self._opponent, ~own)):
            if mine.any():
                with torch.inference_mode():
                    logits[mine] = network(torch.from_numpy(planes[mine]))[0].numpy()
        # Gumbel-max: the argmax of logits plus Gumbel noise is a draw from their softmax.
        noise = self._rng.gumbel(size=logits.shape).astype(np.float32)
        return np.where(legal, logits + noise, -np.inf).argmax(axis=1)


@dataclass(frozen=True)
class _Step:
    """One ply of the games that are going on; `moves` and `rewards` [B] are those of all."""

    planes: NDArray[np.float16]
    legal: Bools
    actions: NDArray[np.int64]
    own: Bools
    going: Bools  # [B]
    moves: NDArray[np.int64]  # upright
    rewards: NDArray[Any]


def _games(steps: list[_Step]) -> Games:
    active = np.stack([step.going for step in steps])
    rewards = np.where(active, np.stack([step.rewards for step in steps]), 0.0).astype(np.float32)
    tally, lengths = Tally(), active.sum(axis=0)
    upright = np.stack([step.moves for step in steps])
    for lane, length in enumerate(lengths):
        sign = 1 if length % 2 == 1 else -1  # the last mover was Black?
        moves = upright[:length, lane].tolist() if lane == 0 else []
        tally.add(int(length), sign * float(rewards[length - 1, lane]), moves)
    return Games(
        np.concatenate([step.planes for step in steps]),
        np.concatenate([step.legal for step in steps]),
        np.concatenate([step.actions for step in steps]),
        np.concatenate([step.own for step in steps]),
        rewards,
        active,
        tally,
    )


def go_games(rules: Rules, features: str, count: int) -> GoVectorEnv:
    """Return `count` games in lockstep in which the caller plays both sides."""
    return GoVectorEnv(
        count, rules=rules, opponent=None, features=features,
        autoreset_mode=AutoresetMode.SAME_STEP, copy=False,
    )  # fmt: skip


def load(network: nn.Module, weights: Weights) -> None:
    """Go on with other weights; arrays that come through Ray are read-only, hence the copies."""
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})


def unload(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Return a copy of a network's weights as arrays."""
    return {k: v.detach().float().cpu().numpy().copy() for k, v in network.state_dict().items()}
