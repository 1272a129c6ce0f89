"""Commands that think about moves, keep the clocks and settle the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.base import Decision
from agents.gtp.arguments import (
    color_argument,
    integer_argument,
    number_argument,
    parse_number,
    parse_vertex,
    text_argument,
)
from agents.gtp.clock import Allotment, TimeSystem
from agents.gtp.conduct import choose_action, second_choice
from agents.gtp.game import all_chains, facing
from agents.gtp.judge import dead_chains, estimate_ownership, judged_score
from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError, Handler
from agents.gtp.restriction import Ban, root_allowed
from agents.gtp.searcher import Searcher
from agents.gtp.state import State
from agents.gtp.thinking import Limits
from go_env.coords import BLACK, pass_action, vertex_from_action
from go_env.position import Position


@dataclass(frozen=True)
class Thought:
    """A finished search of one position."""

    position: Position
    searcher: Searcher
    decision: Decision
    started: float
    thought_s: float  # until the search ended
    allotted: Allotment | None


class PlayCommands:
    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> dict[str, Handler]:
        return {
            "genmove": lambda call: self.generate(call, color_argument(call, 0)),
            "reg_genmove": self._reg_genmove,
            "kgs-genmove_cleanup": self._genmove_cleanup,
            "time_settings": self._time_settings,
            "kgs-time_settings": self._kgs_time_settings,
            "time_left": self._time_left,
            "final_score": lambda _: self._state.final_score(),
            "final_status": self._final_status,
            "final_status_list": self._final_status_list,
            "cputime": lambda _: f"{self._state.thinking_s:.3f}",
            "gomill-cpu_time": lambda _: f"{self._state.thinking_s:.3f}",
        }

    def generate(
        self,
        call: Call,
        color: int,
        on_slice: Callable[[Searcher], None] | None = None,
        finish: Callable[[Searcher], None] | None = None,
        bans: Sequence[Ban] = (),
    ) -> str:
        """Think, play the move and return its vertex, or `resign`.

        The callbacks see the search after each slice of it and at its end. A forbidden move is not
        played; where no sensible one is left, the player passes.
        """
        state = self._state
        thought = self._think(call, color, timed=True, on_slice=on_slice, bans=bans)
        decision, position = thought.decision, thought.position
        if finish is not None:
            finish(thought.searcher)
        if state.resignation.should_resign(position, decision.value, decision.resign):
            self._stop_clock(thought, color)
            return "resign"
        action = choose_action(position, decision, self._wins_by_passing(position))
        allowed = root_allowed(bans, color, pass_action(position.size) + 1)
        if not allowed[action]:
            action = second_choice(position, decision, position.legal() & allowed)
        state.game = state.game.play(color, action)
        self._stop_clock(thought, color)
        if state.options.ponder and state.evaluator is not None:
            state.ponder_on = None if state.position.ended else state.position
        return vertex_from_action(action, state.game.size)

    def _think(
        self,
        call: Call,
        color: int,
        timed: bool,
        on_slice: Callable[[Searcher], None] | None = None,
        bans: Sequence[Ban] = (),
    ) -> Thought:
        state = self._state
        position = facing(state.position, color)
        searcher = state.seat.search(position, bans)
        allotted = state.clock.allot(color, position.size, position.ply) if timed else None
        # Only a clock runs while a player is loaded, which a time for each move does not.
        started = time.monotonic() if allotted is None else call.asked_at
        state.thinker.think(
            searcher,
            self._limits(started, allotted),
            lambda: call.interrupted,
            (lambda: None) if on_slice is None else (lambda: on_slice(searcher)),
        )
        thought_s = time.monotonic() - started
        decision = state.seat.settled(searcher.best(), position)
        return Thought(position, searcher, decision, started, thought_s, allotted)

    def _limits(self, started: float, allotted: Allotment | None) -> Limits:
        """Combine the clock, the time per move and the simulations; something must end a search."""
        options = self._state.options
        planned = latest = None
        if allotted is not None:
            planned, latest = allotted.planned_s, allotted.longest_s
        if options.move_time_s is not None:
            latest = options.move_time_s if latest is None else min(latest, options.move_time_s)
            planned = latest if planned is None else min(planned, latest)
        seat = self._state.seat
        simulations = seat.limit if options.simulations is None else options.simulations
        if simulations is None and latest is None:
            simulations = seat.simulations or 1
        return Limits(
            simulations,
            None if planned is None else started + planned,
            None if latest is None else started + latest,
        )

    def _stop_clock(self, thought: Thought, color: int) -> None:
        elapsed = time.monotonic() - thought.started
        if thought.allotted is not None:
            late_s = thought.allotted.lateness_s(elapsed, thought.thought_s)
            self._state.clock.spend(color, elapsed, late_s)
        self._state.thinking_s += elapsed

    def _wins_by_passing(self, position: Position) -> bool:
        """Tell whether the player to move wins if the game ends here."""
        color = position.to_play
        if position.outcome(color) > 0:
            return True
        if not self._state.options.friendly_pass:
            return False
        score = judged_score(position, self._state.evaluator)
        return score > 0 if color == BLACK else score < 0

    def _reg_genmove(self, call: Call) -> str:
        thought = self._think(call, color_argument(call, 0), timed=False)
        wins = self._wins_by_passing(thought.position)
        action = choose_action(thought.position, thought.decision, wins)
        return vertex_from_action(action, self._state.game.size)

    def _genmove_cleanup(self, call: Call) -> str:
        """Play on while dead stones of the opponent stand. Source: kgsGtp documentation."""
        state, color = self._state, color_argument(call, 0)
        thought = self._think(call, color, timed=True)
        position = thought.position
        dead = dead_chains(position, estimate_ownership(position, state.evaluator))
        stones = position.board.ravel()
        action = pass_action(position.size)
        if any(stones[chain[0]] != color for chain in dead):
            action = choose_action(position, thought.decision, wins_by_passing=False)
            if action == pass_action(position.size):
                action = second_choice(position, thought.decision, position.legal())
        state.game = state.game.play(color, action)
        self._stop_clock(thought, color)
        return vertex_from_action(action, position.size)

    def _time_settings(self, call: Call) -> str:
        main_s, period_s = number_argument(call, 0), number_argument(call, 1)
        stones = integer_argument(call, 2)
        if min(main_s, period_s, stones) < 0:
            raise GtpError(SYNTAX_ERROR)
        self._set_clock(TimeSystem.from_gtp(main_s, period_s, stones))
        return ""

    def _set_clock(self, system: TimeSystem) -> None:
        """Adopt a time control; a player that is not loaded yet is loaded before a clock runs."""
        self._state.clock.set_system(system)
        self._state.load_before_clock()

    def _kgs_time_settings(self, call: Call) -> str:
        """Source: kgsGtp: none | absolute M | byoyomi M PERIOD COUNT | canadian M PERIOD STONES."""
        kind = text_argument(call, 0).lower()
        numbers = [parse_number(text) for text in call.arguments[1:]]
        if any(number < 0 for number in numbers):
            raise GtpError(SYNTAX_ERROR)
        match kind, numbers:
            case "none", _:
                system = TimeSystem()
            case "absolute", [main_s, *_]:
                system = TimeSystem("absolute", main_s)
            case "byoyomi", [main_s, period_s, periods, *_]:
                system = TimeSystem("byoyomi", main_s, period_s, int(periods))
            case "canadian", [main_s, period_s, stones, *_]:
                system = TimeSystem("canadian", main_s, period_s, int(stones))
            case _:
                raise GtpError(SYNTAX_ERROR)
        self._set_clock(system)
        return ""

    def _time_left(self, call: Call) -> str:
        color, seconds = color_argument(call, 0), number_argument(call, 1)
        stones = integer_argument(call, 2)
        if stones < 0:
            raise GtpError(SYNTAX_ERROR)
        self._state.clock.set_left(color, max(0.0, seconds), stones)
        return ""

    def _dead(self) -> list[list[int]]:
        position = self._state.position
        return dead_chains(position, estimate_ownership(position, self._state.evaluator))

    def _final_status(self, call: Call) -> str:
        position = self._state.position
        action = parse_vertex(text_argument(call, 0), position.size)
        if action == pass_action(position.size) or not position.board.ravel()[action]:
            raise GtpError("no stone there")
        return "dead" if any(action in chain for chain in self._dead()) else "alive"

    def _final_status_list(self, call: Call) -> str:
        """List chains, one a line; seki is called alive, since area scoring counts it so."""
        status = text_argument(call, 0)
        if status not in ("alive", "dead", "seki"):
            raise GtpError(SYNTAX_ERROR)
        dead = self._dead()
        chains = {
            "dead": dead,
            "alive": [c for _, c in all_chains(self._state.position) if c not in dead],
            "seki": [],
        }[status]
        size = self._state.game.size
        return "\n".join(" ".join(vertex_from_action(a, size) for a in c) for c in chains)
