"""The trees of G games as flat arrays. One layout, documented here and nowhere else.

Nodes and edges of game g live in `nodes[g]` and `edges[g]`, in the order of their birth; node 0 is
the root. A node's edges are contiguous. Below the root they keep the *prefix order*: the visited
edges first, then the unvisited one with the largest prior, then the rest in any order. All
unvisited edges of a node share one value, so only the one with the largest prior can be selected,
and selection reads `num_visited + 1` edges instead of all. What is written for an edge at its birth
(prior, action) stands apart from what only visits fill (`edges`): below the root, `edges` means
something for the visited ones only.

Memory: see `bytes_per_node`; 1.5 kB with 82 edges (9x9), 6.5 kB with 362 (19x19).
A tree without room for a further node goes on searching: the leaf is evaluated and backed up, but
not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from go_env.layout import board_dtype, capacity_for
from go_env.rules import Rules

NO_CHILD = -1
WAITING = -2  # in place of a child: a leaf that is being evaluated

NODE = np.dtype(
    [
        ("first", "i4"),  # index of its first edge
        ("visits", "i4"),  # evaluations in its subtree, its own included
        ("total", "f4"),  # sum of those values for the player to move here
        ("squares", "f4"),  # sum of their squares
        ("value", "f4"),  # its own evaluation, for the player to move here
        ("num_edges", "i4"),
        ("num_visited", "i4"),
        ("terminal", "i4"),
    ]
)
EDGE = np.dtype(
    [
        ("total", "f4"),  # sum of values for the player who chooses this edge
        ("visits", "i4"),
        ("child", "i4"),  # node index, NO_CHILD or, while a search runs, WAITING
    ]
)
STATE = np.dtype(
    [
        ("num_nodes", "i4"),
        ("num_edges", "i4"),
        ("waiting", "i4"),  # leaves of this search that wait for their evaluation
        ("done", "i4"),  # simulations of this search
        ("target", "i4"),  # simulations wanted in this search
        ("schedule", "i4"),  # row of the sequential-halving table
        ("considered", "i4"),
    ]
)
PARAMETERS = np.dtype(
    [
        ("c_puct", "f4"),
        ("c_puct_base", "f4"),
        ("c_puct_spread", "f4"),
        ("fpu_reduction", "f4"),
        ("root_fpu_reduction", "f4"),
        ("c_visit", "f4"),
        ("c_scale", "f4"),
        ("choice_noise", "f4"),
        ("forced_playouts", "f4"),
        ("lcb", "f4"),
        ("score_weight", "f4"),
        ("gumbel_root", "i4"),
        ("gumbel_interior", "i4"),
    ]
)


def bytes_per_node(size: int) -> int:
    """Return what a node and its edges take on a board of this size: 32 bytes and 18 an edge."""
    per_edge = EDGE.itemsize + np.dtype(np.float32).itemsize + np.dtype(np.int16).itemsize
    return NODE.itemsize + (size * size + 1) * per_edge


#: Fields of a Forest with W rows for each game; the others have one.
_BY_SLOT = frozenset({"leaves", "leaf_snapshots", "legal", "owner", "path", "depth"})


@dataclass
class Forest:
    """Arrays of G searches on boards of one size; M nodes and E edges at most for each game.

    Leaves that wait for their evaluation lie in slots, W for each game; slot s holds the s-th.
    """

    roots: np.ndarray  # records [G]
    leaves: np.ndarray  # records [G*W], by slot
    hashes: NDArray[np.uint64]  # [G, L]: the root's history, then the path
    root_snapshots: NDArray[np.int8]  # [G, H, N*N]
    leaf_snapshots: NDArray[np.int8]  # [G*W, H, N*N], by slot
    legal: NDArray[np.uint8]  # [G*W, A], by slot
    owner: NDArray[np.int32]  # [G*W]: the game of each slot
    nodes: np.ndarray  # NODE [G, M]
    priors: NDArray[np.float32]  # [G, E]: of edges
    actions: NDArray[np.int16]  # [G, E]: of edges
    edges: np.ndarray  # EDGE [G, E]: what searching added to them
    states: np.ndarray  # STATE [G]
    path: NDArray[np.int32]  # [G*W, M + 1, 2], by slot: (node, edge) from the root to the leaf
    depth: NDArray[np.int32]  # [G*W], by slot: how many edges that are
    bias: NDArray[np.float32]  # [G, A]: Gumbel noise + log prior of root actions; -inf: banned
    counts: NDArray[np.int32]  # [G, A]: visits of root actions in this search
    banned: NDArray[np.uint8]  # [G, A]: root actions that are not to be played

    @property
    def trees(self) -> tuple[np.ndarray, ...]:
        """What most kernels take, in their order."""
        return self.nodes, self.edges, self.priors, self.actions, self.states

    @property
    def width(self) -> int:
        """W: how many leaves of one game can wait at once."""
        return len(self.leaves) // len(self.roots)

    def part(self, first: int, last: int) -> Forest:
        """Return games first .. last - 1 as a forest of its own, over the same memory."""
        games, slots = slice(first, last), slice(first * self.width, last * self.width)
        names = [field.name for field in fields(self)]
        return Forest(*(getattr(self, n)[slots if n in _BY_SLOT else games] for n in names))

    @classmethod
    def allocate(
        cls, rules: Rules, games: int, max_nodes: int, history: int, max_length: int, width: int = 1
    ) -> Forest:
        """Return empty trees. Memory is touched as it is used, so large limits cost little."""
        points, slots = rules.size * rules.size, games * width
        records = board_dtype(capacity_for(rules.size))
        max_edges = max_nodes * (points + 1)
        return cls(
            roots=np.zeros(games, records),
            leaves=np.zeros(slots, records),
            hashes=np.zeros((games, max_length), np.uint64),
            root_snapshots=np.zeros((games, history, points), np.int8),
            leaf_snapshots=np.zeros((slots, history, points), np.int8),
            legal=np.zeros((slots, points + 1), np.uint8),
            owner=np.zeros(slots, np.int32),
            nodes=np.zeros((games, max_nodes), NODE),
            priors=np.zeros((games, max_edges), np.float32),
            actions=np.zeros((games, max_edges), np.int16),
            edges=np.zeros((games, max_edges), EDGE),
            states=np.zeros(games, STATE),
            path=np.zeros((slots, max_nodes + 1, 2), np.int32),
            depth=np.zeros(slots, np.int32),
            bias=np.zeros((games, points + 1), np.float32),
            counts=np.zeros((games, points + 1), np.int32),
            banned=np.zeros((games, points + 1), np.uint8),
        )
