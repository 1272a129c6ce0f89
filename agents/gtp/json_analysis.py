"""KataGo's JSON analysis protocol: queries in, one a line, answers out as they are ready.

Everything happens in one thread: between two slices of search it looks at new queries, so that
`terminate` and priorities work while a position is being searched.

Source: KataGo docs/Analysis_Engine.md.
"""

from __future__ import annotations

import heapq
import json
import math
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.gtp.json_query import Perspective, Query, QueryError, parse_query
from agents.gtp.json_reply import format_reply
from agents.gtp.lines import Line, LineReader
from agents.gtp.protocol import Output, OutputClosed
from agents.gtp.searcher import PlayerFactory, Searcher, Seat, make_searcher
from agents.gtp.thinking import Thinker
from agents.mcts_agent import MctsAgent
from go_env.errors import HonteError

#: The release of KataGo whose protocol this is; clients compare it.
PROTOCOL_OF = "1.16.0"
_SLICE_S = 0.05
_ACTIONS = ("query_version", "query_models", "clear_cache", "terminate", "terminate_all")


@dataclass(frozen=True)
class AnalysisOptions:
    visits: int = 500  # of a query that does not say
    perspective: Perspective = "BLACK"  # as in KataGo's example configuration
    seed: int = 0


@dataclass(frozen=True, order=True)
class _Task:
    """One turn of a query that waits for its answer."""

    rank: tuple[int, int]  # (-priority, order of arrival)
    query: Query = field(compare=False)
    index: int = field(compare=False)

    @property
    def turn(self) -> int:
        return self.query.turns[self.index]


