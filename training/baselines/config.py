"""The configurations of the baselines: Q-learning and policy gradients on the same environment."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from agents.network import NetworkConfig
from agents.q_table import check_rules
from go_env.errors import HonteError
from go_env.rules import Rules
from training.config import check_seed, read_values, with_feature_shape
from training.settings import build, merge, parse_overrides

Algorithm = Literal["q-learning", "policy-gradient"]


@dataclass(frozen=True)
class BaselineLoop:
    """How long a run lasts and how often it is looked at."""

    minutes: float = 10.0  # budget by the clock, restarts added up
    rounds: int = 0  # budget by rounds instead, where above 0: reproducible to the bit
    workers: int = 0  # processes that play, under Ray; 0: one a core
    threads: int = 1  # of the learner; more than 1 is faster and not reproducible
    evaluations: int = 20  # over the whole budget, evenly spread
    anchors: tuple[str, ...] = ("random",)
    anchor_games: int = 100  # with each anchor at each evaluation, half of them as Black
    opening_moves: int = 2  # random, before these games: many players repeat themselves
    keep_last: int = 5  # checkpoints

    def __post_init__(self) -> None:
        if not math.isfinite(self.minutes):
            raise HonteError(f"loop.minutes must be a number of minutes (given {self.minutes})")
        if self.minutes <= 0 and self.rounds <= 0:
            raise HonteError("give the run a budget: loop.minutes or loop.rounds above 0")
        if min(self.evaluations, self.keep_last, self.threads) < 1:
            raise HonteError("loop evaluations, keep_last and threads must be at least 1")
        if min(self.rounds, self.opening_moves, self.workers, self.anchor_games) < 0:
            raise HonteError(
                "loop rounds, opening_moves, workers and anchor_games must not be negative"
            )

    def progress(self, elapsed_s: float, rounds: int) -> float:
        """Return the share of the budget that is spent, in [0, 1]."""
        spent = rounds / self.rounds if self.rounds > 0 else elapsed_s / (60 * self.minutes)
        return min(max(spent, 0.0), 1.0)


@dataclass(frozen=True)
class Optimization:
    """Adam and its rate, which falls linearly to `final_rate` of it over the run."""

    learning_rate: float = 1e-3
    final_rate: float = 0.1
    clip_norm: float = 1.0
    weight_decay: float = 1e-5

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.clip_norm <= 0 or not 0 <= self.final_rate <= 1:
            raise HonteError("learning_rate and clip_norm must be positive, final_rate in [0, 1]")
        if self.weight_decay < 0:
            raise HonteError("weight_decay must not be negative")


@dataclass(frozen=True)
class Exploration:
    """Epsilon-greedy: the share of random moves falls linearly, then stays."""

    first: float = 1.0  # 1.0 (Mnih et al. 2015)
    last: float = 0.05  # 0.1 (Mnih et al. 2015)
    until: float = 0.4  # of the budget

    def __post_init__(self) -> None:
        if not (0 <= self.last <= self.first <= 1 and 0 <= self.until <= 1):
            raise HonteError("exploration needs 0 <= last <= first <= 1 and until in [0, 1]")

    def epsilon(self, progress: float) -> float:
        along = min(progress / self.until, 1.0) if self.until > 0 else 1.0
        return self.first + along * (self.last - self.first)


@dataclass(frozen=True)
class TableConfig:
    """Tabular Q-learning (Watkins 1989; Sutton & Barto 2018, section 6.5)."""

    episodes: int = 64  # of one collector in one round
    learning_rate: float = 0.5  # constant: moves and results are deterministic
    discount: float = 1.0

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise HonteError("table.episodes must be at least 1")


@dataclass(frozen=True)
class DqnConfig:
    """Deep Q-learning in self-play; each part can be switched off to see what it is worth."""

    games: int = 64  # in lockstep, of one collector
    plies: int = 16  # played in each of them in one round
    discount: float = 1.0  # 0.99 (Mnih et al. 2015) for endless games; a game of Go ends
    steps: int = 5  # n of n-step returns; 1: Mnih et al. 2015, 3: Rainbow
    two_player: bool = True  # a value changes its sign from ply to ply; False: the one-player rule
    mask: bool = True  # illegal moves are never chosen; False: they lose the game at once
    replay: bool = True  # False: learn from the newest plies only
    capacity: int = 100_000  # positions in the replay
    warmup: int = 5_000  # positions before the first step
    target_network: bool = True  # False: targets by the newest weights
    target_every: int = 250  # steps; 10,000 (Mnih et al. 2015, in runs of millions)
    double: bool = True  # van Hasselt et al. 2016
    symmetries: bool = True  # each sample is seen under one of the eight
    batch: int = 256
    reuse: float = 4.0  # samples drawn a position played; 8 (Mnih et al. 2015)
    optimization: Optimization = field(default_factory=Optimization)

    def __post_init__(self) -> None:
        if min(self.games, self.plies, self.steps, self.batch, self.target_every) < 1:
            raise HonteError("dqn games, plies, steps, batch and target_every must be at least 1")
        if not 0 <= self.discount <= 1:
            raise HonteError("dqn.discount must lie between 0 and 1")
        if self.capacity < self.games * self.plies:
            raise HonteError("dqn.capacity must hold one round: at least games * plies")
        if self.reuse <= 0:
            raise HonteError("dqn.reuse must be positive: nothing would be learned")

    @property
    def first_plies(self) -> int:
        """Plies in the replay before the first step: the warm-up, or all that ever fit (rounds)."""
        a_round = self.games * self.plies
        return min(self.warmup, self.capacity // a_round * a_round)


@dataclass(frozen=True)
class PolicyGradientConfig:
    """REINFORCE, actor-critic (A2C with GAE) and PPO on whole games."""

    method: Literal["reinforce", "a2c", "ppo"] = "ppo"
    games: int = 128  # an iteration, over all collectors, 2 each or more; 128 (Silver et al. 2016)
    baseline: Literal["none", "mean", "value"] = "value"  # reinforce: what a return is compared to
    discount: float = 1.0  # a ply; outcomes only, hence 1 (Silver et al. 2016)
    trace: float = 0.95  # lambda of GAE for a2c and ppo (Schulman et al. 2016: 0.9 to 0.99)
    entropy: float = 0.01  # weight of the entropy bonus; 0.01 (Mnih et al. 2016)
    value_weight: float = 0.5
    normalize: bool = True  # advantages to mean 0 and variance 1 in each iteration
    clip: float = 0.2  # ppo (Schulman et al. 2017)
    epochs: int = 2  # ppo: passes over an iteration's plies
    minibatch: int = 1024  # ppo; reinforce and a2c make one step of all plies
    opponents: Literal["pool", "self"] = "pool"  # earlier policies (Silver et al. 2016), or itself
    snapshot_every: int = 25  # iterations between two members of the pool; 500 (AlphaGo)
    pool_size: int = 64  # beyond it the oldest leaves
    symmetries: bool = True  # each game is seen under one of the eight views
    optimization: Optimization = field(default_factory=Optimization)

    def __post_init__(self) -> None:
        if min(self.games, self.epochs, self.minibatch, self.snapshot_every, self.pool_size) < 1:
            raise HonteError(
                "policy_gradient games, epochs, minibatch, snapshot_every and pool_size must be "
                "at least 1"
            )
        if not (0 <= self.discount <= 1 and 0 <= self.trace <= 1 and 0 < self.clip < 1):
            raise HonteError("policy_gradient discount, trace and clip must lie between 0 and 1")


@dataclass(frozen=True)
class QRunConfig:
    """Everything that determines a run of Q-learning."""

    seed: int = 1
    function: Literal["table", "network"] = "network"
    rules: Rules = field(default_factory=Rules)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    exploration: Exploration = field(default_factory=Exploration)
    table: TableConfig = field(default_factory=TableConfig)
    dqn: DqnConfig = field(default_factory=DqnConfig)
    loop: BaselineLoop = field(default_factory=BaselineLoop)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.function == "table":
            check_rules(self.rules)


@dataclass(frozen=True)
class PolicyGradientRunConfig:
    """Everything that determines a run of policy gradients."""

    seed: int = 1
    rules: Rules = field(default_factory=Rules)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    policy_gradient: PolicyGradientConfig = field(default_factory=PolicyGradientConfig)
    loop: BaselineLoop = field(default_factory=BaselineLoop)

    def __post_init__(self) -> None:
        check_seed(self.seed)


BaselineConfig = QRunConfig | PolicyGradientRunConfig


def load_baseline(
    algorithm: Algorithm, preset_or_path: str, overrides: Iterable[str] = ()
) -> BaselineConfig:
    """Read a preset (by name) or a TOML file, lay `section.key=value` texts over it, check it."""
    values = merge(read_values(preset_or_path, algorithm), parse_overrides(overrides))
    values = with_feature_shape(values)
    if algorithm == "q-learning":
        return build(QRunConfig, values)
    return build(PolicyGradientRunConfig, values)
