"""Search trees of earlier positions of a game, for when it is taken back or replayed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env.coords import pass_action
from go_env.position import Position
from mcts.tree import NO_CHILD, Forest

_LONGEST_LINE = 16  # plies: a tree knows next to nothing of what lies deeper


@dataclass(frozen=True)
class Tree:
    """The tree of a forest's first game, rooted at `position`; arrays as in `mcts.tree.Forest`."""

    position: Position
    nodes: np.ndarray  # NODE [n]
    edges: np.ndarray  # EDGE [e]
    priors: NDArray[np.float32]  # [e]
    actions: NDArray[np.int16]  # [e]

    @classmethod
    def view(cls, position: Position, forest: Forest) -> Tree:
        """Return the present tree, which goes on changing with the forest."""
        n, e = int(forest.states["num_nodes"][0]), int(forest.states["num_edges"][0])
        return cls(
            position,
            forest.nodes[0, :n],
            forest.edges[0, :e],
            forest.priors[0, :e],
            forest.actions[0, :e],
        )

    @property
    def num_bytes(self) -> int:
        return sum(part.nbytes for part in (self.nodes, self.edges, self.priors, self.actions))

    def copy(self) -> Tree:
        return Tree(
            self.position,
            self.nodes.copy(),
            self.edges.copy(),
            self.priors.copy(),
            self.actions.copy(),
        )

    def restore(self, forest: Forest) -> None:
        """Put the tree into a forest whose first game stands at its position."""
        n, e = len(self.nodes), len(self.edges)
        forest.nodes[0, :n] = self.nodes
        forest.edges[0, :e] = self.edges
        forest.priors[0, :e] = self.priors
        forest.actions[0, :e] = self.actions
        forest.states["num_nodes"][0], forest.states["num_edges"][0] = n, e

    def visits_after(self, line: Iterable[int]) -> int:
        """Return the visits of the node that these actions lead to, 0 where there is none."""
        if not len(self.nodes):
            return 0
        node, width = 0, "num_edges"  # of the root all edges mean something: see mcts.tree
        for action in line:
            first = int(self.nodes["first"][node])
            last = first + int(self.nodes[width][node])
            (found,) = np.nonzero(self.actions[first:last] == action)
            if not len(found) or self.edges["visits"][first + found[0]] == 0:
                return 0
            node, width = int(self.edges["child"][first + found[0]]), "num_visited"
            if node == NO_CHILD:
                return 0
        return int(self.nodes["visits"][node])


class TreeShelf:
    """Keeps the latest trees, as many as fit into so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._trees: list[Tree] = []  # the latest comes last

    def put(self, tree: Tree) -> None:
        """Keep a copy, in the place of an earlier tree of the same situation."""
        if not len(tree.nodes) or tree.num_bytes > self._most_bytes:
            return
        self._trees = [t for t in self._trees if not same_situation(t.position, tree.position)]
        self._trees.append(tree.copy())
        held = sum(kept.num_bytes for kept in self._trees)
        while held > self._most_bytes:
            held -= self._trees.pop(0).num_bytes

    def find(self, position: Position, present: Tree | None) -> tuple[Tree, list[int]] | None:
        """Return the tree that knows most about a position, and the actions that lead there."""
        best: tuple[Tree, list[int]] | None = None
        most = 0
        for tree in [*([] if present is None else [present]), *reversed(self._trees)]:
            line = line_between(tree.position, position)
            visits = 0 if line is None else tree.visits_after(line)
            if line is not None and visits > most:
                best, most = (tree, line), visits
        return best


def same_situation(one: Position, other: Position) -> bool:
    """Tell whether two positions are one, with one past: replayed games are other objects."""
    return one is other or (
        one.moves == other.moves
        and one.rules == other.rules
        and bool((one.record[["to_play", "passes"]] == other.record[["to_play", "passes"]]).all())
        and _same_root(one, other)
    )


def line_between(earlier: Position, later: Position) -> list[int] | None:
    """Return the actions that lead from one position to the other, or None: it is no descendant.

    A move out of turn is not an edge of a tree, nor is what follows it reached by edges.
    """
    count = len(earlier.moves)
    if len(later.moves) - count > _LONGEST_LINE or later.moves[:count] != earlier.moves:
        return None
    line: list[int] = []
    step = later
    while len(step.moves) > count:
        color, action = step.moves[-1]
        passed = action == pass_action(step.size)
        before = step.previous
        if before is None or before.to_play != color or step.to_play == color:
            return None
        if passed != bool(step.record["passes"][0]):  # goes on after two passes
            return None
        line.append(action)
        step = before
    return line[::-1] if same_situation(earlier, step) else None


def _same_root(one: Position, other: Position) -> bool:
    ours, theirs = one.root(), other.root()
    return ours is theirs or (
        ours.to_play == theirs.to_play and bool((ours.board == theirs.board).all())
    )
