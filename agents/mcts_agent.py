"""The player that searches: many positions at once for matches, one game step by step for GTP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.base import Decision
from agents.tree_shelf import Tree, TreeShelf, line_between, same_situation
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.position import Position
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator
from mcts.search import Search, SearchResult
from mcts.tree import NO_CHILD, bytes_per_node

_BATCH_GAMES = 64  # searched in lockstep by `choose`
_SESSION_BYTES = 512 << 20  # of a single game's tree; memory is touched as it is used
_SHELF_BYTES = 256 << 20  # for its trees of other positions: 170,000 nodes of 9x9
_SCORED_MOVES = 12  # candidate moves whose expected score is asked for in an analysis
_LCB_DEVIATIONS = 1.96


class MctsAgent:
    """Plays the search's choice after `simulations` new simulations; searches positions in batches.

    Where the next position follows by one move of each player from one that was searched in the
    call before, its search goes on with what is known from there (if the configuration says
    `reuse`); all others begin with empty trees. More than 64 games are searched in parts.

    resign: give up when the value of the position is below this (None: never).
    limit: new simulations of a move at most where a clock runs (None: what time allows).
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        simulations: int,
        name: str = "mcts",
        resign: float | None = None,
        rng: np.random.Generator | None = None,
        limit: int | None = None,
    ) -> None:
        if simulations < 1:
            raise HonteError(f"{name}: simulations must be at least 1, not {simulations}")
        self.evaluator = evaluator
        self.config = config
        self.simulations = simulations
        self.limit = limit
        self.name = name
        self._resign = resign
        self._rng = rng
        self._tables: dict[tuple[int, int], _Table] = {}  # by size and part, if trees are kept

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        decisions: list[Decision | None] = [None] * len(positions)
        for size in sorted({position.size for position in positions}):
            indices = [i for i, position in enumerate(positions) if position.size == size]
            for start in range(0, len(indices), _BATCH_GAMES):
                part = indices[start : start + _BATCH_GAMES]
                seat = start // _BATCH_GAMES if self.config.reuse else 0
                found = self._search_batch([positions[i] for i in part], seat)
                for i, decision in zip(part, found, strict=True):
                    decisions[i] = decision
        return [decision for decision in decisions if decision is not None]

    def close(self) -> None:
        self._tables.clear()

    def _search_batch(self, positions: list[Position], part: int) -> list[Decision]:
        size, count = positions[0].size, len(positions)
        table = self._tables.get((size, part))
        if table is None or table.search.games < count:
            games = next(g for g in (1, 8, _BATCH_GAMES) if g >= count)
            config = replace(self.config, leaves=max(1, self.config.leaves // games))
            rules, nodes = positions[0].rules, 2 * self.simulations + 2  # as many kept, and more
            table = _Table(Search(self.evaluator, config, rules, games, nodes))
            self._tables[size, part] = table
        places = table.seat(positions)
        budgets = np.zeros(table.search.games, np.int32)
        budgets[places] = self.simulations
        result = table.search.run(budgets, self._rng)
        pairs = zip(places, positions, strict=True)
        return [self._decide(result, place, position) for place, position in pairs]

    def _decide(self, result: SearchResult, i: int, position: Position) -> Decision:
        value, action = float(result.value[i]), int(result.action[i])
        found = Decision(action, value, result.policy[i], result.visits[i])
        return self.settled(found, position)

    def settled(self, found: Decision, position: Position) -> Decision:
        """Return what this player makes of a search: variety in the opening, resignation.

        `SearchSession.best` knows of neither.
        """
        action, visits = found.action, found.visits
        temperature = self.config.temperature if self.config.root == "puct" else 0.0
        warm = temperature > 0 and position.ply < self.config.temperature_moves
        if warm and self._rng is not None and visits is not None and visits.any():
            shares = visits ** (1 / temperature)
            action = int(self._rng.choice(len(shares), p=shares / shares.sum()))
        hopeless = self._resign is not None and (found.value or 0.0) < self._resign
        return replace(found, action=action, resign=hopeless)


class _Table:
    """Games under search side by side: each place remembers which position it searched last."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._positions: list[Position | None] = [None] * search.games

    def seat(self, positions: Sequence[Position]) -> list[int]:
        """Put each position at a root, where a game goes on at its own; return their places."""
        known = {id(p): g for g, p in enumerate(self._positions) if p is not None}
        lines = np.full((2, self.search.games), -1)
        places: dict[int, int] = {}  # of positions, by index
        for i, position in enumerate(positions):
            earlier = position.previous and position.previous.previous
            if earlier is None or id(earlier) not in known or not self.search.config.reuse:
                continue
            line = line_between(earlier, position)
            if line is not None:
                places[i] = known.pop(id(earlier))
                lines[:, places[i]] = line
        free = iter(sorted(set(range(self.search.games)) - set(places.values())))
        for i, position in enumerate(positions):
            if i not in places:
                places[i] = next(free)
                self.search.set_positions([position], places[i])
        for actions in lines:
            self.search.play(actions)
        self._positions = [None] * self.search.games
        for i, position in enumerate(positions):
            self._positions[places[i]] = position
        return [places[i] for i in range(len(positions))]


@dataclass(frozen=True)
class MoveInfo:
    """One candidate of an analysis; values are for the player to move at the root."""

    action: int
    visits: int
    value: float  # mean result of its simulations, in [-1, 1]
    prior: float
    score: float | None  # expected final lead in points
    lcb: float  # lower confidence bound of the value (normal approximation of +-1 results)
    pv: list[int]  # most visited continuation, this action first
    pv_visits: list[int]  # of each action of it
    order: int  # 0 is the best


@dataclass(frozen=True)
class Analysis:
    """What a search knows so far; values are for the player to move."""

    visits: int
    value: float
    score: float | None
    moves: list[MoveInfo]
    ownership: NDArray[np.float32] | None  # [N*N], +1 the mover's
    policy: NDArray[np.float32]  # [A] the evaluator's


class SearchSession:
    """One game under search, simulation by simulation; the tree follows the moves played.

    Trees of positions that were left are kept, so that a move taken back and played again, or
    another in its place, finds what has been searched. The root always selects by PUCT, which can
    be stopped at any time; sequential halving needs to know its budget beforehand.

    shelf_bytes: memory for trees of other positions; 0 keeps none but the one that is searched.
    """

    def __init__(
        self, evaluator: Evaluator, config: SearchConfig, shelf_bytes: int = _SHELF_BYTES
    ) -> None:
        self.evaluator = evaluator
        self.config = config if config.root == "puct" else _anytime(config)
        self._shelf = TreeShelf(shelf_bytes)
        self._search: Search | None = None
        self._position: Position | None = None
        self._result: SearchResult | None = None
        self._details: tuple[float | None, NDArray[np.float32] | None] | None = None
        self._scores: dict[int, float] = {}

    @property
    def root_visits(self) -> int:
        """Simulations in the present tree, those kept from earlier moves included."""
        if self._search is None or self._search.forest.states["num_nodes"][0] == 0:
            return 0
        return int(self._search.forest.nodes["visits"][0, 0]) - 1

    def set_position(self, position: Position) -> None:
        """Search from here on, with all that has been searched of it."""
        if self._search is None or self._search.size != position.size:
            nodes = _SESSION_BYTES // bytes_per_node(position.size)
            self._search = Search(self.evaluator, self.config, position.rules, 1, nodes)
            self._position = None
        elif self._position is not None and same_situation(position, self._position):
            return
        self._move_root(self._search, position)
        self._position = position
        self._result, self._details, self._scores = None, None, {}

    def _move_root(self, search: Search, position: Position) -> None:
        """Put the root of the search where most is known of a position, and play on to it."""
        present = None if self._position is None else Tree.view(self._position, search.forest)
        found = self._shelf.find(position, present) if self.config.reuse else None
        if present is not None and self.config.reuse:
            self._shelf.put(present)
        if found is None:
            return search.set_positions([position])
        tree, line = found
        if tree is not present:
            search.set_positions([tree.position])
            tree.restore(search.forest)
        for action in line:
            search.play(np.array([action]))

    def run(self, simulations: int) -> None:
        """Add simulations to the tree."""
        if self._search is None:
            raise HonteError("set a position before searching")
        self._result = self._search.run(simulations)

    def best(self) -> Decision:
        """Return the search's choice; without a visit the policy's."""
        result = self._searched()
        visits = result.visits[0]
        action = int(result.action[0]) if visits.any() else int(np.argmax(result.prior[0]))
        return Decision(action, float(result.value[0]), result.policy[0], visits)

    def analysis(self) -> Analysis:
        """Return what is known now: the choice, then by visits, with their continuations."""
        result = self._searched()
        score, ownership = self._root_details()
        visits, totals = result.visits[0], result.totals[0]
        chosen, means = int(result.action[0]), totals / np.maximum(visits, 1)
        order = sorted(np.flatnonzero(visits), key=lambda a: (a != chosen, -visits[a], -means[a]))
        self._score_moves([int(a) for a in order[:_SCORED_MOVES]])
        moves = []
        for rank, action in enumerate(order):
            n, q = int(visits[action]), float(totals[action] / visits[action])
            margin = _LCB_DEVIATIONS * math.sqrt(max(1.0 - q * q, 1e-4) / n)
            moves.append(
                MoveInfo(
                    int(action), n, q, float(result.prior[0, action]),
                    self._scores.get(int(action), score), max(q - margin, -1.0),
                    *self._principal_variation(int(action)), rank,
                )
            )  # fmt: skip
        return Analysis(
            self.root_visits, float(result.value[0]), score, moves, ownership, result.prior[0]
        )

    def _searched(self) -> SearchResult:
        if self._result is None:
            self.run(1)
        assert self._result is not None
        return self._result

    def _root_details(self) -> tuple[float | None, NDArray[np.float32] | None]:
        if self._details is None:
            assert self._position is not None
            batch = PositionBatch.of([self._position], self.evaluator.history)
            judged = self.evaluator.evaluate(batch)
            self._details = (
                None if judged.score is None else float(judged.score[0]),
                None if judged.ownership is None else judged.ownership[0].copy(),
            )
        return self._details

    def _score_moves(self, actions: list[int]) -> None:
        """Ask the evaluator for the expected score after candidate moves, once for each."""
        assert self._position is not None
        if self._root_details()[0] is None:
            return
        fresh = [action for action in actions if action not in self._scores]
        children = [self._position.play(action) for action in fresh]
        if not children:
            return
        batch = PositionBatch.of(children, self.evaluator.history)
        judged = self.evaluator.evaluate(batch)
        if judged.score is not None:
            self._scores |= {a: -float(s) for a, s in zip(fresh, judged.score, strict=True)}

    def _principal_variation(self, action: int) -> tuple[list[int], list[int]]:
        """Return the most visited continuation that begins with an action, and its visits."""
        assert self._search is not None
        forest = self._search.forest
        nodes = forest.nodes[0]
        line: list[int] = []
        visits: list[int] = []
        node = 0
        while True:
            first = int(nodes["first"][node])
            count = int(nodes["num_visited" if line else "num_edges"][node])
            if count == 0:
                return line, visits
            own = forest.edges[0, first : first + count]
            actions = forest.actions[0, first : first + count]
            pick = int(np.argmax(own["visits"] if line else actions == action))
            if own["visits"][pick] == 0:
                return line, visits
            line.append(int(actions[pick]))
            visits.append(int(own["visits"][pick]))
            node = int(own["child"][pick])
            if node == NO_CHILD:
                return line, visits


def _anytime(config: SearchConfig) -> SearchConfig:
    """Return the same search with a PUCT root and no noise."""
    return replace(config, root="puct", dirichlet_fraction=0.0)
