"""Search of many games in lockstep: kernels walk the trees, one call judges all leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from mcts import kernels, root
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator, ScoredEvaluator
from mcts.pipeline import Part, Pipeline
from mcts.tree import PARAMETERS, Forest

_SPARE_POSITIONS = 64  # room in the histories beyond what a search can need at once


@dataclass(frozen=True)
class SearchResult:
    """What the search found at G roots; rows of games that were not searched are zero.

    policy: float32 [G, A], the training target (sums to 1); action: int64 [G], the choice;
    value: float32 [G], for the player to move; raw_value: float32 [G], the evaluator's;
    prior: float32 [G, A] (with noise where PUCT adds it); visits: int32 [G, A];
    totals: float32 [G, A], sums of values for the player to move (Q = totals / visits).
    """

    policy: NDArray[np.float32]
    action: NDArray[np.int64]
    value: NDArray[np.float32]
    raw_value: NDArray[np.float32]
    prior: NDArray[np.float32]
    visits: NDArray[np.int32]
    totals: NDArray[np.float32]


class Search:
    """G searches on boards of one size; all of them advance together.

    The answer for one game does not depend on the others (given the evaluator's and the noise).
    Trees hold `max_nodes` nodes; a full tree still searches, without growing. `groups` and
    `threads` let search and evaluation overlap (mcts.pipeline); the trees stay the same.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        rules: Rules,
        games: int,
        max_nodes: int,
        groups: int = 1,
        threads: int = 1,
    ) -> None:
        counts = {"games": games, "max_nodes": max_nodes, "groups": groups, "threads": threads}
        for name, count in counts.items():
            if count < 1:
                raise HonteError(f"search {name} is {count}: use at least 1")
        self.config = config
        self.size = rules.size
        self.actions = rules.size * rules.size + 1
        length = max_nodes + _SPARE_POSITIONS + 4 * rules.size * rules.size
        self.forest = Forest.allocate(
            rules, games, max_nodes, evaluator.history, length, config.leaves
        )
        self._area = np.zeros((1, self.actions), np.int8)
        self._params = _parameters(config)
        judge = (
            ScoredEvaluator(evaluator, config.score_weight) if config.score_weight else evaluator
        )
        self._pipeline = Pipeline(judge, groups, threads)

    @property
    def games(self) -> int:
        return len(self.forest.states)

    @property
    def evaluations(self) -> int:
        """How many positions were judged since the start."""
        return self._pipeline.evaluations

    def set_positions(self, positions: Sequence[Position], first: int = 0) -> None:
        """Put positions at the roots of games first, first + 1, ..; their trees start empty."""
        forest = self.forest
        if any(position.size != self.size for position in positions):
            raise HonteError(f"this search plays on {self.size}x{self.size} boards only")
        self._make_room(max(position.history.shape[1] for position in positions))
        for g, position in enumerate(positions, start=first):
            length = position.history.shape[1]
            forest.roots[g] = position.record[0]
            forest.hashes[g, :length] = position.history[0]
            if forest.root_snapshots.shape[1]:
                batch = PositionBatch.of([position], forest.root_snapshots.shape[1])
                forest.root_snapshots[g] = batch.snapshots[0]
        chosen = forest.states[first : first + len(positions)]
        chosen["num_nodes"] = chosen["num_edges"] = 0

    def play(self, actions: NDArray[np.int64]) -> None:
        """Play one legal action in each game; a negative one leaves its game alone."""
        f = self.forest
        self._make_room(int(f.roots["length"].max()) + 1)
        kernels.play_roots(
            f.roots, f.hashes, f.root_snapshots, *f.trees, actions,
            self.config.reuse,
        )  # fmt: skip

    def run(
        self,
        simulations: int | NDArray[np.int32],
        rng: np.random.Generator | None = None,
        noise: NDArray[np.float32] | None = None,
        considered: int = 0,
    ) -> SearchResult:
        """Search every root with so many new simulations (an array: for each; 0: leave it out).

        Noise is drawn from `rng` as the configuration says, or handed in ([G, A], see
        `root.draw_noise`); with neither there is none. `considered`, where above 0, takes the
        place of the configuration's. What the evaluator raises is passed on, and all trees are
        given up: leaves that still wait would make them wrong.
        """
        if np.min(simulations) < 0:
            raise HonteError(f"{np.min(simulations)} simulations: use 0 or more for each game")
        try:
            return self._run(simulations, rng, noise, considered or self.config.considered)
        except BaseException:
            self.forest.states["num_nodes"] = self.forest.states["num_edges"] = 0
            raise

    def _run(
        self,
        simulations: int | NDArray[np.int32],
        rng: np.random.Generator | None,
        noise: NDArray[np.float32] | None,
        considered: int,
    ) -> SearchResult:
        f = self.forest
        targets = np.broadcast_to(np.asarray(simulations, np.int32), self.games)
        self._make_room(int(f.roots["length"].max()))
        f.states["target"] = targets
        f.states["done"] = 0
        groups = self._pipeline.cut(f)
        self._pipeline.run(f, groups, Part.start_roots)
        if self.config.prune_pass_alive:
            root.ban_settled(f.roots, f.banned, self._area)
        if noise is None and rng is not None:
            counts = f.nodes["num_edges"][:, 0].astype(np.int64)
            noise = root.draw_noise(self.config, rng, counts, self.actions)
        clean = None
        if self.config.root == "puct" and noise is not None:
            clean = np.empty((self.games, self.actions), np.float32)
            root.mix_dirichlet(
                f.nodes, f.priors, f.actions, f.states, f.banned, noise,
                self.config.dirichlet_fraction, clean,
            )  # fmt: skip
        schedule = self._prepare(targets, noise, min(considered, self.actions))
        self._pipeline.run(f, groups, lambda part: part.collect(schedule, self._params))
        result = self._conclude()
        if clean is not None:
            root.take_noise_off(f.nodes, f.priors, f.states, clean)
        return result

    def _prepare(
        self, targets: NDArray[np.int32], noise: NDArray[np.float32] | None, considered: int
    ) -> NDArray[np.int32]:
        """Set up the rule of the roots; return the sequential-halving table."""
        f = self.forest
        gumbel = self.config.root == "gumbel"
        silent = np.zeros((1, 1), np.float32)
        root.prepare_roots(
            *f.trees, f.banned, silent if noise is None else noise,
            gumbel and noise is not None, f.bias, f.counts, considered,
        )  # fmt: skip
        if not gumbel:
            return np.zeros((1, 1, 1), np.int32)
        budgets, f.states["schedule"] = np.unique(targets, return_inverse=True)
        return root.schedule_table(considered, tuple(int(n) for n in budgets))

    def _conclude(self) -> SearchResult:
        f, shape = self.forest, (self.games, self.actions)
        result = SearchResult(
            policy=np.zeros(shape, np.float32),
            action=np.zeros(self.games, np.int64),
            value=np.zeros(self.games, np.float32),
            raw_value=np.zeros(self.games, np.float32),
            prior=np.zeros(shape, np.float32),
            visits=np.zeros(shape, np.int32),
            totals=np.zeros(shape, np.float32),
        )
        if self.config.root == "gumbel":
            root.conclude_gumbel(
                *f.trees, f.banned, f.bias, f.counts, self._params,
                result.policy, result.action, result.value,
            )  # fmt: skip
        else:
            root.conclude_puct(
                *f.trees, f.banned, self._params, result.policy, result.action,
                result.value,
            )  # fmt: skip
        root.read_roots(
            *f.trees, result.prior, result.visits, result.totals,
            result.raw_value,
        )  # fmt: skip
        return result

    def _make_room(self, length: int) -> None:
        """Let the histories hold `length` positions and a path below them."""
        f = self.forest
        needed = length + f.nodes.shape[1] + 2
        if needed > f.hashes.shape[1]:
            grown = np.zeros((self.games, needed + _SPARE_POSITIONS), np.uint64)
            grown[:, : f.hashes.shape[1]] = f.hashes
            f.hashes = grown


def _parameters(config: SearchConfig) -> np.ndarray:
    """Return the numbers of a configuration as the kernels read them."""
    params = np.zeros(1, PARAMETERS)
    for name in PARAMETERS.names or ():
        if hasattr(config, name):
            params[name] = getattr(config, name)
    params["gumbel_root"] = config.root == "gumbel"
    params["gumbel_interior"] = config.interior == "gumbel"
    return params
