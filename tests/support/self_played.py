"""Games of self-play with an arbitrary but fixed judgement, made once a test session."""

from __future__ import annotations

import functools

import numpy as np

from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from training.records import LIMIT, GameRecord
from training.self_play import PlayPlan, SelfPlay, SelfPlayConfig

RULES = Rules(5, 0.5)
CONFIG = SelfPlayConfig(
    games=12,
    simulations=12,
    first_simulations=12,
    fast_fraction=0.3,
    fast_simulations=4,
    opening_moves=0.1,
    decided_value=0.8,
)


def player(
    search: SearchConfig | None = None,
    config: SelfPlayConfig = CONFIG,
    rules: Rules = RULES,
    seed: int = 1,
) -> SelfPlay:
    """Return self-play that has not begun."""
    search = search or SearchConfig(considered=6)
    rng = np.random.default_rng(seed)
    limited = config.rules(rules, rules.size)
    return SelfPlay(limited, config, search, HashEvaluator(rules.size), rng, first_id=1000)


def plan(simulations: int = 12, komi: float = 0.5, model: int = 7) -> PlayPlan:
    return PlayPlan(simulations, komi, komi, model)


@functools.cache
def made_games(seed: int = 1, root: str = "gumbel") -> tuple[GameRecord, ...]:
    """Return some 40 games on 5x5."""
    search = SearchConfig(root=root, considered=6)  # type: ignore[arg-type]
    return tuple(player(search, seed=seed).play(130, plan()))


def positions_of(game: GameRecord, rules: Rules = RULES) -> list[Position]:
    """Return the positions of a game, the empty board first and the final one last."""
    at_komi = Rules(game.size, game.komi, rules.ko, rules.suicide)
    positions = [Position.initial(at_komi)]
    for action in game.moves:
        positions.append(positions[-1].play(int(action)))
    return positions


def one_move(size: int, action: int) -> GameRecord:
    """Return a game that the move limit ended after one move: Black owns everything."""
    policies = np.zeros((1, size * size + 1), np.float16)
    policies[0, action] = 1
    return GameRecord(
        size, 0.5, np.array([action], np.int16), np.zeros(1, np.float16), np.zeros(1, np.int16),
        policies, size * size - 0.5, np.ones(size * size, np.int8), LIMIT, 0, 1, 1, 9, 0.0, 0.0,
    )  # fmt: skip


def same(one: GameRecord, other: GameRecord) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))
