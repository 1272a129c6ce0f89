"""The one owner of a baseline run's state: learner, counters, checkpoints, evaluations.

It starts no process and never waits. A run goes on from the last evaluation's checkpoint; what was
learned since then is lost when it is killed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from agents.checkpoint import load_tensors, save_tensors
from agents.registry import make_agent
from go_env.coords import BLACK
from go_env.env_games import game_rules
from go_env.errors import HonteError
from go_env.position import Position
from training.baselines.collectors import Collector, Tally
from training.baselines.config import BaselineConfig, QRunConfig
from training.baselines.dqn import DqnLearner
from training.baselines.learner import BaselineLearner, merged
from training.baselines.policy_gradient import PolicyGradientLearner
from training.baselines.tabular import TableLearner
from training.config import provenance
from training.matches.arena import meet_anchor
from training.matches.openings import sample_openings
from training.metrics import MetricsLog
from training.model_store import ModelStore

_STATE = "baseline.safetensors"
SPENT_BEFORE = "its budget was spent before; go on with more: --minutes M"
_EVENT_S = 2.0  # between two events of one kind


def make_learner(config: BaselineConfig) -> BaselineLearner:
    """Return the learner that a configuration describes."""
    if not isinstance(config, QRunConfig):
        return PolicyGradientLearner(config)
    return TableLearner(config) if config.function == "table" else DqnLearner(config)


def make_collector(config: BaselineConfig, index: int, start: int, count: int) -> Collector:
    """Return the collector number `index` of `count`; `start` counts the starts of the run.

    No learner is built for it: its network would take up memory of the GPU in every process.
    """
    if not isinstance(config, QRunConfig):
        return PolicyGradientLearner.collector(config, index, start, count)
    kind = TableLearner if config.function == "table" else DqnLearner
    return kind.collector(config, index, start, count)


class BaselineTrainer:
    """Hands out rounds, takes them in, evaluates and publishes on the way."""

    def __init__(self, config: BaselineConfig, store: ModelStore, log: MetricsLog) -> None:
        self.config = config
        self.store = store
        self._log = log
        self.learner = make_learner(config)
        self.rounds = self.games = self.positions = self.model = self.starts = 0
        self.finished = False  # it came to its end, and its budget has not grown since
        self._evaluated = -1  # number of the evaluation that was made last, of those of the budget
        self._measured = 0  # number of the model whose games against the anchors are all played
        self._meter = _Meter()
        self._restore()

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        return self.config.loop.progress(self._log.elapsed_s, self.rounds)

    @property
    def evaluation_due(self) -> bool:
        """Whether the next of the evenly spread evaluations is due; the first comes at once."""
        return self._evaluation > self._evaluated

    @property
    def unmeasured(self) -> bool:
        """Whether a start before was ended amid the games of its newest model with the anchors."""
        return self.model > self._measured

    @property
    def _evaluation(self) -> int:
        """Number of the newest of the evenly spread evaluations, from 0."""
        return int(self.progress * self.config.loop.evaluations)

    def tasks(self, count: int) -> Sequence[Any]:
        return self.learner.tasks(count, self.progress)

    def absorb(self, results: Sequence[Any]) -> None:
        """Learn from one round of all collectors."""
        tally, told = self.learner.absorb(results, self.progress)
        self.rounds += 1
        self.games += tally.games
        self.positions += tally.plies
        self._meter.add(tally, told)
        if self._meter.due:
            self._tell()

    def evaluate(self) -> None:
        """Publish what was learned as a checkpoint, save the state, measure the model."""
        self.model += 1
        self._evaluated = self._evaluation
        facts = provenance(self.config) | {
            "model": self.model,
            "games": self.games,
            "positions": self.positions,
            "steps": self.learner.steps,
        }
        self.store.publish(self.model, lambda path: self.learner.publish(path, facts))
        details = {"reason": "the newest: baselines have no gate"}
        self.store.promote(self.model, details=details, history=False)
        self._save()
        self._log.emit("publish", model=self.model, step=self.learner.steps, games=self.games)
        self.measure()
        self.store.prune(self.config.loop.keep_last, 0)

    def measure(self) -> None:
        """Play the newest model against the anchors, and tell what can be told exactly."""
        told = self.learner.facts()
        for spec in self.config.loop.anchors if self.config.loop.anchor_games else ():
            self._play_anchor(spec)
        if told:
            self._log.emit("exact", model=self.model, games=self.games, **told)
        self._measured = self.model
        self._save()

    def alarm(self, name: str, message: str) -> None:
        """Note that something is wrong although the run goes on."""
        self._log.emit("alarm", name=name, message=message)

    def finish(self) -> None:
        """Evaluate what came out, unless that was done before, and say how the run ended."""
        reason = SPENT_BEFORE if self.finished else "the budget is spent"
        if not self.finished:
            self._tell()
            self.finished = True
            self.evaluate()
        self._log.emit(
            "done", reason=reason, games=self.games, step=self.learner.steps,
            champion=self.model, evaluations=self.learner.evaluations,
        )  # fmt: skip

    def _play_anchor(self, spec: str) -> None:
        """Play pairs of games with colors swapped; those lost by conduct are alarms instead."""
        loop, rules = self.config.loop, game_rules(0, None, self.config.rules)
        seed = self.config.seed + self.model
        pairs = (loop.anchor_games + 1) // 2
        openings = sample_openings(rules, loop.opening_moves, pairs, seed, at_most=True)
        anchor = make_agent(spec, size=rules.size, seed=seed)
        player = self.learner.agent(f"model-{self.model}")
        start_s = time.monotonic()
        games, problems = meet_anchor(player, anchor, spec, rules, openings)
        anchor.close()
        for problem in problems:
            self.alarm("anchor", problem)
        if not games:
            return
        scores = [[game.first_score for game in games if game.fixture.leg == leg] for leg in (0, 1)]
        both = scores[0] + scores[1]
        self._log.emit(
            "evaluation", model=self.model, opponent=spec, games=len(both),
            step=self.learner.steps, wins=both.count(1.0), draws=both.count(0.5),
            losses=both.count(0.0), score=sum(both) / len(both),
            score_black=_mean(scores[0]), score_white=_mean(scores[1]),
            duration_s=time.monotonic() - start_s,
            cpu_s=time.process_time(),
        )  # fmt: skip

    def _tell(self) -> None:
        """Emit what happened since the events before."""
        if not self._meter.rounds:
            return
        play, learned, sample = self._meter.report()
        self._meter = _Meter()
        if play:
            self._log.emit(
                "selfplay", games=self.games, positions=self.positions,
                evaluations=self.learner.evaluations, model=self.model, **play,
            )  # fmt: skip
        self._log.emit("learner", step=self.learner.steps, samples=self.learner.samples, **learned)
        if sample:
            position = Position.from_moves(game_rules(0, None, self.config.rules), sample)
            score = position.score()
            letter = "B" if position.winner() == BLACK else "W"
            result = f"{letter}+{abs(score):g}" if score else "0"
            rules = self.config.rules
            self._log.emit(
                "game", number=self.games, size=rules.size, komi=rules.komi, moves=sample,
                result=result, model=self.model,
            )  # fmt: skip

    def _save(self) -> None:
        tensors, values = self.learner.state()
        counts = {name: getattr(self, name) for name in _COUNTERS}
        state = {
            "learner": values,
            "counts": counts,
            "starts": self.starts,
            "finished": self.finished,
            "measured": self._measured,
        }
        save_tensors(self.store.state_dir / _STATE, tensors, state)

    def _restore(self) -> None:
        path = self.store.state_dir / _STATE
        if path.is_file():
            tensors, state = load_tensors(path)
            try:
                self.learner.restore(tensors, state["learner"])
                for name in _COUNTERS:
                    setattr(self, name, state["counts"][name])
                self.starts = state["starts"]
            except KeyError as error:
                raise HonteError(f"{path} lacks {error}: use a new --run directory") from None
            self._evaluated = self._evaluation
            self._measured = state.get("measured", self.model)
            self.finished = state.get("finished", False) and self.progress >= 1.0
        self.starts += 1


_COUNTERS = ("rounds", "games", "positions", "model")


def _mean(scores: Sequence[float]) -> float | None:
    return sum(scores) / len(scores) if scores else None


class _Meter:
    """Means of what rounds told since the last event."""

    def __init__(self) -> None:
        self.rounds = 0
        self._tallies: list[Tally] = []
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)
        self._since_s = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._since_s >= _EVENT_S

    def add(self, tally: Tally, told: dict[str, float]) -> None:
        self.rounds += 1
        self._tallies.append(tally)
        for name, value in told.items():
            self._sums[name] += value
            self._counts[name] += 1

    def report(self) -> tuple[dict[str, float], dict[str, float], list[int]]:
        """Return fields of a `selfplay` and of a `learner` event and one game."""
        tally = merged(self._tallies)
        elapsed_s = max(time.monotonic() - self._since_s, 1e-9)
        play: dict[str, float] = {}
        if tally.games:
            play = {
                "games_per_s": tally.games / elapsed_s,
                "positions_per_s": tally.plies / elapsed_s,
                "evals_per_s": tally.plies / elapsed_s,
                "mean_length": tally.plies / tally.games,
                "black_wins": tally.black_wins / tally.games,
                "draws": tally.draws / tally.games,
            }
        learned = {name: total / self._counts[name] for name, total in self._sums.items()}
        return play, learned, tally.sample
