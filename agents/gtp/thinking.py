"""Search until the move is worth no more time: simulations, clock, interrupts, early stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agents.gtp.searcher import Searcher

_SLICE_S = 0.05  # how often the clock and the input are looked at
_SLICE_SHARE = 0.1  # ... or after this share of the time left
_RATE_MEMORY = 0.7
_FIRST_CHUNK = 8
_STEADY_CHUNK = 64  # where no clock runs: the same at any speed, as batches end with a slice
_LEVEL = 0.9  # of the leader's visits: a second move that has so many may still overtake it
_CHECK_S = 0.1  # how often the leader's advantage is looked at
MIN_THINK_S = 0.004  # with less than this there is no search at all


@dataclass(frozen=True)
class Limits:
    """When to stop; what is None does not count. Times are time.monotonic()."""

    simulations: int | None = None
    planned_end: float | None = None  # stop here when the best move is settled
    latest_end: float | None = None  # stop here in any case


class Thinker:
    """Runs searches in slices, and remembers how fast they are."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._per_s: float | None = None  # simulations a second
        self._latest_per_s = 0.0  # ... of the latest slice
        self._latest_count = 0  # simulations of the latest slice ...
        self._latest_end = (0, 0)  # ... and where it left which search

    def think(
        self,
        searcher: Searcher,
        limits: Limits,
        stop: Callable[[], bool],
        on_slice: Callable[[], None] = lambda: None,
    ) -> int:
        """Search the position that the searcher stands on; return the number of simulations."""
        done, next_check = 0, self._now()
        while not stop():
            count = self._next_count(searcher, limits, done)
            if count == 0:
                break
            self.run(searcher, count)
            done += count
            on_slice()
            if limits.planned_end is not None and self._now() >= next_check:
                if self._is_settled(searcher, limits):
                    break
                next_check = self._now() + _CHECK_S
        return done

    def run(self, searcher: Searcher, count: int) -> None:
        """Add simulations and measure their speed."""
        started = self._now()
        searcher.run(count)
        elapsed = max(self._now() - started, 1e-6)
        rate = count / elapsed
        old, self._latest_per_s = self._per_s, rate
        self._per_s = rate if old is None else _RATE_MEMORY * old + (1 - _RATE_MEMORY) * rate
        self._latest_count = count
        self._latest_end = (id(searcher), searcher.root_visits)

    def slice_count(self, searcher: Searcher, seconds: float = _SLICE_S) -> int:
        """Return how many simulations fit into so many seconds, at least one.

        The slower of the usual and the latest speed counts: a machine that has just begun to stall
        is not asked for much at once. What the speed was elsewhere says little: at the end of a
        game simulations cost next to nothing, at the beginning of the next a hundred times as much.
        So each position begins with few, and no slice is more than twice the one before.
        """
        same = self._latest_end == (id(searcher), searcher.root_visits)
        most = max(_FIRST_CHUNK, 2 * self._latest_count) if same else _FIRST_CHUNK
        if self._per_s is None:
            return max(1, int(most / _SLICE_S * seconds))
        return max(1, min(most, int(min(self._per_s, self._latest_per_s) * seconds)))

    def _next_count(self, searcher: Searcher, limits: Limits, done: int) -> int:
        """Return how many simulations to run now; 0: it is time to stop."""
        seconds, most = _SLICE_S, 1 << 30
        if limits.simulations is not None:
            most = limits.simulations - done
            if limits.planned_end is None and limits.latest_end is None:
                return max(0, min(most, _STEADY_CHUNK))
        if limits.latest_end is not None:
            left_s = limits.latest_end - self._now()
            if left_s < MIN_THINK_S:
                most = min(most, 0 if searcher.root_visits else 1)
            seconds = min(_SLICE_S, left_s * _SLICE_SHARE)
        return max(0, min(most, self.slice_count(searcher, max(seconds, 0.0))))

    def _is_settled(self, searcher: Searcher, limits: Limits) -> bool:
        """Tell whether more search is a waste: the leader stays ahead, or the plan is over.

        A player without a tree has said all at once, whatever its clock shows.
        Past the planned end it goes on only while two moves are nearly level.
        """
        assert limits.planned_end is not None
        left_s = limits.planned_end - self._now()
        visits = searcher.best().visits
        if visits is None:
            return True
        second, first = np.sort(visits)[-2:].tolist()
        if left_s <= 0:
            return bool(second < _LEVEL * first)
        return bool(first - second > (self._per_s or 0.0) * left_s)
