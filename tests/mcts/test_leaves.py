"""Several leaves of one game in a batch: larger batches, the same rules, nothing left behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from games import random_positions
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.kernels import VISITS_PER_LEAF
from mcts.search import Search
from mcts.tree import NO_CHILD
from slow_search import Edge, Node, SlowSearch

RULES = Rules(5, 0.5)
GUMBEL = SearchConfig(root="gumbel")
PUCT = SearchConfig(root="puct", dirichlet_fraction=0.0)

Path = list[tuple[Node, Edge]]


def search_of(
    config: SearchConfig, positions: list[Position], max_nodes: int = 600
) -> tuple[Search, list[int]]:
    """Return a search and the sizes of the batches that it will ask for."""
    evaluator = HashEvaluator(RULES.size)
    search = Search(evaluator, config, RULES, len(positions), max_nodes)
    search.set_positions(positions)
    return search, evaluator.batches


@pytest.mark.parametrize("interior", ["gumbel", "puct"])
def test_a_gumbel_root_finds_the_same_in_larger_batches(interior: str) -> None:
    config = replace(GUMBEL, interior=interior)
    positions = random_positions(RULES, 9, seed=4)
    one, many = (search_of(replace(config, leaves=leaves), positions)[0] for leaves in (1, 16))
    for seed in range(3):
        expected = one.run(50, np.random.default_rng(seed))
        found = many.run(50, np.random.default_rng(seed))
        np.testing.assert_array_equal(found.visits, expected.visits)
        np.testing.assert_array_equal(found.action, expected.action)
        np.testing.assert_allclose(found.policy, expected.policy, atol=1e-4)
        np.testing.assert_allclose(found.value, expected.value, atol=1e-4)
        positions = random_positions(RULES, 9, seed=seed)
        for search in (one, many):
            search.set_positions(positions)
    assert many.evaluations == one.evaluations


def test_below_a_gumbel_root_a_level_is_one_batch() -> None:
    search, batches = search_of(replace(GUMBEL, leaves=16), [Position.initial(RULES)])
    search.run(64)
    assert batches == [1, 16] + 2 * [8] + 4 * [4] + 8 * [2]


class BatchedTwin(SlowSearch):
    """Collects leaves as `mcts.kernels` says, with objects and lists."""

    def search(self, simulations: int, leaves: int) -> None:
        self.root = self.root or self.judged(self.position)
        self.banned = self.find_banned()
        done = 0
        while done < simulations:
            paths: list[Path] = []
            while done + len(paths) < simulations and self.has_room(len(paths), leaves):
                path = self.descend(waiting=len(paths))
                if path is None:
                    break
                if path[-1][1].child is None and not self.leaf_of(path).position.ended:
                    paths.append(path)
                    lose(path, 1)
                else:
                    done += 1
                    back_up(path, self.leaf_of(path))
            for path in paths:
                lose(path, -1)
                back_up(path, self.leaf_of(path))
            done += len(paths)

    def has_room(self, waiting: int, leaves: int) -> bool:
        assert self.root is not None
        return waiting == 0 or waiting < min(leaves, self.root.visits // VISITS_PER_LEAF)

    def descend(self, waiting: int) -> Path | None:
        node, path = self.root, Path()
        while node is not None and (node is self.root or node.edges):
            at_root = node is self.root
            action = self.puct_root_action() if at_root else self.interior_action(node)
            edge = node.edges[action]
            if edge.child is None and waiting and edge.visits:
                return None
            path.append((node, edge))
            node = edge.child
        return path

    def leaf_of(self, path: Path) -> Node:
        """Return the node at the end of a path, judged now if it is new."""
        node, edge = path[-1]
        if edge.child is not None:
            return edge.child
        action = next(a for a, e in node.edges.items() if e is edge)
        return self.judged(node.position.play(action))


def lose(path: Path, times: int) -> None:
    for node, edge in path:
        for counted in (node, edge):
            counted.visits += times
            counted.total -= times


def back_up(path: Path, leaf: Node) -> None:
    if path[-1][1].child is None:
        path[-1][1].child = leaf
    else:  # a finished game, met again
        leaf.visits += 1
        leaf.total += leaf.value
    value = leaf.value
    for node, edge in reversed(path):
        value = -value
        for counted in (node, edge):
            counted.visits += 1
            counted.total += value


@pytest.mark.parametrize("leaves", [1, 4, 16])
def test_a_puct_root_searches_as_the_twin(leaves: int) -> None:
    positions = random_positions(RULES, 6, seed=8)
    search, _ = search_of(replace(PUCT, leaves=leaves), positions)
    result = search.run(400)
    for game, position in enumerate(positions):
        twin = BatchedTwin(HashEvaluator(RULES.size), PUCT, position)
        twin.search(400, leaves)
        assert twin.root is not None
        visits = {a: int(result.visits[game, a]) for a in twin.root.edges}
        assert visits == twin.visits()
        assert result.value[game] == pytest.approx(twin.root.total / twin.root.visits, abs=1e-4)


def test_a_puct_root_asks_for_more_at_once_as_it_grows() -> None:
    search, batches = search_of(replace(PUCT, leaves=8), [Position.initial(RULES)], 2500)
    search.run(VISITS_PER_LEAF)
    assert batches == [1] * (1 + VISITS_PER_LEAF)
    search.run(2000)
    assert max(batches) == 8
    assert sum(batches[-50:]) > 50 * 6


def reached(search: Search, game: int) -> list[int]:
    """Return the nodes of a game's tree, and check each against the edge that leads to it."""
    nodes, edges = search.forest.nodes[game], search.forest.edges[game]
    found = [0]
    for node in found:
        first, visited = nodes["first"][node], nodes["num_edges" if node == 0 else "num_visited"]
        own = edges[first : first + visited[node]]
        if nodes["terminal"][node] == 0:
            assert nodes["visits"][node] == 1 + own["visits"].sum()
            assert nodes["total"][node] == pytest.approx(
                nodes["value"][node] + own["total"].sum(), abs=1e-2
            )
        for edge in own[own["child"] != NO_CHILD]:
            assert edge["visits"] == nodes["visits"][edge["child"]]
            assert edge["total"] == pytest.approx(-nodes["total"][edge["child"]], abs=1e-2)
            found.append(int(edge["child"]))
    return found


