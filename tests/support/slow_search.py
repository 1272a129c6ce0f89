"""The obvious twin of the tree search: objects, dictionaries and Positions, one game, no speed.

Same rules as `mcts.kernels` and `mcts.root`, written from the papers: PUCT (Silver et al. 2017),
forced playouts and target pruning (Wu 2019), Gumbel (Danihelka et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.position import Position
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator


@dataclass
class Edge:
    prior: float
    visits: int = 0
    total: float = 0.0  # sum of values for the player who chooses it
    child: Node | None = None

    @property
    def q(self) -> float:
        return self.total / self.visits


@dataclass
class Node:
    """`visits` counts evaluations in the subtree, its own included; `total` sums their values."""

    position: Position
    value: float  # for the player to move
    edges: dict[int, Edge] = field(default_factory=dict)
    visits: int = 1
    total: float = 0.0
    values: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = self.value
        self.values.append(self.value)

    def visited(self) -> list[Edge]:
        return [edge for edge in self.edges.values() if edge.visits]

    def mixed_value(self) -> float:
        """Return v_mix (Danihelka et al. 2022, equation 33)."""
        visited = self.visited()
        if not visited:
            return self.value
        count = sum(edge.visits for edge in visited)
        mass = sum(edge.prior for edge in visited)
        mean = sum(edge.prior * edge.q for edge in visited) / mass
        return (self.value + count * mean) / (1 + count)


@dataclass
class SlowResult:
    """As `mcts.search.SearchResult`, of one game; visits by action."""

    visits: dict[int, int]
    policy: dict[int, float]
    action: int
    value: float


class SlowSearch:
    """One game's search. `run` may be called again after `play`: the subtree is kept."""

    def __init__(self, evaluator: Evaluator, config: SearchConfig, position: Position) -> None:
        self.evaluator = evaluator
        self.config = config
        self.position = position
        self.root: Node | None = None

    def play(self, action: int) -> None:
        child = None if self.root is None else self.root.edges[action].child
        keep = self.config.reuse and child is not None and not child.position.ended
        self.position = self.position.play(action)
        self.root = child if keep else None

    def run(self, simulations: int, noise: NDArray[np.float32] | None = None) -> SlowResult:
        self.root = self.root or self.judged(self.position)
        self.banned = self.find_banned()
        self.counts = dict.fromkeys(self.root.edges, 0)
        gumbel = self.config.root == "gumbel"
        self.noise = dict.fromkeys(self.root.edges, 0.0)
        if noise is not None and gumbel:
            self.noise = {action: float(noise[action]) for action in self.root.edges}
        elif noise is not None:
            self.mix_dirichlet(noise)
        allowed = len(self.root.edges) - len(self.banned)
        schedule = slow_schedule(min(allowed, self.config.considered), simulations)
        for wanted in schedule:
            action = self.gumbel_root_action(wanted) if gumbel else self.puct_root_action()
            self.counts[action] += 1
            self.simulate(self.root, action)
        return self.conclude_gumbel() if gumbel else self.conclude_puct()

    def judged(self, position: Position) -> Node:
        """Return a new node with the evaluator's judgement, or the exact outcome."""
        if position.ended:
            return Node(position, float(position.outcome(position.to_play)))
        answer = self.evaluator.evaluate(PositionBatch.of([position], self.evaluator.history))
        legal = np.flatnonzero(position.legal())
        policy = answer.policy[0].astype(float)
        total = policy[legal].sum()
        edges = {int(a): Edge(policy[a] / total) for a in legal}
        return Node(position, float(answer.value[0]), edges)

    def simulate(self, node: Node, action: int) -> float:
        """Go down one edge; return the leaf's value for the player to move at `node`."""
        edge = node.edges[action]
        if edge.child is None:
            edge.child = self.judged(node.position.play(action))
            value = -edge.child.value
        elif not edge.child.edges:  # a finished game, met again
            value = -edge.child.value
            edge.child.visits += 1
            edge.child.total += edge.child.value
            edge.child.values.append(edge.child.value)
        else:
            value = -self.simulate(edge.child, self.interior_action(edge.child))
        edge.visits += 1
        edge.total += value
        node.visits += 1
        node.total += value
        node.values.append(value)
        return value

    def interior_action(self, node: Node) -> int:
        if self.config.interior == "gumbel":
            policy = self.improved_policy(node, {})
            sum_visits = sum(edge.visits for edge in node.edges.values())
            lag = {a: policy[a] - e.visits / (1 + sum_visits) for a, e in node.edges.items()}
            return max(lag, key=lag.__getitem__)
        return self.best_puct(node, self.config.fpu_reduction, {})

    def scale(self, node: Node) -> float:
        base = self.config.c_puct_base
        rate = self.config.c_puct + math.log((1 + node.visits + base) / base)
        if self.config.c_puct_spread:  # as if two more values had been 0.4 away from the mean
            mean = node.total / node.visits
            squares = sum((value - mean) ** 2 for value in node.values) + 2 * 0.4**2
            spread = math.sqrt(squares / (len(node.values) + 1))
            rate *= 1 + self.config.c_puct_spread * (spread / 0.4 - 1)
        return rate * math.sqrt(node.visits)

    def best_puct(self, node: Node, reduction: float, banned: dict[int, bool]) -> int:
        mass = sum(edge.prior for edge in node.visited())
        fpu = node.total / node.visits - reduction * math.sqrt(mass)
        scores = {}
        for action, edge in node.edges.items():
            q = edge.q if edge.visits else fpu
            scores[action] = q + self.scale(node) * edge.prior / (1 + edge.visits)
            forced = math.sqrt(self.config.forced_playouts * edge.prior * (node.visits - 1))
            if node is self.root and 0 < edge.visits < forced:
                scores[action] += 1e6
            if action in banned:
                scores[action] = -math.inf
        return max(scores, key=scores.__getitem__)

    def puct_root_action(self) -> int:
        assert self.root is not None
        return self.best_puct(self.root, self.config.root_fpu_reduction, self.banned)

    def sigma(self, node: Node, q: float) -> float:
        """Return the monotone transform of Q (Danihelka et al. 2022, equation 8), Q in [0, 1]."""
        most = max(edge.visits for edge in node.edges.values())
        return (self.config.c_visit + most) * self.config.c_scale * (q / 2)

    def completed_q(self, node: Node) -> dict[int, float]:
        mix = node.mixed_value()
        return {a: edge.q if edge.visits else mix for a, edge in node.edges.items()}

    def improved_policy(self, node: Node, banned: dict[int, bool]) -> dict[int, float]:
        """Return softmax(log prior + sigma(completed Q)) over the actions that are not banned."""
        logits = {
            a: math.log(max(node.edges[a].prior, 1e-30)) + self.sigma(node, q)
            for a, q in self.completed_q(node).items()
            if a not in banned
        }
        top = max(logits.values())
        total = sum(math.exp(logit - top) for logit in logits.values())
        return {a: math.exp(logit - top) / total for a, logit in logits.items()}

    def gumbel_scores(self) -> dict[int, float]:
        assert self.root is not None
        return {
            a: self.noise[a]
            + math.log(max(self.root.edges[a].prior, 1e-30))
            + self.sigma(self.root, q)
            for a, q in self.completed_q(self.root).items()
            if a not in self.banned
        }

    def gumbel_root_action(self, wanted: int) -> int:
        scores = {a: s for a, s in self.gumbel_scores().items() if self.counts[a] == wanted}
        return max(scores, key=scores.__getitem__)

    def find_banned(self) -> dict[int, bool]:
        """Return the root actions inside unconditional territory; see `mcts.root.ban_settled`."""
        position = self.position
        limit = position.rules.move_limit
        near_limit = limit is not None and limit - position.ply <= 2 * position.size
        if near_limit or not self.config.prune_pass_alive:
            return {}
        alive, stones, own = position.pass_alive(), position.board.ravel(), position.to_play
        dead_enemies = bool(np.any((alive == own) & (stones == 3 - own)))
        settled = (alive == 3 - own) | ((alive == own) & (not dead_enemies))
        assert self.root is not None
        return {int(a): True for a in np.flatnonzero(settled) if int(a) in self.root.edges}

    def mix_dirichlet(self, noise: NDArray[np.float32]) -> None:
        assert self.root is not None
        fraction = self.config.dirichlet_fraction
        total = sum(float(noise[a]) for a in self.root.edges if a not in self.banned)
        for action, edge in self.root.edges.items():
            share = 0.0 if action in self.banned else float(noise[action]) / total
            edge.prior = (1 - fraction) * edge.prior + fraction * share

    def conclude_gumbel(self) -> SlowResult:
        assert self.root is not None
        scores, most = self.gumbel_scores(), max(self.counts.values())
        unheard = 1 - self.config.choice_noise
        finalists = {
            a: score - unheard * self.noise[a]
            for a, score in scores.items()
            if self.counts[a] == most
        }
        policy = self.improved_policy(self.root, self.banned)
        q = self.completed_q(self.root)
        value = sum(share * q[a] for a, share in policy.items())
        return SlowResult(self.visits(), policy, max(finalists, key=finalists.__getitem__), value)

    def conclude_puct(self) -> SlowResult:
        root = self.root
        assert root is not None
        visits = {a: n for a, n in self.visits().items() if a not in self.banned}
        best = max(visits, key=lambda a: (visits[a], root.edges[a].total))
        kept = {a: float(n) for a, n in visits.items()}
        if self.config.forced_playouts:
            kept = {a: n if a == best else self.pruned(a, best) for a, n in kept.items()}
        total = sum(kept.values())
        policy = {a: n / total for a, n in kept.items()}
        if self.config.lcb:
            trusted = [a for a, n in visits.items() if n >= max(1.0, 0.1 * visits[best])]
            best = max(trusted, key=self.bound) if trusted else best
        return SlowResult(self.visits(), policy, best, root.total / root.visits)

    def bound(self, action: int) -> float:
        """Return the value of a visited action less some standard errors of results of +-1."""
        assert self.root is not None
        edge = self.root.edges[action]
        return edge.q - self.config.lcb * math.sqrt(max(1 - edge.q**2, 0.05) / edge.visits)

    def pruned(self, action: int, best: int) -> float:
        """Return the visits that PUCT alone would have needed to give up on the action."""
        root = self.root
        assert root is not None
        edge, top, scale = root.edges[action], root.edges[best], self.scale(root)
        if edge.visits == 0:
            return 0.0
        bar = top.q + scale * top.prior / (1 + top.visits)
        forced = math.sqrt(self.config.forced_playouts * edge.prior * (root.visits - 1))
        enough = scale * edge.prior / (bar - edge.q) - 1 if bar > edge.q else math.inf
        kept = max(edge.visits - forced, min(edge.visits, enough))
        return kept if kept > 1 else 0.0

    def visits(self) -> dict[int, int]:
        assert self.root is not None
        return {a: edge.visits for a, edge in self.root.edges.items()}


def slow_schedule(considered: int, simulations: int) -> list[int]:
    """Return the visits that each simulation's action has had, phase by phase (section 3)."""
    schedule: list[int] = []
    phases = math.ceil(math.log2(considered)) if considered > 1 else 1
    survivors, depth = considered, 0
    while len(schedule) < simulations:
        rounds = max(1, simulations // (phases * survivors))
        for level in range(depth, depth + rounds):
            schedule += [level] * survivors
        depth += rounds
        survivors = max(min(2, considered), survivors // 2)
    return schedule[:simulations]


def without_noise(config: SearchConfig) -> SearchConfig:
    return replace(config, gumbel_scale=0.0, dirichlet_fraction=0.0)
