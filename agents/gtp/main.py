"""`honte gtp` and `honte analysis`: from a player's spec to a running engine."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

from agents.base import Agent
from agents.champion import SHIPPED, default_champion
from agents.gtp.json_analysis import AnalysisOptions
from agents.gtp.json_query import PERSPECTIVES, Perspective
from agents.gtp.options import GtpOptions
from agents.gtp.searcher import PlayerFactory
from agents.gtp.service import serve_analysis, serve_gtp, standard_streams
from agents.registry import check_spec, make_agent
from go_env.errors import HonteError
from go_env.rules import Rules, fair_komi

FALLBACK = "rollout?sims=1000"


@dataclass(frozen=True)
class Choice:
    """Which player to be, and why (to be told to the user)."""

    spec: str
    reason: str = ""


def choose_player(spec: str | None) -> Choice:
    """Return the player that was asked for, or the best one that is at hand."""
    if spec is not None:
        return Choice(spec)
    try:
        path = default_champion()
    except HonteError:
        return Choice(FALLBACK, f"no trained player is at hand; playing {FALLBACK}")
    if path == SHIPPED:
        return Choice("honte")
    return Choice(f"honte:{path}", f"no player is shipped; playing {path}")


def player_factory(choice: Choice) -> PlayerFactory:
    """Return the maker of the player; a spec that makes no sense is an error at once.

    A network is loaded later: that takes seconds, and clients wait for the first answer.
    """
    check_spec(choice.spec)

    def make(size: int, seed: int) -> Agent:
        return make_agent(choice.spec, size=size, seed=seed)

    return make


def run_gtp(
    spec: str | None = None,
    *,
    size: int = 9,
    komi: float | None = None,
    rules: str = "tromp-taylor",
    ponder: bool = False,
    simulations: int | None = None,
    more: GtpOptions | None = None,
) -> int:
    """Be a GTP engine on standard input and output; return the exit status.

    `more` gives all the options that have no parameter of their own.
    """
    choice = choose_player(spec)
    options = replace(
        more or GtpOptions(),
        size=size,
        komi=fair_komi(size) if komi is None else komi,
        rules=rules,
        ponder=ponder,
        simulations=simulations,
    )
    _check(options)
    factory = player_factory(choice)
    with standard_streams() as (read, write):
        _tell(choice)
        return serve_gtp(factory, read, write, options)


def run_analysis(
    spec: str | None = None,
    *,
    visits: int = 500,
    perspective: Perspective = "BLACK",
    seed: int = 0,
) -> int:
    """Be a KataGo-like analysis engine on standard input and output; return the exit status."""
    if visits < 1:
        raise HonteError(f"visits {visits} must be at least 1")
    if perspective not in PERSPECTIVES:
        raise HonteError(f"perspective must be one of {', '.join(PERSPECTIVES)}")
    _check_seed(seed)
    choice = choose_player(spec)
    factory = player_factory(choice)
    with standard_streams() as (read, write):
        _tell(choice)
        return serve_analysis(factory, read, write, AnalysisOptions(visits, perspective, seed))


def _check(options: GtpOptions) -> None:
    Rules.preset(options.rules, size=options.size)
    if options.simulations is not None and options.simulations < 1:
        raise HonteError(f"simulations {options.simulations} must be at least 1")
    if not math.isfinite(options.komi):
        raise HonteError(f"komi {options.komi} is not a number of points")
    _check_seed(options.seed)
    if options.move_time_s is not None and not 0 < options.move_time_s < math.inf:
        raise HonteError(f"seconds per move {options.move_time_s} must be more than 0")


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise HonteError(f"seed {seed} must not be negative")


def _tell(choice: Choice) -> None:
    if choice.reason:
        print(f"honte: {choice.reason}", file=sys.stderr)
