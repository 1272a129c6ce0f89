"""What is recorded in tests/golden: trees of fixed searches, to be the same after every change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from games import random_position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.search import Search

FOLDER = Path(__file__).parents[1] / "golden"
SEARCHES = {
    "gumbel over puct": SearchConfig(),
    "gumbel": SearchConfig(interior="gumbel", considered=8),
    "puct": SearchConfig(root="puct"),
    "puct over gumbel": SearchConfig(root="puct", interior="gumbel"),
    "forced playouts": SearchConfig(root="puct", forced_playouts=2.0),
}
BOARDS = ((5, 9, 0.5), (9, 30, 7.0), (13, 60, 7.5))  # size, plies, komi


def search_trees() -> list[dict[str, Any]]:
    """Search fixed positions twice, the second time in the kept subtree; return what was found."""
    trees = []
    for name, config in SEARCHES.items():
        for size, plies, komi in BOARDS:
            position = random_position(Rules(size, komi), plies, seed=size)
            search = Search(HashEvaluator(size), config, position.rules, 1, 500)
            search.set_positions([position])
            for simulations in (100, 60):
                noise = np.random.default_rng(size).gamma(1.0, size=(1, size * size + 1))
                result = search.run(simulations, noise=noise.astype(np.float32))
                visited = np.flatnonzero(result.visits[0])
                trees.append(
                    {
                        "search": name,
                        "size": size,
                        "simulations": simulations,
                        "action": int(result.action[0]),
                        "visits": {str(a): int(result.visits[0, a]) for a in visited},
                        "totals": [round(float(result.totals[0, a]), 4) for a in visited],
                        "value": round(float(result.value[0]), 4),
                        "policy": [round(float(result.policy[0, a]), 4) for a in visited],
                        "nodes": int(search.forest.states["num_nodes"][0]),
                    }
                )
                search.play(result.action)
    return trees


#: File in tests/golden -> what it holds.
GOLDEN = {"search_trees.json": search_trees}
