"""How many cores this process may use: of the machine, of its affinity, of its container."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def own_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of cores, at least 1; a container's share of time counts as cores.

    Source of the files: Linux's cgroup-v2.rst (`cpu.max`) and sched-bwc.rst (`cpu.cfs_*`).
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota(cgroup)
    return cores if quota is None else max(1, min(cores, int(quota)))


def _quota(cgroup: Path) -> float | None:
    """Return how many cores' time the container has, None where nothing limits it."""
    texts = [_text(cgroup / "cpu.max")]
    old = cgroup / "cpu"
    texts.append(f"{_text(old / 'cpu.cfs_quota_us')} {_text(old / 'cpu.cfs_period_us')}")
    for text in texts:
        try:
            quota, period = map(float, text.split())
        except ValueError:
            continue  # "max 100000", or no such file
        if quota > 0 and period > 0:
            return quota / period
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
