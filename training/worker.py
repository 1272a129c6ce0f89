"""One process's share of the work, as plain calls: play games, judge a candidate, rate a champion.

Runners make workers in this process or as Ray actors; a worker knows neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from agents.base import Agent
from agents.checkpoint import Checkpoint
from agents.gtp_process import engine_words
from agents.inference import NetworkEvaluator, Symmetry, network_evaluator
from agents.inference_config import InferenceConfig
from agents.mcts_agent import MctsAgent
from agents.registry import make_agent, parse_spec
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.rules import Rules
from mcts.config import SearchConfig
from mcts.evaluator import Evaluation, Evaluator
from mcts.rollout import RolloutEvaluator
from training.config import RunConfig
from training.gatekeeper import Gatekeeper, Verdict
from training.matches.arena import meet_anchor
from training.matches.openings import even_openings
from training.records import GameRecord
from training.self_play import PlayPlan, SelfPlay

Weights = Mapping[str, NDArray[np.float32]]

_GAME_IDS = 1 << 32  # of one worker's start; ids of different workers never meet


@dataclass(frozen=True)
class PlayTask:
    """So many moves in every game of one board size."""

    size: int
    rounds: int
    plan: PlayPlan


@dataclass(frozen=True)
class PlayResult:
    """What came of a task. Evaluations, a network's only, include those of games still going on."""

    games: list[GameRecord]
    evaluations: int


@dataclass(frozen=True)
class RatingResult:
    """A champion's games against the anchors."""

    games: list[tuple[str, bool, float]] = field(default_factory=list)  # see `Worker.rate`
    problems: list[str] = field(default_factory=list)  # why games or anchors were left out


