"""A searching player in a match with clocks: it spends time instead of a number of simulations."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agents.base import Decision
from agents.gtp.clock import Clock, Remaining, TimeSystem
from agents.gtp.thinking import Limits, Thinker
from agents.mcts_agent import MctsAgent, SearchSession
from go_env.position import Position
from go_env.rules import Rules

_WARM_UP_SIMULATIONS = 8


class ClockedAgent:
    """Searches one position after the other for as long as its clock allows, keeping its tree.

    Where the player has a limit of simulations, a move takes no more than that.

    What is compiled or loaded at first use is done on construction, before any clock runs.
    """

    def __init__(self, agent: MctsAgent, size: int) -> None:
        self.name = agent.name
        self._agent = agent
        self._session = SearchSession(agent.evaluator, agent.config, shelf_bytes=0)
        self._clock = Clock()
        self._system: TimeSystem | None = None
        self._thinker = Thinker()
        self._session.set_position(Position.initial(Rules(size=size)))
        self._thinker.run(self._session, _WARM_UP_SIMULATIONS)
        self._thinker.run(self._session, _WARM_UP_SIMULATIONS)  # at the speed that will last
        self._session.best()

    def set_clock(self, system: TimeSystem, left: dict[int, Remaining]) -> None:
        """Take over what an arbiter's clock shows."""
        if system != self._system:
            self._system = system
            self._clock.set_system(system)
        for color, rest in left.items():
            in_overtime = rest.main_s <= 0 and rest.period_s > 0
            seconds = rest.period_s if in_overtime else rest.main_s
            self._clock.set_left(color, seconds, rest.stones if in_overtime else 0)

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        return [self._choose(position) for position in positions]

    def close(self) -> None:
        self._agent.close()

    def _choose(self, position: Position) -> Decision:
        started = time.monotonic()
        allotted = self._clock.allot(position.to_play, position.size, position.ply)
        if allotted is None:
            return self._agent.choose([position])[0]
        planned_end, latest_end = started + allotted.planned_s, started + allotted.longest_s
        limits = Limits(self._agent.limit, planned_end, latest_end)
        self._session.set_position(position)
        self._thinker.think(self._session, limits, stop=lambda: False)
        thought_s = time.monotonic() - started
        decision = self._agent.settled(self._session.best(), position)
        elapsed_s = time.monotonic() - started
        late_s = allotted.lateness_s(elapsed_s, thought_s)
        self._clock.spend(position.to_play, elapsed_s, late_s)
        return decision
