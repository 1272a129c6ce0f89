"""How to search: one frozen record, published values beside each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from go_env.errors import HonteError


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the tree search; values are in [-1, 1] for the player to move.

    `root` and `interior` choose the selection rule at the root and below it: `puct` is AlphaGo
    Zero's (Silver et al. 2017), `gumbel` is Gumbel AlphaZero's (Danihelka et al. 2022): sampling
    without replacement and sequential halving at the root, visits proportional to the improved
    policy below it.
    """

    root: Literal["gumbel", "puct"] = "gumbel"
    interior: Literal["gumbel", "puct"] = (
        "puct"  # Danihelka: gumbel; puct is cheaper and equal here
    )
    # Gumbel (Danihelka et al. 2022, sections 3 to 5 and appendix F)
    considered: int = 16  # m: root actions that enter sequential halving; paper: 16 on 9x9 Go
    c_visit: float = 50.0
    c_scale: float = 1.0  # of Q mapped to [0, 1]
    gumbel_scale: float = 1.0  # 0: no noise, for matches
    choice_noise: float = 1.0  # share of that noise in the last choice, among the most visited
    # PUCT
    c_puct: float = 1.1  # AlphaZero: 1.25; KataGo: 1.1
    c_puct_base: float = 19652.0  # AlphaZero
    c_puct_spread: float = 0.0  # how far c_puct follows the spread of values; KataGo: 0.85
    fpu_reduction: float = 0.2  # Leela Zero 0.25, KataGo 0.2; the value of an unvisited edge
    root_fpu_reduction: float = 0.0  # KataGo, where there is root noise
    dirichlet_alpha: float = 0.0  # 0: 10.83 / legal moves (AlphaGo Zero's 0.03 on 19x19)
    dirichlet_fraction: float = 0.25  # AlphaGo Zero; 0: no noise
    temperature: float = 1.0  # of visits, for the first `temperature_moves` moves
    temperature_moves: int = 8  # AlphaGo Zero: 30 on 19x19
    forced_playouts: float = 0.0  # KataGo: 2, with target pruning; 0: off
    lcb: float = 0.0  # choose by value less so many standard errors; 0: by visits
    # Both
    leaves: int = 1  # of one game in a batch, at most; KataGo: threads (mcts.kernels)
    score_weight: float = 0.0  # of the expected score in values; KataGo adds 0.1 to 0.4
    reuse: bool = True  # keep the subtree of the move that was played
    prune_pass_alive: bool = True  # at the root, do not play inside unconditional territory

    def __post_init__(self) -> None:
        for name in ("root", "interior"):
            if getattr(self, name) not in ("gumbel", "puct"):
                raise HonteError(f"search {name} must be gumbel or puct")
        if self.considered < 2 or self.leaves < 1:
            raise HonteError("search considered must be at least 2, leaves at least 1")
        for name in (
            "c_visit", "c_scale", "c_puct", "gumbel_scale", "temperature", "dirichlet_alpha",
            "forced_playouts", "lcb",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) < 1e6:
                raise HonteError(f"search {name} must be a number from 0")
        for name in ("choice_noise", "c_puct_spread", "dirichlet_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise HonteError(f"search {name} must lie between 0 and 1")
        for name in ("fpu_reduction", "root_fpu_reduction"):
            if not -2 <= getattr(self, name) <= 2:
                raise HonteError(f"search {name} must lie between -2 and 2")
        if not 1 <= self.c_puct_base < 1e9:
            raise HonteError("search c_puct_base must be a number from 1")
        if not 0 <= self.score_weight < 1:
            raise HonteError("search score_weight must be from 0 to below 1")
