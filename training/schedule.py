"""When things happen in a run: its budget, what changes as it is spent, how often to publish."""

from __future__ import annotations

import math
from dataclasses import dataclass

from go_env.errors import HonteError
from go_env.rules import fair_komi
from mcts.config import SearchConfig
from training.self_play import SelfPlayConfig

_PLAYOUTS_EACH = 10  # 400 playouts, 9x9: 32 or 82 actions beat 16 by 17-2-5 and 21-0-3 games


@dataclass(frozen=True)
class LoopConfig:
    """The rhythm of a run. Learning rate and simulations follow the share of the budget spent."""

    hours: float = 1.0  # budget by the clock, restarts added up
    games: int = 0  # budget by games instead, where above 0: reproducible to the bit
    rounds: int = 8  # moves in every game between two looks of a worker at newer weights
    publish_steps: int = 200  # learner steps between two models
    gate_every: int = 4  # models between two candidates for the gate
    judge_share: float = 0.15  # of the time for gates; after more, candidates are passed over
    rate_games: int = 32  # against each anchor, whenever there is a new champion; 0: never
    rate_share: float = 0.15  # of the time for ratings; after more, champions wait for theirs
    rate_simulations: int = 64
    anchors: tuple[str, ...] = ("random", "rollout?sims=1000")
    workers: int = 0  # processes that play, under Ray; 0: one a core
    most_due_steps: int = 400  # self-play waits while the learner is further behind
    keep_last: int = 5  # checkpoints, besides champions
    keep_every: int = 0
    small_sizes: tuple[int, ...] = ()  # smaller boards that are played too
    first_small_share: float = 0.0  # of the rounds, at the start of the run
    last_small_share: float = 0.0  # from `small_until` of the budget on
    small_until: float = 0.15

    def __post_init__(self) -> None:
        if not math.isfinite(self.hours):
            raise HonteError(f"loop.hours must be a number of hours (given {self.hours})")
        if self.hours <= 0 and self.games <= 0:
            raise HonteError("give the run a budget: loop.hours or loop.games above 0")
        if min(self.rounds, self.publish_steps, self.gate_every, self.keep_last) < 1:
            raise HonteError("loop rounds, publish_steps, gate_every, keep_last must be at least 1")
        if min(self.games, self.workers, self.most_due_steps, self.rate_games) < 0:
            raise HonteError("loop games, workers, most_due_steps, rate_games must not be negative")
        if self.rate_simulations < 1:
            raise HonteError("loop.rate_simulations must be at least 1")
        if not (0 < self.judge_share <= 1 and 0 < self.rate_share <= 1):
            raise HonteError("loop judge_share and rate_share must be above 0 and at most 1")
        if not all(0 <= share <= 1 for share in (self.first_small_share, self.last_small_share)):
            raise HonteError("loop first_small_share and last_small_share must be from 0 to 1")
        if not self.small_sizes and (self.first_small_share or self.last_small_share):
            raise HonteError("loop.first_small_share needs loop.small_sizes")

    def progress(self, elapsed_s: float, games: int) -> float:
        """Return the share of the budget that is spent, in [0, 1]."""
        spent = games / self.games if self.games > 0 else elapsed_s / (3600 * self.hours)
        return min(max(spent, 0.0), 1.0)

    def has_time(self, share: float, spent_s: float, elapsed_s: float) -> bool:
        """Tell whether that share of the time is not spent; with a budget by games it never is."""
        return self.games > 0 or spent_s <= share * elapsed_s

    def small_share(self, progress: float) -> float:
        """Return the share of rounds on smaller boards."""
        along = min(progress / self.small_until, 1.0) if self.small_until > 0 else 1.0
        return self.first_small_share + along * (self.last_small_share - self.first_small_share)


def full_simulations(config: SelfPlayConfig, progress: float, rollouts: bool = False) -> int:
    """Return the simulations of a full search: linear in the budget spent.

    While random playouts judge, which cost much less than a network, there may be more of them.
    """
    if rollouts and config.bootstrap_simulations:
        return config.bootstrap_simulations
    gap = config.simulations - config.first_simulations
    return config.first_simulations + round(gap * progress)


def considered_moves(
    config: SelfPlayConfig, search: SearchConfig, progress: float, rollouts: bool = False
) -> int:
    """Return the root actions that a search considers: geometric in the budget spent.

    A weak player's policy hides good moves, a strong one's does not (RESULTS.md, targets). Playouts
    have no policy at all: searches of their own length give each action ten simulations at first.
    """
    if rollouts and config.bootstrap_simulations:
        return max(config.bootstrap_simulations // _PLAYOUTS_EACH, search.considered)
    first, last = config.first_considered or search.considered, search.considered
    return round(first * (last / first) ** progress)


def komi_for(size: int, run_size: int, run_komi: float) -> float:
    """Return the fair komi on boards of this size: the run's own on its own size."""
    return run_komi if size == run_size else fair_komi(size)
