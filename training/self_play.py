"""Self-play: many games of one board size in lockstep, one move of all of them per round."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env import board, layout
from go_env.batch import PositionBatch
from go_env.benson import fill_pass_alive_all
from go_env.coords import BLACK
from go_env.errors import HonteError
from go_env.rules import Rules
from mcts import kernels
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator
from mcts.search import Search, SearchResult
from training.cores import own_cores
from training.forks import ForkBook
from training.records import LIMIT, PASSES, SETTLED, GameRecord

_FRACTIONS = ("even_komi", "wide_komi", "settled_ending", "decided_control", "fork_fraction")


@dataclass(frozen=True)
class SelfPlayConfig:
    """How games are made."""

    games: int = 96  # in lockstep, per process and board size
    groups: int = 1  # of those games; with 2, one is searched while a device evaluates the other
    threads: int = 1  # that search; 0: one a core
    simulations: int = 32  # of a full search, at the end of the run
    first_simulations: int = 16  # of a full search, at the start of the run
    first_considered: int = 0  # root actions at the start of the run; 0: search.considered always
    fast_fraction: float = 0.0  # of the moves get a fast search and no policy target; KataGo: 0.75
    fast_simulations: int = 12
    opening_moves: float = 0.04  # mean number of raw-policy opening moves, per point; KataGo: 0.04
    even_komi: float = 0.5  # fraction of games at the komi that is even for today's players
    komi_sd: float = 1.0  # spread of komi, in points; KataGo: about 1
    wide_komi: float = 0.05  # fraction of games with a wide spread; KataGo: 0.06
    wide_komi_sd: float = 6.0
    settled_ending: float = 0.75  # fraction of games that end when all points are pass-alive
    decided_value: float = 0.95  # a game is decided when both sides agree beyond this value ..
    decided_moves: int = 4  # .. for so many moves: then it is played out with fast searches
    decided_control: float = 0.05  # of the games are played in full all the same: the check
    move_limit: float = 2.2  # per point; the board is then scored as it stands
    fork_fraction: float = 0.0  # of the games begin beside a recent game; KataGo: 0.04
    fork_choices: int = 8  # random moves; the best, says the network, is played; KataGo: 3 to 12
    bootstrap_games: int = 0  # so many first games of new weights are judged by random playouts
    bootstrap_simulations: int = 0  # of a full search in them; 0: as many as in other games
    random_views: bool = True  # each evaluation under one of the eight symmetries (AlphaGo Zero)

    def __post_init__(self) -> None:
        if self.games < 1 or min(self.simulations, self.first_simulations) < 2:
            raise HonteError("self_play needs at least 1 game and 2 simulations")
        if not 1 <= self.groups <= self.games or self.threads < 0:
            raise HonteError("self_play needs 1 <= groups <= games, and threads from 0")
        if not 0 <= self.fast_fraction < 1:
            raise HonteError("self_play.fast_fraction must be from 0 to below 1")
        if min(self.fast_simulations - 1, self.decided_moves, self.fork_choices) < 1:
            raise HonteError(
                "self_play needs fast_simulations from 2, fork_choices and decided_moves from 1"
            )
        if self.first_considered < 0 or self.first_considered == 1:
            raise HonteError("self_play.first_considered must be 0 or at least 2")
        if self.bootstrap_games < 0 or not 0 < self.move_limit <= 100:
            raise HonteError("self_play needs bootstrap_games from 0, a move_limit up to 100")
        if self.bootstrap_simulations < 0 or self.bootstrap_simulations == 1:
            raise HonteError("self_play.bootstrap_simulations must be 0 or at least 2")
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise HonteError(f"self_play.{name} must be from 0 to 1")
        for name in ("opening_moves", "komi_sd", "wide_komi_sd", "decided_value"):
            if not 0 <= getattr(self, name) < math.inf:
                raise HonteError(f"self_play.{name} must be finite and not negative")

    @property
    def most_simulations(self) -> int:
        """The most that a search is ever asked for."""
        bootstrap = self.bootstrap_simulations if self.bootstrap_games else 0
        return max(self.simulations, self.first_simulations, bootstrap)

    @property
    def largest_batch(self) -> int:
        """The number of positions that one group can ask for at once."""
        return -(-self.games // self.groups)

    def rules(self, rules: Rules, size: int) -> Rules:
        """Return the rules of self-play games on boards of this size."""
        limit = int(self.move_limit * size * size) + 2
        return Rules(size, rules.komi, rules.ko, rules.suicide, limit)


@dataclass(frozen=True)
class PlayPlan:
    """What the runner asks of the next rounds."""

    simulations: int  # of a full search
    fair_komi: float
    even_komi: float  # at which today's players win equally often
    model: int  # number of the weights
    considered: int = 0  # root actions that a search considers; 0: as configured
    rollouts: bool = False  # random playouts judge instead of the network


class SelfPlay:
    """G games of one board size. Games go on between calls; finished ones are returned."""

    def __init__(
        self,
        rules: Rules,
        config: SelfPlayConfig,
        search: SearchConfig,
        evaluator: Evaluator,
        rng: np.random.Generator,
        first_id: int = 0,
    ) -> None:
        self.config = config
        self._rng = rng
        self._next_id = first_id
        most = config.most_simulations
        nodes = 2 * most + 2 if search.reuse else most + 2
        threads = config.threads or own_cores()
        self.search = Search(evaluator, search, rules, config.games, nodes, config.groups, threads)
        self.search.forest.roots[:] = layout.new_boards(config.games, rules)
        self._evaluator = evaluator
        self._forks = ForkBook(rules)
        self._limit = rules.move_limit or 0
        points, shape = rules.size * rules.size, (config.games, self._limit + 1)
        self._moves = np.zeros(shape, np.int16)
        self._values = np.zeros(shape, np.float16)
        self._has_policy = np.zeros(shape, np.bool_)
        self._policies = np.zeros((*shape, points + 1), np.float16)
        self._alive = np.zeros((config.games, points), np.int8)
        self._opening = np.zeros(config.games, np.int64)
        self._decided = np.zeros(config.games, np.int64)  # moves that `leader` has been sure to win
        self._leader = np.zeros(config.games)  # +1 Black, -1 White, 0 nobody
        self._verdict = np.zeros(config.games, np.int64)  # the leader when first decided
        self._is_control = np.zeros(config.games, np.bool_)
        self._ends_settled = np.zeros(config.games, np.bool_)
        self._evaluations = np.zeros(config.games, np.int64)
        self._surprise = np.zeros(config.games)
        self._gap = np.zeros(config.games)
        self._started = False

    def play(self, rounds: int, plan: PlayPlan) -> list[GameRecord]:
        """Make `rounds` moves in every game; return the games that ended."""
        if not self._started:
            self._restart(np.arange(self.config.games), plan)
            self._started = True
        finished: list[GameRecord] = []
        for _ in range(rounds):
            finished += self._round(plan)
        return finished

    def _round(self, plan: PlayPlan) -> list[GameRecord]:
        forest, config = self.search.forest, self.config
        ply = forest.roots["ply"].astype(np.int64)
        full = bool(self._rng.random() >= config.fast_fraction)
        opening = ply < self._opening
        light = (self._decided >= config.decided_moves) & ~self._is_control
        simulations = np.full(config.games, plan.simulations, np.int32)
        if not full:
            simulations[:] = config.fast_simulations
        simulations[light] = min(config.fast_simulations, plan.simulations)
        simulations[opening] = 1
        result = self.search.run(simulations, self._rng, considered=plan.considered)
        actions = self._choose(result, opening, ply)
        self._record(result, actions, ply, full & ~opening & ~light)
        if not plan.rollouts:  # one random game's result is no value of a network
            self._gap += np.abs(result.value - result.raw_value)
            self._evaluations += simulations
        self.search.play(actions)
        return self._collect_finished(plan)

    def _choose(
        self, result: SearchResult, opening: NDArray[np.bool_], ply: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the action of each game: raw policy in the opening, else the search's choice."""
        actions = result.action.copy()
        if opening.any():
            actions[opening] = _draw(result.prior[opening], self._rng)
        config = self.search.config
        if config.root == "puct":
            warm = ~opening & (ply < config.temperature_moves)
            if warm.any() and config.temperature > 0:
                shares = result.policy[warm] ** (1 / config.temperature)
                actions[warm] = _draw(shares, self._rng)
        return actions

    def _record(
        self,
        result: SearchResult,
        actions: NDArray[np.int64],
        ply: NDArray[np.int64],
        has_policy: NDArray[np.bool_],
    ) -> None:
        games = np.arange(self.config.games)
        self._moves[games, ply] = actions
        self._values[games, ply] = result.value
        self._has_policy[games, ply] = has_policy
        self._policies[games, ply] = result.policy
        outcome = 1 - self.search.config.score_weight  # the share of values that tells who wins
        sure = np.abs(result.value) >= self.config.decided_value * outcome
        leader = np.where(sure, np.sign(result.value) * np.where(ply % 2 == 0, 1, -1), 0)
        self._decided = np.where(leader == self._leader, self._decided + 1, 1) * sure
        self._leader = leader
        first = (self._verdict == 0) & (self._decided >= self.config.decided_moves)
        self._verdict[first] = leader[first].astype(np.int64)
        ratio = np.log(np.maximum(result.policy, 1e-9) / np.maximum(result.prior, 1e-9))
        self._surprise += np.where(has_policy, np.sum(result.policy * ratio, axis=1), 0.0)

    def _collect_finished(self, plan: PlayPlan) -> list[GameRecord]:
        """Take out the games that are over and start others in their places."""
        roots = self.search.forest.roots
        passed, limited = roots["passes"] >= 2, roots["ply"] >= self._limit
        fill_pass_alive_all(roots, self._alive)
        settled = (self._alive != 0).all(axis=1) & self._ends_settled
        over = np.flatnonzero(passed | limited | settled)
        if len(over) == 0:
            return []
        owner = np.zeros((len(over), self._alive.shape[1]), np.int8)
        score = np.zeros(len(over), np.float32)
        board.fill_area_all(roots[over], owner, score)
        records = []
        for i, game in enumerate(over):
            ending = PASSES if passed[game] else SETTLED if settled[game] else LIMIT
            if ending == SETTLED:
                owner[i] = np.where(self._alive[game] == BLACK, 1, -1)
                score[i] = owner[i].sum() - roots["komi"][game]
            records.append(self._make_record(int(game), owner[i], float(score[i]), ending, plan))
            self._forks.add(records[-1].moves)
        self._restart(over, plan)
        return records

    def _make_record(
        self, game: int, owner: NDArray[np.int8], score: float, ending: int, plan: PlayPlan
    ) -> GameRecord:
        root = self.search.forest.roots[game]
        length = int(root["ply"])
        plies = np.flatnonzero(self._has_policy[game, :length])
        self._next_id += 1
        return GameRecord(
            size=self.search.size,
            komi=float(root["komi"]),
            moves=self._moves[game, :length].copy(),
            values=self._values[game, :length].copy(),
            policy_plies=plies.astype(np.int16),
            policies=self._policies[game, plies],
            score=score,
            ownership=owner.copy(),
            ending=ending,
            opening=int(min(self._opening[game], length)),
            model=plan.model,
            game_id=self._next_id,
            evaluations=int(self._evaluations[game]),
            surprise=float(self._surprise[game] / max(len(plies), 1)),
            raw_gap=float(self._gap[game] / max(length, 1)),
            verdict=int(self._verdict[game]) if self._is_control[game] else 0,
        )

    def _restart(self, games: NDArray[np.int64], plan: PlayPlan) -> None:
        """Begin new games, each with its own komi and number of opening moves."""
        forest, config, count = self.search.forest, self.config, len(games)
        fresh = forest.roots[games]
        layout.clear_all(fresh)
        fresh["komi"] = self._draw_komi(count, plan)
        forest.roots[games] = fresh
        kernels.begin_games(
            forest.roots, forest.hashes, forest.root_snapshots, forest.states, games
        )
        mean = config.opening_moves * self._alive.shape[1]
        self._opening[games] = self._rng.exponential(mean, count).astype(np.int64) if mean else 0
        self._ends_settled[games] = self._rng.random(count) < config.settled_ending
        self._is_control[games] = self._rng.random(count) < config.decided_control
        for array in (self._decided, self._verdict, self._evaluations, self._surprise, self._gap):
            array[games] = 0
        for game in games[self._rng.random(count) < config.fork_fraction]:
            self._fork(int(game))

    def _fork(self, game: int) -> None:
        """Let a game that has just begun start beside a recent one, if there is one."""
        komi = float(self.search.forest.roots["komi"][game])
        forks = self._forks.draw(komi, self.config.fork_choices, self._rng)
        if not forks:
            return
        batch = PositionBatch.of(forks, self._evaluator.history)
        position = forks[int(np.argmin(self._evaluator.evaluate(batch).value))]
        self.search.set_positions([position], first=game)
        self._moves[game, : position.ply] = [action for _, action in position.moves]
        self._values[game, : position.ply] = 0
        self._has_policy[game, : position.ply] = False
        self._opening[game] = position.ply

    def _draw_komi(self, count: int, plan: PlayPlan) -> NDArray[np.float32]:
        config, rng = self.config, self._rng
        center = np.where(rng.random(count) < config.even_komi, plan.even_komi, plan.fair_komi)
        spread = np.where(rng.random(count) < config.wide_komi, config.wide_komi_sd, config.komi_sd)
        komi = np.round(2 * (center + spread * rng.standard_normal(count))) / 2
        return komi.astype(np.float32)


def _draw(weights: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one index a row with probability proportional to its weight (Gumbel-max trick)."""
    noise = rng.gumbel(size=weights.shape)
    return np.argmax(np.log(np.maximum(weights, 1e-30)) + noise, axis=1)
