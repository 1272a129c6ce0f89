"""The clocks of one game as an arbiter runs them."""

from __future__ import annotations

import math
from dataclasses import replace

from agents.gtp.clock import Remaining, TimeSystem
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError


class MatchClock:
    """Counts both players' time down; running out is a loss, not an estimate."""

    def __init__(self, system: TimeSystem) -> None:
        full = Remaining(system.main_s, system.period_s, system.stones)
        self.system = system
        self.left = {BLACK: full, WHITE: full}

    def spend(self, color: int, elapsed_s: float) -> bool:
        """Take a move's time; return False when the player has run out of it."""
        left = self.left[color]
        over_s = elapsed_s - left.main_s
        if self.system.kind == "none":
            return True
        if over_s <= 0:
            self.left[color] = replace(left, main_s=-over_s)
            return True
        if self.system.kind == "canadian":
            return self._spend_canadian(color, left, over_s)
        if self.system.kind == "byoyomi" and self.system.period_s > 0:
            used = int(over_s / self.system.period_s)
            periods = left.stones - used
            self.left[color] = Remaining(0.0, self.system.period_s, max(periods, 0))
            return periods > 0
        self.left[color] = Remaining(0.0, 0.0, 0)
        return False

    def _spend_canadian(self, color: int, left: Remaining, over_s: float) -> bool:
        if over_s > left.period_s:
            self.left[color] = Remaining(0.0, 0.0, 0)
            return False
        if left.stones > 1:
            self.left[color] = Remaining(0.0, left.period_s - over_s, left.stones - 1)
        else:
            self.left[color] = Remaining(0.0, self.system.period_s, self.system.stones)
        return True


def parse_clock(text: str) -> TimeSystem:
    """Read a time control.

    `300` is absolute; `60+30/5` adds Canadian periods of 30 s for 5 moves each, `60+3x10` three
    byo-yomi periods of 10 s.
    """
    main, plus, overtime = text.partition("+")
    try:
        main_s = float(main)
        if not plus:
            system = TimeSystem("absolute", main_s)
        elif "/" in overtime:
            period, stones = overtime.split("/")
            system = TimeSystem("canadian", main_s, float(period), int(stones))
        else:
            periods, period = overtime.split("x")
            system = TimeSystem("byoyomi", main_s, float(period), int(periods))
    except ValueError:
        system = TimeSystem()
    finite = math.isfinite(system.main_s) and math.isfinite(system.period_s)
    if (
        system.kind == "none"
        or not finite
        or main_s < 0
        or (not plus and main_s == 0)
        or (plus and min(system.period_s, system.stones) <= 0)
    ):
        raise HonteError(
            f"clock {text!r} is not understood: write 300 (seconds in all), 60+30/5 (then 5 moves"
            " in every 30 s) or 60+3x10 (then three periods of 10 s)"
        )
    return system
