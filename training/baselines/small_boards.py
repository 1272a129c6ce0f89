"""Every situation of a tiny board as one graph, and the exact value of each by backward induction.

Situations are those of `agents.q_table`, which also says which rules they need. Each move raises
the ply, so the graph has no cycles, and rows are sorted by ply because keys are.

Letters: S situations, A actions, F situations of one ply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.q_table import canonical_keys, check_rules
from go_env.board import fill_area_all, fill_legal_all, play_all, start_all
from go_env.coords import BLACK
from go_env.layout import LEGAL, new_boards
from go_env.rules import Rules
from go_env.symmetry import action_tables

ILLEGAL_MOVE, GAME_OVER = -1, -2


@dataclass(frozen=True)
class SituationGraph:
    """What can happen: row 0 is the empty board, actions are in each row's canonical view.

    keys: int64 [S], ascending.
    following: int32 [S, A], the row that a move leads to, or ILLEGAL_MOVE, or GAME_OVER.
    rewards: float32 [S, A], the mover's outcome where its move ends the game, else 0.
    """

    rules: Rules
    keys: NDArray[np.int64]
    following: NDArray[np.int32]
    rewards: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def legal(self) -> NDArray[np.bool_]:
        return np.asarray(self.following != ILLEGAL_MOVE)


@dataclass(frozen=True)
class _Layer:
    """All situations of one ply, each with one board that shows it."""

    boards: np.ndarray
    keys: NDArray[np.int64]
    symmetries: NDArray[np.int64]


def situation_graph(rules: Rules) -> SituationGraph:
    """Return all that can be reached from the empty board."""
    check_rules(rules)
    layer = _first_layer(rules)
    keys, next_keys, rewards = [], [], []
    while len(layer.keys):
        keys.append(layer.keys)
        layer, leads_to, outcome = _expand(layer)
        next_keys.append(leads_to)
        rewards.append(outcome)
    all_keys, leads_to = np.concatenate(keys), np.concatenate(next_keys)
    following = np.searchsorted(all_keys, leads_to).astype(np.int32)
    following[leads_to < 0] = leads_to[leads_to < 0]
    return SituationGraph(rules, all_keys, following, np.concatenate(rewards))


def solve(graph: SituationGraph) -> NDArray[np.float32]:
    """Return the exact outcome [S, A] of every move for its mover; -inf where it is illegal."""
    values = np.where(graph.legal, graph.rewards, -np.inf).astype(np.float32)
    points = graph.rules.size**2
    plies = graph.keys // (2 * 3**points * (points + 1))
    for ply in np.unique(plies)[::-1]:
        rows = np.flatnonzero(plies == ply)
        goes_on = graph.following[rows] >= 0
        best = values[np.maximum(graph.following[rows], 0)].max(axis=2)
        values[rows] = np.where(goes_on, -best, values[rows])
    return values


def _first_layer(rules: Rules) -> _Layer:
    boards = new_boards(1, rules)
    start_all(boards, np.zeros((1, 2), np.uint64), np.zeros((1, 0, 0), np.int8))
    return _Layer(boards, *canonical_keys(boards))


def _expand(layer: _Layer) -> tuple[_Layer, NDArray[np.int64], NDArray[np.float32]]:
    """Return the next ply, the key [F, A] that each move leads to, and its outcome [F, A]."""
    side = int(layer.boards["side"][0])
    num_actions, ply = side * side + 1, int(layer.boards["ply"][0])
    legal = np.zeros((len(layer.boards), num_actions), np.uint8)
    fill_legal_all(layer.boards, np.zeros((len(layer.boards), 1), np.uint64), legal)
    rows, actions = np.nonzero(legal == LEGAL)
    children = layer.boards[rows]
    mover = 1.0 if layer.boards["to_play"][0] == BLACK else -1.0
    # A simple ko never looks at the history, but `play` writes it.
    history = np.zeros((len(children), ply + 3), np.uint64)
    play_all(children, history, np.zeros((len(children), 0, 0), np.int8), actions)
    over = (children["passes"] >= 2) | (children["ply"] >= children["move_limit"])
    owner = np.zeros((len(children), side * side), np.int8)
    score = np.zeros(len(children), np.float32)
    fill_area_all(children, owner, score)
    keys, symmetries = canonical_keys(children)
    seen_as = action_tables(side)[layer.symmetries[rows], actions]
    leads_to = np.full(legal.shape, ILLEGAL_MOVE, np.int64)
    leads_to[rows, seen_as] = np.where(over, GAME_OVER, keys)
    outcome = np.zeros(legal.shape, np.float32)
    outcome[rows, seen_as] = np.where(over, mover * np.sign(score), 0.0)
    going = np.flatnonzero(~over)
    unique, first = np.unique(keys[going], return_index=True)
    chosen = going[first]
    return _Layer(children[chosen], unique, symmetries[chosen]), leads_to, outcome
