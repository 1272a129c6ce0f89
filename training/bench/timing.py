"""How `honte bench` measures: medians of repeats, by CPU time and by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from statistics import median

MIN_REPEATS = 3


@dataclass(frozen=True)
class Rate:
    """Units of work per second. CPU time counts this process only, so that others do not matter."""

    per_cpu_s: float
    low: float  # of the repeats, by CPU time
    high: float
    per_s: float  # by the clock


@dataclass(frozen=True)
class Figure:
    """One line of a table: a rate, or an amount where there is no rate."""

    name: str
    unit: str
    rate: Rate | None = None
    _: KW_ONLY
    amount: float | None = None
    share: float | None = None  # of the ceiling named in the note
    note: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    figures: list[Figure]


def measure_rate(run: Callable[[], float], seconds: float) -> Rate:
    """Return the rate of `run`, which tells how much work it did; its first call is not counted."""
    run()
    by_cpu: list[float] = []
    by_clock: list[float] = []
    end = time.perf_counter() + seconds
    while len(by_cpu) < MIN_REPEATS or time.perf_counter() < end:
        clock, cpu = time.perf_counter(), time.process_time()
        work = run()
        by_cpu.append(work / max(time.process_time() - cpu, 1e-9))
        by_clock.append(work / (time.perf_counter() - clock))
    return Rate(median(by_cpu), min(by_cpu), max(by_cpu), median(by_clock))
