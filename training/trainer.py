"""The one owner of a run's state: window, learner, models, counters. Runners feed and ask it.

It starts no process and never waits. What it is told it puts on disk at once: games as chunks,
models as checkpoints; so a killed run goes on from its directory and loses at most the games in
flight and the learner steps since the last model.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from go_env.errors import HonteError
from go_env.features import feature_set
from training.alarms import Alarm, AlarmBell
from training.config import RunConfig, provenance
from training.files import publish
from training.gatekeeper import Verdict
from training.judgements import Judgements
from training.learner import Learner
from training.metrics import MetricsLog
from training.model_store import ModelStore
from training.records import DamagedChunk, GameRecord, load_games, save_games, why_refused
from training.replay import ReplayWindow
from training.schedule import considered_moves, full_simulations, komi_for
from training.self_play import PlayPlan
from training.telemetry import LearnerMeter, SelfPlayMeter, game_event, rating_table
from training.worker import PlayResult, PlayTask, RatingResult

_KOMI_MEMORY = 300  # games of a size whose results tell the komi that is even today
_TENSORS = "learner.safetensors"
_WEIGHTS_IN_MEMORY = 3

SPENT_BEFORE = "its budget was spent before; go on with more: --hours H, or --set loop.games=N"


class Trainer:
    """Takes in games, makes learner steps, publishes models, keeps verdicts and ratings."""

    def __init__(self, config: RunConfig, store: ModelStore, log: MetricsLog) -> None:
        self.config = config
        self.store = store
        self._log = log
        self._rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0,)))
        features = feature_set(config.network.features, config.network.feature_version)
        self.window = ReplayWindow(config.replay, config.rules, features)
        self.learner = Learner(config.network, config.learner, config.seed)
        self.model = 0  # number of the newest published weights
        self.candidates: set[int] = set()  # models that wait for the gate's verdict
        self.starts = 0
        self.finished = False  # it came to its end, and its budget has not grown since
        self.evaluations = self.rejected = 0
        self._parent: dict[str, Any] = {}  # what made the weights that the run began with
        self._weights: dict[int, dict[str, NDArray[np.float32]]] = {}
        self._follow_champion = config.gate.mode == "strict"
        self._scores: dict[int, deque[float]] = {}
        self._published_at = 0  # learner steps
        self._judgements = Judgements()
        self._learning = LearnerMeter()
        self._bell = AlarmBell(config.rules.size)
        self._restore()
        self._self_play = SelfPlayMeter(self.evaluations)

    # --- what to do next ------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        return self.config.loop.progress(self._log.elapsed_s, self.window.games_made)

    @property
    def due_steps(self) -> int:
        """Learner steps that the games made so far pay for."""
        return self.learner.due_steps if self.window.is_filled else 0

    @property
    def publish_due(self) -> bool:
        return self.learner.steps - self._published_at >= self.config.loop.publish_steps

    @property
    def gate_due(self) -> bool:
        """Whether the newest model is a candidate, and gates have not taken their share of time."""
        champion, loop = self.champion, self.config.loop
        return not champion or (
            self.model > champion
            and self.model % loop.gate_every == 0
            and loop.has_time(loop.judge_share, self._judgements.judged_s, self._log.elapsed_s)
        )

    @property
    def champion(self) -> int:
        """Number of the champion, 0 before the first."""
        champion = self.store.champion()
        return 0 if champion is None else champion.number

    @property
    def playing(self) -> int:
        """Number of the model that self-play uses."""
        return (self._follow_champion and self.champion) or self.model

    @property
    def unrated(self) -> int:
        """Number of the champion whose rating is to be played now (at the end: any), or 0."""
        champion, loop = self.champion, self.config.loop
        new = champion > self._judgements.rated and loop.rate_games > 0
        has_time = loop.has_time(loop.rate_share, self._judgements.rated_s, self._log.elapsed_s)
        return champion if new and (has_time or self.progress >= 1.0) else 0

    def next_task(self) -> PlayTask:
        """Return the next piece of self-play; the size is drawn by today's shares."""
        config, progress = self.config, self.progress
        size = config.rules.size
        if config.loop.small_sizes and self._rng.random() < config.loop.small_share(progress):
            size = int(self._rng.choice(config.loop.small_sizes))
        fair = komi_for(size, config.rules.size, config.rules.komi)
        scores = self._scores.get(size)
        unknown = fair if config.start_from else 0.0  # random players are even at 0
        even = float(np.median(scores)) if scores else unknown
        knows_nothing = self.window.games_made < config.self_play.bootstrap_games
        rollouts = knows_nothing and not config.start_from
        simulations = full_simulations(config.self_play, progress, rollouts)
        considered = considered_moves(config.self_play, config.search, progress, rollouts)
        plan = PlayPlan(simulations, fair, even, self.playing, considered, rollouts)
        return PlayTask(size, config.loop.rounds, plan)

    @property
    def awaits_verdict(self) -> bool:
        """Whether the gate has not judged the newest model."""
        return self.model > max(self.champion, self._judgements.judged)

    def weights(self, number: int) -> dict[str, NDArray[np.float32]]:
        """Return a published model's weights as arrays; the last few stay in memory."""
        if number not in self._weights:
            checkpoint = load_checkpoint(self.store.checkpoint_path(number))
            arrays = {name: tensor.numpy() for name, tensor in checkpoint.weights.items()}
            if len(self._weights) >= _WEIGHTS_IN_MEMORY:
                del self._weights[min(self._weights)]
            self._weights[number] = arrays
        return self._weights[number]

    def yardsticks(self, number: int) -> dict[int, dict[str, NDArray[np.float32]]]:
        """Return the weights of champions before this model, which it is rated against."""
        champion = self.store.champion()
        older = champion.yardsticks if champion else ()
        return {n: self.weights(n) for n in older if n < number}

    # --- what happened --------------------------------------------------------------------------

    def absorb(self, result: PlayResult) -> None:
        """Take in games: check them, write them down, add them to the window."""
        self.evaluations += result.evaluations
        games = []
        for game in result.games:
            rules = self.config.self_play.rules(self.config.rules, game.size)
            reason = why_refused(game, rules)
            if reason is None:
                games.append(game)
                continue
            self.rejected += 1
            self.alarm("refused game", f"a game was refused: {reason}")
        if not games:
            return
        path = self.store.chunk_path(self.window.games_made + 1)
        publish(path, lambda temporary: save_games(temporary, games))
        rows = self._take(games)
        self.learner.owed += rows * self.config.replay.reuse_at(self.progress)
        self._self_play.add(games, self.model)
        self._ring(self._bell.hear_games(games))
        if self._self_play.due:
            self._log.emit("selfplay", **self._self_play.report(self.window, self.evaluations,
                           self.rejected))  # fmt: skip
            self._log.emit("game", **game_event(games[-1], self.window.games_made))

    def learn(self, most_steps: int) -> int:
        """Make learner steps that are due, at most so many; return how many were made."""
        steps = min(self.due_steps, most_steps)
        for _ in range(steps):
            batch = self.window.sample(self.config.learner.batch, self._rng)
            self._learning.add(self.learner.step(batch, self.progress))
        if steps and self._learning.due:
            event = self._learning.report(self.learner, self.window)
            self._log.emit("learner", **event)
            self._ring(self._bell.hear_learner(event))
        return steps

    def publish(self) -> int:
        """Write the playing weights as the next model and save the state to go on from."""
        self.model += 1
        network = self.learner.playing_network()
        facts = self._provenance()
        self.store.publish(
            self.model, lambda path: save_checkpoint(path, network, self.config.rules, facts)
        )
        if self.config.gate.mode == "latest":
            self._follow_champion = False
        self._published_at = self.learner.steps
        self._log.emit(
            "publish", model=self.model, step=self.learner.steps, games=self.window.games_made,
            evaluations=self.evaluations,
        )  # fmt: skip
        self.save()
        loop = self.config.loop
        self.store.prune(loop.keep_last, loop.keep_every, self.candidates)
        return self.model

    def publish_last(self) -> None:
        """Publish what has been learned since the newest model, if anything has."""
        if self.learner.steps > self._published_at:
            self.publish()

    def crown_first(self) -> None:
        """Make the newest model the champion without a match: there is none yet."""
        self.store.promote(self.model, {"reason": "the first model"})

    def put_forward(self, model: int) -> None:
        """Note that a model waits for the gate's verdict: a restart asks for it again."""
        self.candidates = {model}
        self.save()

    def take_verdict(self, candidate: int, verdict: Verdict, duration_s: float) -> None:
        """Promote the candidate or not; go back to the champion's games after a clear loss."""
        self.candidates.discard(candidate)
        self._judgements.take_verdict(candidate, duration_s)
        before = self.champion
        if verdict.promoted:
            self.store.promote(candidate, asdict(verdict))
        elif verdict.lost:
            self._follow_champion = True
        self._log.emit(
            "gate", candidate=candidate, champion=before, games=verdict.games, wins=verdict.wins,
            draws=verdict.draws, losses=verdict.losses, score=verdict.score, elo=verdict.elo,
            promoted=verdict.promoted, reason=verdict.reason, duration_s=duration_s,
        )  # fmt: skip
        self.save()

    def take_ratings(self, number: int, result: RatingResult, duration_s: float) -> None:
        """Add a champion's games against the anchors and fit all ratings anew."""
        self._judgements.take_ratings(number, result.games, duration_s)
        for problem in result.problems:
            self.alarm("anchor", problem)
        if result.games:
            table = rating_table(self._judgements.rating_games, self.config.loop.anchors)
            self._log.emit(
                "rating", model=number, table=table, games=self.window.games_made,
                evaluations=self.evaluations, duration_s=duration_s,
            )  # fmt: skip
        self.save()

    def alarm(self, name: str, message: str) -> None:
        """Note that something is wrong although the run goes on."""
        self._log.emit("alarm", name=name, message=message)

    def finish(self, reason: str) -> None:
        """Say how the run ended."""
        self.finished = True
        self.save()
        self._log.emit(
            "done", reason=reason, games=self.window.games_made, step=self.learner.steps,
            champion=self.champion or None, evaluations=self.evaluations,
        )  # fmt: skip

    # --- state on disk --------------------------------------------------------------------------

    def save(self) -> None:
        """Write what a restarted run goes on from; games and models are on disk already."""
        tensors, values = self.learner.state()
        state = {
            "learner": values,
            "model": self.model,
            "starts": self.starts,
            "finished": self.finished,
            "evaluations": self.evaluations,
            "rejected": self.rejected,
            "parent": self._parent,
            "published_at": self._published_at,
            "follow_champion": self._follow_champion,
            "games_made": self.window.games_made,
            "rows_made": self.window.rows_made,
            "candidates": sorted(self.candidates),
            **self._judgements.state(),
            "rng": self._rng.bit_generator.state,
        }
        save_tensors(self.store.state_dir / _TENSORS, tensors, state)

    def _restore(self) -> None:
        """Go on from the run directory, if there is something in it."""
        config = self.config
        path = self.store.state_dir / _TENSORS
        if path.is_file():
            try:
                tensors, state = load_tensors(path)
                self.learner.restore(tensors, state["learner"])
                self._take_state(state)
                made = state["games_made"], state["rows_made"]
            except (HonteError, KeyError, RuntimeError) as error:
                raise HonteError(
                    f"{path} cannot be used ({' '.join(str(error).split())[:200]}): move it away, "
                    "and the run goes on from its newest model and its games"
                ) from None
            later_rows = self._load_window(*made)
            self.learner.owed += later_rows * config.replay.reuse_at(self.progress)
            self.finished = state.get("finished", False) and self.progress >= 1.0
        else:
            self.model = max(self.store.numbers(), default=0)  # there are some if the state is lost
            start = str(self.store.checkpoint_path(self.model)) if self.model else config.start_from
            if start:
                self._parent = self.learner.begin_with(start)
            self._load_window(0, 0)
            self.learner.owed = self._owed_at_first()
        self.starts += 1
        if self.model == 0:
            self.publish()
        else:
            self.save()  # no later start may repeat this one's game numbers and random streams
        if config.start_from and self.model == 1 and not self.champion:
            self.crown_first()  # what it began with is to be beaten

    def _take_state(self, state: dict[str, Any]) -> None:
        """Take what `save` wrote; settings that have changed since hold from here on."""
        self.model, self.starts = state["model"], state["starts"]
        self.evaluations, self.rejected = state["evaluations"], state["rejected"]
        self._parent = state.get("parent", {})
        self._published_at = state["published_at"]
        self._follow_champion = self._follow_champion or state["follow_champion"]
        self._judgements = Judgements.of_state(state, self.champion)
        self._rng.bit_generator.state = state["rng"]
        self.candidates = set(state.get("candidates", ())) & set(self.store.numbers())

    def _owed_at_first(self) -> float:
        """Samples that the games pay for which a new run begins with.

        Not more than self-play may be ahead of the learner: else it would wait for minutes.
        """
        config = self.config
        most = float(config.loop.most_due_steps * config.learner.batch)
        return min(self.window.rows * config.replay.reuse_at(0.0), most)

    def _load_window(self, games_made: int, rows_made: int) -> int:
        """Fill the window from the newest chunks; return the rows made since the saved state."""
        chunks: list[list[GameRecord]] = []
        rows = later_games = later_rows = newest = 0
        for first, path in reversed(self.store.chunks()):
            is_later = first > games_made
            needed = self.config.replay.window_rows(rows_made + later_rows)
            if rows >= needed and not is_later:
                break
            try:
                games = load_games(path)
            except DamagedChunk as error:
                path.rename(path.with_suffix(".damaged"))
                self.alarm("damaged chunk", str(error))
                continue
            made = sum(len(game.policy_plies) for game in games)
            rows += made
            if is_later:
                later_games, later_rows = later_games + len(games), later_rows + made
                self.evaluations += sum(game.evaluations for game in games)
            chunks.append(games)
            newest = max(newest, first + len(games) - 1)
        made = max(games_made + later_games, newest)  # no good chunk's number is used again
        self.window.rows_made = rows_made + later_rows - rows
        self.window.games_made = made - sum(len(games) for games in chunks)
        for games in reversed(chunks):
            self._take(games)
        return later_rows

    def _take(self, games: list[GameRecord]) -> int:
        """Add games to the window; return their rows."""
        before = self.window.rows_made
        self.window.add(games)
        for game in games:
            scores = self._scores.setdefault(game.size, deque(maxlen=_KOMI_MEMORY))
            scores.append(game.score + game.komi)
        return self.window.rows_made - before

    def _ring(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self._log.emit("alarm", **asdict(alarm))

    def _provenance(self) -> dict[str, Any]:
        return {
            **provenance(self.config),
            "parent": self._parent,
            "model": self.model,
            "games": self.window.games_made,
            "positions": self.window.rows_made,
            "evaluations": self.evaluations,
            "steps": self.learner.steps,
            "samples": self.learner.samples,
            "hours": 0.0 if self.config.loop.games else round(self._log.elapsed_s / 3600, 4),
        }
