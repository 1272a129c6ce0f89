"""What the engine needs from a player: one game, searched step by step.

`SearchSession` of the tree-search player is one; `AgentSearcher` makes one of any other agent,
which thinks once and is then asked for nothing more.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from agents.base import Agent, Decision
from agents.gtp.restriction import Ban, RestrictedEvaluator
from agents.mcts_agent import Analysis, MctsAgent, MoveInfo, SearchSession
from agents.tree_shelf import same_situation
from go_env.position import Position
from go_env.rules import Rules
from mcts.evaluator import Evaluator

_WARM_UP = 16  # simulations before the first position


class Searcher(Protocol):
    """One game under search; see `agents.mcts_agent.SearchSession`."""

    @property
    def root_visits(self) -> int: ...
    def set_position(self, position: Position) -> None: ...
    def run(self, simulations: int) -> None: ...
    def analysis(self) -> Analysis: ...
    def best(self) -> Decision: ...


class AgentSearcher:
    """An agent without a tree; its one Decision is presented as a search of one visit."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._position: Position | None = None
        self._decision: Decision | None = None

    @property
    def root_visits(self) -> int:
        return 0 if self._decision is None else 1

    def set_position(self, position: Position) -> None:
        if self._position is None or not same_situation(position, self._position):
            self._position, self._decision = position, None

    def run(self, simulations: int) -> None:
        if self._decision is None and self._position is not None:
            self._decision = self._agent.choose([self._position])[0]

    def best(self) -> Decision:
        self.run(1)
        assert self._decision is not None, "set_position comes first"
        return self._decision

    def analysis(self) -> Analysis:
        decision = self.best()
        assert self._position is not None
        points = self._position.size**2
        policy = decision.policy
        if policy is None:
            policy = np.zeros(points + 1, np.float32)
            policy[decision.action] = 1.0
        value = decision.value or 0.0
        actions = [decision.action]
        actions += [int(a) for a in np.argsort(-policy) if policy[a] > 0 and a != decision.action]
        moves = [
            MoveInfo(
                action=action,
                visits=1,
                value=value,
                prior=float(policy[action]),
                score=None,
                lcb=value,
                pv=[action],
                pv_visits=[1],
                order=order,
            )
            for order, action in enumerate(actions)
        ]
        return Analysis(
            visits=1, value=value, score=None, moves=moves, ownership=None, policy=policy
        )


PlayerFactory = Callable[[int, int], Agent]


class Seat:
    """The player at the board, made when first needed and remade for another board size."""

    def __init__(self, make_player: PlayerFactory, seed: int) -> None:
        """Hold `make_player(size, seed)`, which raises HonteError for a size it cannot play."""
        self._make_player = make_player
        self._seed = seed
        self._size = 0
        self._frozen = False
        self.agent: Agent | None = None
        self._searcher: Searcher | None = None

    def take(self, size: int) -> None:
        """Have a player for this board size, ready to think; the old one stays if that fails."""
        if self._searcher is not None and size == self._size:
            return
        agent = self._make_player(size, self._seed)
        searcher = make_searcher(agent)
        searcher.set_position(Position.initial(Rules(size=size)))
        searcher.run(_WARM_UP)  # compiles and loads what the first move would otherwise wait for
        searcher.analysis()
        self.close()
        self.agent, self._searcher, self._size = agent, searcher, size
        if not self._frozen:
            self._frozen = True
            gc.freeze()  # a full collection of what was loaded takes 0.14 s, on somebody's clock

    def search(self, position: Position, bans: Sequence[Ban] = ()) -> Searcher:
        """Return the player's search of a position, with what earlier ones of the game found.

        Under bans it is one of its own, which knows nothing yet.
        """
        self.take(position.size)
        assert self._searcher is not None and self.agent is not None
        searcher = make_searcher(self.agent, bans, position.ply) if bans else self._searcher
        searcher.set_position(position)
        return searcher

    def settled(self, found: Decision, position: Position) -> Decision:
        """Return what the player makes of what its search found."""
        return self.agent.settled(found, position) if isinstance(self.agent, MctsAgent) else found

    @property
    def simulations(self) -> int | None:
        """The simulations per move that the player was made for, if it searches."""
        return self.agent.simulations if isinstance(self.agent, MctsAgent) else None

    @property
    def limit(self) -> int | None:
        """The simulations per move that the player does not exceed with any clock."""
        return self.agent.limit if isinstance(self.agent, MctsAgent) else None

    @property
    def evaluator(self) -> Evaluator | None:
        """The player's evaluator, if it searches."""
        return self.agent.evaluator if isinstance(self.agent, MctsAgent) else None

    @property
    def player_name(self) -> str:
        return "" if self.agent is None else self.agent.name

    def reseed(self, seed: int) -> None:
        """Start over with other random numbers."""
        self._seed = seed
        self.forget()

    def forget(self) -> None:
        """Drop all that has been searched and cached."""
        self.close()

    def close(self) -> None:
        if self.agent is not None:
            self.agent.close()
        self.agent = self._searcher = None
        self._size = 0


def make_searcher(agent: Agent, bans: Sequence[Ban] = (), root_ply: int = 0) -> Searcher:
    """Return a new search by this agent; bans bind only agents that search."""
    if not isinstance(agent, MctsAgent):
        return AgentSearcher(agent)
    evaluator = agent.evaluator
    if bans:
        evaluator = RestrictedEvaluator(evaluator, bans, root_ply)
    return SearchSession(evaluator, agent.config)
