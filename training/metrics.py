"""The event log of a run: what the runners tell, and where it is kept.

An event is a flat JSON object with a `kind`. `MetricsLog.emit` stamps it, appends it to
`metrics.jsonl` (the truth) and hands it to sinks: TensorBoard here, `training.progress` on the
terminal. `training.report` reads the file back. `FIELDS` is the whole vocabulary.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Protocol

Event = Mapping[str, Any]

# Kind -> field -> meaning. Totals count from the start of the run, over all its restarts; rates are
# those since the event before. Fields may be left out, but others may not be used. In every event:
# `kind`, `time_s` (Unix time) and `elapsed_s` (seconds of training so far, restarts added up).
FIELDS: dict[str, dict[str, str]] = {
    # The run begins or goes on.
    "config": {
        "name": "preset or file that the run was started with",
        "config_hash": "changes when any value of the configuration does",
        "size": "side of the board",
        "komi": "points that White is given",
        "network": 'shape of the network, such as "6x64"',
        "parameters": "number of weights",
        "simulations": "per move of self-play",
        "search": 'rule at the root, "puct" or "gumbel"',
        "runner": '"local" or "ray"',
        "workers": "processes that play",
        "seed": "of the run",
        "resumed": "whether files of an earlier start were found",
        "budget_s": "seconds that the run may last in all, null if it has no limit",
        "git_commit": "of the source tree",
        "versions": "package -> version",
        "changed": "keys that differ from the configuration of the earlier start",
    },
    # Games were admitted to the window.
    "selfplay": {
        "games": "total",
        "positions": "total",
        "evaluations": "total of positions that the network evaluated",
        "games_per_s": "",
        "positions_per_s": "",
        "evals_per_s": "",
        "window": "positions in the replay window",
        "window_games": "games in the replay window",
        "model": "number of the model that played",
        "mean_length": "moves a game",
        "black_wins": "fraction of games",
        "draws": "fraction of games",
        "entropy": "of the policy targets, mean, in nats",
        "mean_score": "Black minus White minus komi, in points",
        "surprise": "KL divergence of policy target from prior, mean, in nats",
        "rejected": "total of games that were refused, in all",
        "verdicts": "control games among them: decided early, played in full",
        "wrong_verdicts": "fraction of them that ended otherwise",
        "policy_lag": "models published since the one that played, mean",
    },
    # Learner steps were made. Losses are means since the event before.
    "learner": {
        "step": "total",
        "samples": "total",
        "samples_per_s": "",
        "loss": "the weighted sum that is minimized",
        "policy_loss": "cross-entropy, nats",
        "value_loss": "",
        "ownership_loss": "",
        "score_loss": "",
        "policy_entropy": "of the network, mean, in nats",
        "fresh_value_loss": "on the newest games, before they were trained on",
        "learning_rate": "",
        "grad_norm": "before clipping",
        "weight_norm": "",
        "skipped": "total of steps left out because they were not finite",
        "epsilon": "baselines: share of random moves in play",
        "mean_q": "Q-learning: mean over positions of the best move's value",
        "pool": "policy gradients: earlier policies to play against",
        "calibration": "list of [predicted value, mean outcome, positions], one a bin, to move",
    },
    # A checkpoint was published.
    "publish": {
        "model": "its number",
        "step": "",
        "games": "of self-play that it learned from, total",
        "evaluations": "of self-play, total",
        "champion": "promoted ungated?",
    },
    # The gate judged a candidate.
    "gate": {
        "candidate": "number of the model",
        "champion": "number of the model that it had to beat",
        "games": "",
        "wins": "of the candidate",
        "draws": "",
        "losses": "",
        "score": "of the candidate, in [0, 1]",
        "elo": "of the candidate over the champion",
        "promoted": "true or false",
        "reason": "one sentence with the test's numbers",
        "duration_s": "",
    },
    # A champion was rated against anchors; the whole table each time.
    "rating": {
        "model": "number of the champion",
        # The last anchor has 0 Elo; intervals (95 %) are relative to the mean of all players.
        "table": 'list of {player, elo, low, high, games}: "model 12", ..',
        "games": "of self-play by the end of the rating, total: more than it learned from",
        "evaluations": "the same",
        "duration_s": "",
    },
    # A baseline played against a fixed opponent, colors swapped.
    "evaluation": {
        "model": "number of the model",
        "opponent": "player SPEC",
        "games": "",
        "step": "",
        "wins": "",
        "draws": "",
        "losses": "",
        "score": "in [0, 1], draws are one half",
        "score_black": "of the games with Black; null: there were none",
        "score_white": "of the games with White; null: there were none",
        "cpu_s": "processor time of the trainer's process since it started",
        "duration_s": "",
    },
    # A table was compared with the solver.
    "exact": {
        "model": "number of the model",
        "games": "",
        "root_error": "absolute error of the empty board's value",
        "value_error": "mean absolute error where one side plays its best moves, the other any",
        "known": "fraction of moves whose value is not 0",
    },
    # Something looks wrong; the run goes on.
    "alarm": {"name": "short identifier", "message": "one sentence", "value": "", "limit": ""},
    # Something that a user may want to know; all is well.
    "notice": {"message": "one sentence"},
    # One finished game, as a sample.
    "game": {
        "number": "of the game",
        "size": "",
        "komi": "",
        "moves": "list of actions, Black first, alternating",
        "result": 'SGF style: "B+3", "W+R", "0"',
        "model": "number of the model that played",
        "black": "who, if not self-play",
        "white": "",
    },
    # The run ends in good order.
    "done": {"reason": "", "games": "", "step": "", "champion": "", "evaluations": ""},
}

_STAMPS = frozenset({"kind", "time_s", "elapsed_s"})
_TELL_GAMES = frozenset({"selfplay", "publish", "rating"})  # kinds with the run's games so far


class Sink(Protocol):
    """Whatever takes events as they happen."""

    def update(self, event: Event) -> None: ...

    def close(self) -> None: ...


class MetricsLog:
    """Appends events to a file, one JSON object a line, and passes them on to sinks.

    `clock` (seconds) is what a run's budget is counted by: the time of day, or the processor time
    of this process, which does not depend on what else the machine does.
    """

    def __init__(
        self,
        path: Path,
        sinks: Iterable[Sink] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sinks = list(sinks)
        _cut_torn_line(path)
        self._earlier_s = last_elapsed_s(path)
        self._clock = clock
        self._start_s = clock()
        self._file: IO[str] = path.open("a", encoding="utf-8")

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, those of earlier starts included."""
        return self._earlier_s + self._clock() - self._start_s

    def emit(self, kind: str, **values: Any) -> None:
        """Record one event; `kind` and the names of `values` are those of `FIELDS`."""
        unknown = values.keys() - FIELDS[kind].keys()
        if unknown:
            raise TypeError(f"event '{kind}' has no field {', '.join(sorted(unknown))}")
        stamps = {"time_s": round(time.time(), 3), "elapsed_s": round(self.elapsed_s, 3)}
        event: dict[str, Any] = {"kind": kind, **stamps, **_json_value(values)}
        self._file.write(json.dumps(event, allow_nan=False) + "\n")
        self._file.flush()
        for sink in self._sinks:
            sink.update(event)

    def close(self) -> None:
        """Close the file and every sink, whichever of them fails."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
            stack.callback(self._file.close)


class TensorBoard:
    """Sink that shows all numbers in TensorBoard: games on the axis, steps for the learner's.

    games: how many the run has made before.
    """

    def __init__(self, folder: Path, games: int = 0) -> None:
        from tensorboard.summary import Writer  # slow to import, and only trainers need it

        self._writer = Writer(str(folder))
        self._games = games

    def update(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "config":
            return
        if kind in _TELL_GAMES:
            self._games = event.get("games", self._games)
        step = event.get("step", 0) if kind == "learner" else self._games
        for tag, value in _scalars(event):
            self._writer.add_scalar(f"{kind}/{tag}", value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def read_events(path: Path) -> list[dict[str, Any]]:
    """All whole events of a log; a line that a kill has torn is left out."""
    events = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict) and event.keys() >= _STAMPS:
                events.append(event)
    return events


def games_so_far(path: Path) -> int:
    """Games of self-play that a log tells of; 0 if there is none."""
    events = read_events(path) if path.is_file() else []
    told = [event["games"] for event in events if event["kind"] in _TELL_GAMES and "games" in event]
    return int(told[-1]) if told else 0


def last_elapsed_s(path: Path) -> float:
    """Seconds of training that a log tells of; 0 if there is none."""
    events = read_events(path) if path.is_file() else []
    return float(events[-1]["elapsed_s"]) if events else 0.0


def _cut_torn_line(path: Path) -> None:
    """Drop what follows the last line end, so that the next event starts a line of its own."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)
            os.fsync(file.fileno())


def _scalars(event: Event) -> Iterator[tuple[str, float]]:
    for key, value in event.items():
        if key not in _STAMPS and isinstance(value, int | float):
            yield key, float(value)
    if event["kind"] == "rating":
        for row in event.get("table", []):
            yield f"elo_{row['player']}", float(row["elo"])


def _json_value(value: Any) -> Any:
    """Plain JSON of numpy values too; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
