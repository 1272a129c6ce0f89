"""Clocks and how to spend them.

The aim is never to lose on time and otherwise to spend the time where it counts. All is measured
from the moment when a command *arrived*, so that a machine that wakes us late costs thinking time,
not the game. What we cannot see coming is kept in reserve: as much as answers have lately been
late, and in overtime, where one late answer loses, the length of a usual stall of a busy machine.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

from go_env.coords import BLACK, WHITE

System = Literal["none", "absolute", "canadian", "byoyomi"]

MIN_LAG_S = 0.05  # a move: what the client's clock may show beyond ours on a busy machine
_KEPT_SHARE = 0.15  # of the main time, at most, that is kept for the lag of moves without thought
_OVERTIME_SHARE = 0.85  # of an overtime period that a single move may use ...
_STALL_S = 0.5  # ... and this is kept of it for stalls of the machine ...
_STALL_SHARE = 0.5  # ... but of a short period at most this share
_LONGEST_TO_PLANNED = 2.5  # a difficult move may take this much longer than planned
_MAIN_SHARE = 0.25  # of the main time that a single move may use without overtime behind it
_LATENESS_FACTOR = 2.0  # kept in reserve, over what lateness is to be expected
_LATENESS_KEPT = 100  # moves
_LATENESS_QUANTILE = 0.95
_PEAK_DECAY = 0.6  # per move, of the worst one: a single late answer is forgotten in a few moves


@dataclass(frozen=True)
class TimeSystem:
    """A time control: main time, then nothing, Canadian periods or Japanese byo-yomi."""

    kind: System = "none"
    main_s: float = 0.0
    period_s: float = 0.0
    stones: int = 0  # moves per Canadian period, or number of byo-yomi periods

    @staticmethod
    def from_gtp(main_s: float, period_s: float, stones: int) -> TimeSystem:
        """Read `time_settings`. Source: GTP version 2, section 4.2.

        A period without stones means no limit, no period means absolute time; three zeros, which
        would leave no time at all, are what some clients send for "no limit".
        """
        if stones == 0 and (period_s > 0 or main_s == 0):
            return TimeSystem()
        if period_s == 0:
            return TimeSystem("absolute", main_s)
        return TimeSystem("canadian", main_s, period_s, stones)


@dataclass(frozen=True)
class Remaining:
    main_s: float
    period_s: float  # left of the running period
    stones: int  # moves left in it, or byo-yomi periods left


@dataclass(frozen=True)
class Allotment:
    """Seconds for one move: as planned, and at the most."""

    planned_s: float
    longest_s: float

    def lateness_s(self, elapsed_s: float, thought_s: float) -> float:
        """Return how long after the end of a search, or the latest end allotted, its answer came.

        Both times are counted from the arrival of the command.
        """
        return max(0.0, elapsed_s - min(thought_s, self.longest_s))


@dataclass
class Lateness:
    """How late answers have been: a high quantile of many, and the worst of the latest few."""

    _latest_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENESS_KEPT))
    _peak_s: float = 0.0

    def note(self, late_s: float) -> None:
        self._latest_s.append(late_s)
        self._peak_s = max(late_s, self._peak_s * _PEAK_DECAY)

    @property
    def reserve_s(self) -> float:
        """Return what to keep of a clock for being late."""
        ranked = sorted(self._latest_s)
        # Of less than twenty the worst but one: a single answer is not what is usual.
        usual_s = ranked[int(_LATENESS_QUANTILE * (len(ranked) - 1))] if ranked else 0.0
        return max(MIN_LAG_S, _LATENESS_FACTOR * max(usual_s, self._peak_s))


def moves_left(size: int, ply: int) -> float:
    """Estimate how many moves one player still has to make.

    Games between programs take about 0.75 plies a point on 9x9 and fewer on larger boards (270 of
    361 on 19x19); a long game is assumed to go on for a while, whatever its length.
    """
    points = size * size
    expected_plies = 0.75 * points + 4
    return max((expected_plies - ply) / 2, points * 0.1, 4.0)


class Clock:
    """Both players' clocks, by our own measurement unless the client tells."""

    def __init__(self) -> None:
        self._system = TimeSystem()
        self._lateness = Lateness()
        self._left: dict[int, Remaining] = {}
        self._told: set[int] = set()  # colors whose time the client has just told

    @property
    def running(self) -> bool:
        return self._system.kind != "none"

    def set_system(self, system: TimeSystem) -> None:
        self._system = system
        self.reset()

    def reset(self) -> None:
        """Give both players their full time (a new game)."""
        system = self._system
        full = Remaining(system.main_s, system.period_s, system.stones)
        self._left = {BLACK: full, WHITE: full}

    def set_left(self, color: int, seconds: float, stones: int) -> None:
        """Take over `time_left`: with stones it is overtime. Source: GTP version 2, section 4.2."""
        if not self.running:
            return
        self._told.add(color)
        if stones == 0:
            system = self._system
            self._left[color] = Remaining(seconds, system.period_s, system.stones)
        else:
            self._left[color] = Remaining(0.0, seconds, stones)

    def left(self, color: int) -> Remaining:
        return self._left[color]

    def allot(self, color: int, size: int, ply: int) -> Allotment | None:
        """Return how long to think about the next move; None without a limit."""
        if not self.running:
            return None
        left = self._left[color]
        spare_s = self._lateness.reserve_s
        per_move_s = self._per_move_s(color)
        stall_s = max((1 - _OVERTIME_SHARE) * per_move_s, min(_STALL_S, _STALL_SHARE * per_move_s))
        overtime_s = max(0.0, per_move_s - stall_s - spare_s)
        if left.main_s <= spare_s and per_move_s:
            return Allotment(overtime_s, overtime_s)
        kept_s = min(MIN_LAG_S * size * size, _KEPT_SHARE * self._system.main_s)
        kept_s = 0.0 if per_move_s else kept_s
        usable_s = max(0.0, left.main_s - kept_s - spare_s)
        planned_s = usable_s / moves_left(size, ply) + overtime_s
        longest_s = min(_LONGEST_TO_PLANNED * planned_s, usable_s * _MAIN_SHARE + overtime_s)
        return Allotment(min(planned_s, longest_s), longest_s)

    def spend(self, color: int, elapsed_s: float, late_s: float = 0.0) -> None:
        """Take a move's time from the clock, and learn how punctual we are.

        `time_left` corrects what we assume of the lag; many clients do not send it.
        """
        if not self.running:
            return
        self._lateness.note(late_s)
        self._told.discard(color)
        left = self._left[color]
        charged_s = elapsed_s + MIN_LAG_S
        over_s = charged_s - left.main_s
        if over_s <= 0:
            self._left[color] = replace(left, main_s=left.main_s - charged_s)
        else:
            self._left[color] = self._spend_overtime(left, over_s)

    def _per_move_s(self, color: int) -> float:
        """Return what a move may take in overtime, 0 where there is none.

        Unless the client tells, we may be wrong about when a Canadian period began: no move then
        takes more than its equal share, so that any so many moves in a row fit into a period.
        """
        left, system = self._left[color], self._system
        if system.kind == "canadian":
            share_s = left.period_s / max(left.stones, 1)
            equal_s = system.period_s / max(system.stones, 1)
            return share_s if color in self._told else min(share_s, equal_s)
        return left.period_s if system.kind == "byoyomi" else 0.0

    def _spend_overtime(self, left: Remaining, over_s: float) -> Remaining:
        system = self._system
        if system.kind == "canadian":
            if left.stones > 1:
                return Remaining(0.0, max(0.0, left.period_s - over_s), left.stones - 1)
            return Remaining(0.0, system.period_s, system.stones)
        if system.kind == "byoyomi" and system.period_s > 0:
            lost = min(int(over_s / system.period_s), max(left.stones - 1, 0))
            return Remaining(0.0, system.period_s, left.stones - lost)
        return Remaining(0.0, 0.0, 0)