class Worker:
    """Holds games in progress and evaluators; everything else comes with the call."""

    def __init__(self, config: RunConfig, index: int, start: int) -> None:
        torch.set_num_threads(1)
        self._config = replace(config, inference=spread(config.inference, index))
        self._rng = np.random.default_rng(
            np.random.SeedSequence(config.seed, spawn_key=(1, index, start))
        )
        self._first_id = (start * 4096 + index) * _GAME_IDS
        self._players: dict[int, SelfPlay] = {}
        self._evaluators: dict[tuple[str, int], NetworkEvaluator] = {}
        self._loaded: dict[tuple[str, int], int] = {}
        self._judges: dict[int, PlayoutsFirst] = {}

    def play(self, task: PlayTask, weights: Weights) -> PlayResult:
        """Go on with the games of one size."""
        batch = self._config.self_play.largest_batch
        evaluator = self._evaluator("play", task.size, weights, task.plan.model, batch)
        player = self._players.get(task.size)
        if player is None:
            rules = self._config.self_play.rules(self._config.rules, task.size)
            first_id = self._first_id + task.size * (_GAME_IDS // 32)
            judge = PlayoutsFirst(evaluator, RolloutEvaluator(seed=first_id + self._config.seed))
            player = SelfPlay(
                rules, self._config.self_play, self._config.search, judge, self._rng, first_id
            )
            self._players[task.size], self._judges[task.size] = player, judge
        self._judges[task.size].rollouts = task.plan.rollouts
        before = player.search.evaluations
        records = player.play(task.rounds, task.plan)
        asked = player.search.evaluations - before
        return PlayResult(records, 0 if task.plan.rollouts else asked)

    def gate(self, candidate: Weights, champion: Weights, seed: int) -> Verdict:
        """Let the gatekeeper judge a candidate on the run's own board."""
        gate = self._config.gate
        players = [
            self._agent(name, weights, gate.simulations)
            for name, weights in (("candidate", candidate), ("champion", champion))
        ]
        return Gatekeeper(gate).judge(players[0], players[1], self._config.rules, seed)

    def rate(
        self, weights: Weights, seed: int, earlier: Mapping[int, Weights] | None = None
    ) -> RatingResult:
        """Play the champion against each anchor: (anchor, champion was Black, Black's score).

        `earlier`: champions of this run that are met too, as `model NUMBER`. Anchors that are not
        installed are left out. So are games that an engine lost by its conduct (it died, or played
        an illegal move): they say nothing about strength.
        """
        simulations = self._config.loop.rate_simulations
        champion = self._agent("candidate", weights, simulations)
        result = RatingResult()
        for spec in filter(is_installed, self._config.loop.anchors):
            try:
                anchor = make_agent(spec, size=self._config.rules.size, seed=seed)
            except HonteError as error:
                result.problems.append(f"rated without '{spec}': {error}")
                continue
            self._meet(champion, anchor, spec, seed, result)
            anchor.close()
        for number, others in (earlier or {}).items():
            rival = self._agent("champion", others, simulations)
            self._meet(champion, rival, f"model {number}", seed, result)
        return result

    def _meet(
        self, champion: Agent, anchor: Agent, spec: str, seed: int, result: RatingResult
    ) -> None:
        """Add the games against one anchor."""
        loop, rules = self._config.loop, self._config.rules
        pairs = (loop.rate_games + 1) // 2
        openings = even_openings(rules, self._config.gate.opening_moves, pairs, seed)
        rules = replace(rules, move_limit=3 * rules.size**2)
        games, problems = meet_anchor(champion, anchor, spec, rules, openings)
        result.games.extend((spec, game.fixture.leg == 0, game.black_score) for game in games)
        result.problems.extend(problems)

    def _agent(self, name: str, weights: Weights, simulations: int) -> Agent:
        """Return a player for matches: the run's search without noise."""
        search = replace(match_search(self._config.search), reuse=False)
        evaluator = self._evaluator(name, self._config.rules.size, weights, -1, 64)
        return MctsAgent(evaluator, search, simulations, name)

    def _evaluator(
        self, role: str, size: int, weights: Weights, number: int, max_batch: int
    ) -> NetworkEvaluator:
        """Return this role's evaluator with these weights; number -1: load them in any case."""
        key = (role, size)
        if key in self._evaluators and (number < 0 or self._loaded.get(key) != number):
            self._evaluators[key].load(_tensors(weights))
        elif key not in self._evaluators:
            checkpoint = Checkpoint(self._config.network, Rules(size), {}, _tensors(weights))
            details = self._config.inference.details or self._config.search.score_weight > 0
            inference = replace(
                self._config.inference, max_batch=max_batch, min_batch=1, details=details
            )
            varied = role == "play" and self._config.self_play.random_views
            symmetry: Symmetry = "random" if varied else "none"
            self._evaluators[key] = network_evaluator(
                checkpoint, size, inference, symmetry, self._rng
            )
        self._loaded[key] = number
        return self._evaluators[key]


def spread(inference: InferenceConfig, index: int) -> InferenceConfig:
    """Give each worker of a machine with several GPUs one of them, in turn, unless one is named."""
    gpus = torch.cuda.device_count()
    if gpus < 2 or inference.device != "auto" or inference.needs_cpu:
        return inference
    return replace(inference, device=f"cuda:{index % gpus}")


class PlayoutsFirst:
    """Judges by a network, or by random playouts while `rollouts` is set."""

    def __init__(self, network: Evaluator, playouts: RolloutEvaluator) -> None:
        self.rollouts = False
        self._network = network
        self._playouts = playouts

    @property
    def history(self) -> int:
        return self._network.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        return (self._playouts if self.rollouts else self._network).evaluate(batch)


def is_installed(spec: str) -> bool:
    """Tell whether the program of an engine's SPEC is there; other players always are."""
    player = parse_spec(spec)
    if player.kind != "gtp":
        return True
    try:
        engine_words(player.target)
    except HonteError:
        return False
    return True


def match_search(search: SearchConfig) -> SearchConfig:
    """Return a search configuration without any noise."""
    return replace(search, gumbel_scale=0.0, dirichlet_fraction=0.0, temperature_moves=0)


def _tensors(weights: Weights) -> dict[str, torch.Tensor]:
    """Return torch copies; arrays that come through Ray are read-only."""
    return {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