@pytest.mark.parametrize("config", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_no_virtual_loss_is_left(config: SearchConfig) -> None:
    positions = random_positions(RULES, 5, seed=2)
    search, _ = search_of(replace(config, leaves=8), positions)
    search.run(np.array([500, 0, 3, 77, 130], np.int32))
    for game, simulations in enumerate([500, 0, 3, 77, 130]):
        if simulations:
            assert search.forest.nodes["visits"][game, 0] == 1 + simulations
            assert len(reached(search, game)) == search.forest.states["num_nodes"][game]
    assert (search.forest.states["waiting"] == 0).all()


def test_a_full_tree_goes_on() -> None:
    search, _ = search_of(replace(PUCT, leaves=8), [Position.initial(RULES)], max_nodes=90)
    search.run(700)
    assert search.forest.states["num_nodes"][0] == 90
    assert search.forest.nodes["visits"][0, 0] == 701


@pytest.mark.parametrize(("groups", "threads"), [(2, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("config", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_groups_and_threads_find_the_same(config: SearchConfig, groups: int, threads: int) -> None:
    def visits(**cut: int) -> np.ndarray:
        positions = random_positions(RULES, 7, seed=1)
        several = replace(config, leaves=4)
        search = Search(HashEvaluator(5), several, RULES, len(positions), 300, **cut)
        search.set_positions(positions)
        return search.run(np.arange(7, dtype=np.int32) * 40).visits

    np.testing.assert_array_equal(visits(), visits(groups=groups, threads=threads))


def test_no_leaves_are_refused() -> None:
    with pytest.raises(HonteError, match="leaves at least 1"):
        SearchConfig(leaves=0)
