"""The lockstep search against its slow twin: visits, values and policy targets of random games."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from games import random_positions
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.root import draw_noise
from mcts.search import Search, SearchResult
from slow_search import SlowResult, SlowSearch

RULES = [
    Rules(3, 0.0, move_limit=20),
    Rules(4, 1.0, "situational", suicide=False),
    Rules(5, 0.5, "simple"),
    Rules(6, 4.0),
]
CONFIGS = {
    "gumbel over puct": SearchConfig(root="gumbel", interior="puct"),
    "gumbel": SearchConfig(root="gumbel", interior="gumbel", considered=5),
    "puct": SearchConfig(root="puct", interior="puct", c_puct_base=30.0),
    "puct over gumbel": SearchConfig(root="puct", interior="gumbel", root_fpu_reduction=0.3),
    "c_puct by spread": SearchConfig(root="puct", c_puct_spread=0.85),
    "forced playouts": SearchConfig(root="puct", forced_playouts=2.0, dirichlet_alpha=0.5),
    "lower bounds": SearchConfig(root="puct", lcb=1.5),
    "half the noise in the choice": SearchConfig(root="gumbel", choice_noise=0.5),
    "no noise in the choice": SearchConfig(root="gumbel", choice_noise=0.0, gumbel_scale=3.0),
    "everything open": SearchConfig(root="gumbel", prune_pass_alive=False, c_scale=0.1),
}


@dataclass
class Match:
    """A lockstep search and the twins of its games."""

    search: Search
    twins: list[SlowSearch]

    @classmethod
    def of(cls, config: SearchConfig, rules: Rules, positions: list[Position]) -> Match:
        evaluator = HashEvaluator(rules.size)
        search = Search(evaluator, config, rules, len(positions), max_nodes=400)
        search.set_positions(positions)
        return cls(search, [SlowSearch(evaluator, config, p) for p in positions])

    def noise(self, rng: np.random.Generator) -> np.ndarray | None:
        counts = np.full(len(self.twins), 12)
        return draw_noise(self.search.config, rng, counts, self.search.actions)

    def run(
        self, simulations: int, noise: np.ndarray | None
    ) -> tuple[SearchResult, list[SlowResult]]:
        fast = self.search.run(simulations, noise=noise)
        rows = [None] * len(self.twins) if noise is None else list(noise)
        return fast, [
            twin.run(simulations, row) for twin, row in zip(self.twins, rows, strict=True)
        ]


def assert_same(fast: SearchResult, slow: list[SlowResult]) -> None:
    for game, expected in enumerate(slow):
        visits = {int(a): int(fast.visits[game, a]) for a in expected.visits}
        assert visits == expected.visits
        assert fast.visits[game].sum() == sum(visits.values())
        policy = np.zeros(fast.policy.shape[1])
        policy[list(expected.policy)] = list(expected.policy.values())
        np.testing.assert_allclose(fast.policy[game], policy, atol=2e-4)
        assert fast.policy[game].sum() == pytest.approx(1.0, abs=1e-5)
        assert fast.action[game] == expected.action
        assert fast.value[game] == pytest.approx(expected.value, abs=1e-4)


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: f"{rules.size}x{rules.size}")
@pytest.mark.parametrize("name", CONFIGS)
def test_same_tree_as_the_twin(name: str, rules: Rules) -> None:
    match = Match.of(CONFIGS[name], rules, random_positions(rules, 12, seed=rules.size))
    for simulations, noisy in ((1, False), (7, True), (40, True)):
        match.search.set_positions([twin.position for twin in match.twins])
        for twin in match.twins:
            twin.root = None
        noise = match.noise(np.random.default_rng(simulations)) if noisy else None
        assert_same(*match.run(simulations, noise))


@pytest.mark.parametrize("rules", RULES[:3], ids=lambda rules: f"{rules.size}x{rules.size}")
@pytest.mark.parametrize("name", CONFIGS)
def test_kept_subtrees_are_those_of_the_twin(name: str, rules: Rules) -> None:
    rng = np.random.default_rng(3)
    match = Match.of(CONFIGS[name], rules, random_positions(rules, 8, seed=90))
    for _ in range(6):
        fast, slow = match.run(20, match.noise(rng))
        assert_same(fast, slow)
        actions = np.array([result.action for result in slow])
        for game, twin in enumerate(match.twins):
            if twin.position.play(int(actions[game])).ended:
                actions[game] = -1
            else:
                twin.play(int(actions[game]))
        if (actions < 0).any():
            match.search.set_positions([twin.position for twin in match.twins])
            for twin in match.twins:
                twin.root = None
        else:
            match.search.play(actions)


@pytest.mark.parametrize("name", CONFIGS)
def test_playing_a_move_without_reuse_starts_over(name: str) -> None:
    config, rules = replace(CONFIGS[name], reuse=False), Rules(5, 0.5)
    match = Match.of(config, rules, random_positions(rules, 4, seed=5))
    match.run(20, None)
    actions = np.array([int(np.flatnonzero(t.position.legal())[0]) for t in match.twins])
    match.search.play(actions)
    for twin, action in zip(match.twins, actions, strict=True):
        twin.play(int(action))
        assert twin.root is None
    assert_same(*match.run(15, None))