class AnalysisEngine:
    """Answers queries until the input ends and all work is done."""

    def __init__(
        self,
        make_player: PlayerFactory,
        reader: LineReader,
        output: Output,
        options: AnalysisOptions,
    ) -> None:
        self._options = options
        self._reader = reader
        self._output = output
        self._seat = Seat(make_player, options.seed)
        self._thinker = Thinker()
        self._waiting: list[_Task] = []
        self._current: _Task | None = None
        self._terminated = False  # the current one is to end at once
        self._count = 0

    def serve(self) -> None:
        try:
            while self._waiting or not self._reader.ended:
                self._read_lines(wait=not self._waiting)
                if self._waiting:
                    self._analyze(heapq.heappop(self._waiting))
        except OutputClosed:
            return
        finally:
            self._seat.close()

    def _read_lines(self, wait: bool) -> None:
        """Handle all the lines that are there; with `wait`, at least one (or the end)."""
        line = self._reader.next(None if wait else 0.0)
        while line is not None:
            self._handle(line)
            line = self._reader.next(0.0)

    def _send(self, reply: Mapping[str, Any]) -> None:
        self._output.write(json.dumps(reply, separators=(",", ":")) + "\n")

    def _handle(self, line: Line) -> None:
        text = line.text.strip()
        if not text:
            return
        try:
            if line.overlong:
                raise ValueError("line too long")
            data = json.loads(text, parse_constant=_finite, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            problem = f"{error} - could not parse input line as json request: {text[:200]}"
            return self._send({"error": problem})
        if not isinstance(data, dict):
            problem = f"Request line was valid json but was not an object, ignoring: {text[:200]}"
            return self._send({"error": problem})
        if not isinstance(data.get("id"), str):
            return self._send({"error": 'Request must have a string "id" field'})
        try:
            if "action" in data:
                self._act(data)
            else:
                self._enqueue(data)
        except QueryError as error:
            self._send({"error": str(error), "field": error.field, "id": data["id"]})
        except HonteError as error:
            self._send({"error": str(error), "id": data["id"]})

    def _enqueue(self, data: Mapping[str, Any]) -> None:
        query = parse_query(data)
        for field_name, text in query.warnings:
            self._send({"warning": text, "field": field_name, "id": query.id})
        for index, priority in enumerate(query.priorities):
            heapq.heappush(self._waiting, _Task((-priority, self._count), query, index))
            self._count += 1

    def _act(self, data: dict[str, Any]) -> None:
        action = data["action"]
        if action == "query_version":
            data |= {"version": PROTOCOL_OF, "git_hash": "<omitted>"}
        elif action == "query_models":
            name = self._seat.player_name or "honte"
            model = {"name": name, "internalName": name, "maxBatchSize": 1}
            data["models"] = [model | {"usesHumanSLProfile": False, "version": 1}]
        elif action == "clear_cache":
            if self._current is None:
                self._seat.forget()
        elif action in ("terminate", "terminate_all"):
            self._terminate(data)
        else:
            names = " or ".join(f"'{name}'" for name in _ACTIONS)
            return self._send({"error": f"'action' field must be {names}"})
        self._send(data)

    def _terminate(self, data: Mapping[str, Any]) -> None:
        target, turns = data.get("terminateId"), data.get("turnNumbers")
        if data["action"] == "terminate" and not isinstance(target, str):
            problem = 'Requests for a terminate action must have a string "terminateId" field'
            raise QueryError("terminateId", problem)
        if turns is not None and (
            not isinstance(turns, list) or any(type(turn) is not int for turn in turns)
        ):
            problem = "If provided, must be an array of integers indicating turns to terminate"
            raise QueryError("turnNumbers", problem)

        def concerns(task: _Task) -> bool:
            named = data["action"] == "terminate_all" or task.query.id == target
            return named and (turns is None or task.turn in turns)

        if self._current is not None and concerns(self._current):
            self._terminated = True
        dropped = sorted(task for task in self._waiting if concerns(task))
        self._waiting = [task for task in self._waiting if not concerns(task)]
        heapq.heapify(self._waiting)
        for task in dropped:
            self._send_nothing(task)

    def _analyze(self, task: _Task) -> None:
        """Search one position and answer; an error answers too, since somebody waits for it."""
        self._current, self._terminated = task, False
        try:
            self._search(task)
        except OutputClosed:
            raise
        except HonteError as error:
            self._send({"error": str(error), "id": task.query.id, "turnNumber": task.turn})
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            problem = f"internal error: {type(error).__name__}"
            self._send({"error": problem, "id": task.query.id, "turnNumber": task.turn})
        finally:
            self._current = None

    def _search(self, task: _Task) -> None:
        query, position = task.query, task.query.positions[task.index]
        searcher = self._searcher(task)
        searcher.set_position(position)
        started = time.monotonic()
        end = math.inf if query.max_time_s is None else started + query.max_time_s
        report_s = math.inf if query.report_every_s is None else query.report_every_s
        first_s = query.first_report_s
        report_at = started + (report_s if first_s is None else first_s)
        limit = query.max_visits or self._options.visits
        if not isinstance(self._seat.agent, MctsAgent):
            limit = 1
        while not self._terminated and searcher.root_visits < limit:
            slice_s = min(_SLICE_S, report_s)
            count = min(self._thinker.slice_count(searcher, slice_s), limit - searcher.root_visits)
            self._thinker.run(searcher, count)
            now = time.monotonic()
            if now >= end:
                break
            if now >= report_at and searcher.root_visits < limit:
                self._reply(task, searcher, during_search=True)
                report_at = now + report_s
            self._read_lines(wait=False)
        if searcher.root_visits:
            self._reply(task, searcher, during_search=False)
        else:
            self._send_nothing(task)

    def _searcher(self, task: _Task) -> Searcher:
        """Return a fresh search, so that an answer does not depend on earlier queries."""
        position = task.query.positions[task.index]
        self._seat.take(position.size)
        assert self._seat.agent is not None
        return make_searcher(self._seat.agent, task.query.bans, position.ply)

    def _reply(self, task: _Task, searcher: Searcher, during_search: bool) -> None:
        self._send(
            format_reply(
                task.query,
                task.index,
                searcher.analysis(),
                self._seat.evaluator,
                during_search,
                self._options.perspective,
            )
        )

    def _send_nothing(self, task: _Task) -> None:
        self._send(
            {
                "id": task.query.id,
                "isDuringSearch": False,
                "noResults": True,
                "turnNumber": task.turn,
            }
        )


def _finite(text: str) -> float:
    """Read a number; neither `NaN` nor 1e999 could be sent back."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON number")
    return number
