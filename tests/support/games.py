"""Positions to test on: played at random with one's own eyes kept, from a seed."""

from __future__ import annotations

import numpy as np

from agents.random_agent import draw_action
from go_env.playout import random_states
from go_env.position import Position
from go_env.rules import Rules


def random_position(rules: Rules, plies: int, seed: int) -> Position:
    """Return the position after so many random moves, earlier if the game ends."""
    states = random_states(np.random.default_rng(seed), 1)
    position = Position.initial(rules)
    for _ in range(plies):
        following = position.play(draw_action(position, states))
        if following.ended:
            return position
        position = following
    return position


def random_positions(rules: Rules, count: int, seed: int = 0) -> list[Position]:
    """Return positions of all stages of the game, none of them finished."""
    rng = np.random.default_rng(seed)
    plies = rng.integers(0, 2 * rules.size**2, count)
    return [random_position(rules, int(n), seed + i) for i, n in enumerate(plies)]
