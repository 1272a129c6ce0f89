"""Analysis commands: streams of `info` lines that stop when the client writes its next line.

Source: Leela Zero (`lz-*`), KataGo docs/GTP_Extensions.md (`kata-*`), CGOS (`cgos-*`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.gtp.analysis_format import Layout, cgos_json, format_line, without_moves
from agents.gtp.arguments import (
    parse_boolean,
    parse_color,
    parse_integer,
    parse_number,
    parse_vertex,
)
from agents.gtp.game import facing
from agents.gtp.judge import estimate_ownership, is_informative
from agents.gtp.play_commands import PlayCommands
from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError, Handler
from agents.gtp.restriction import Ban, root_allowed
from agents.gtp.searcher import Searcher
from agents.gtp.state import State
from agents.mcts_agent import Analysis
from go_env.coords import BLACK
from go_env.position import Position

_DEFAULT_INTERVAL_S = 1.0
_MIN_INTERVAL_S = 0.01
_SLICE_S = 0.05
_PATIENCE_S = 0.25  # between looks at the input when there is nothing left to search
#: Options that are on or off: their place in the layout, and whether `lz-*` does without them.
_SWITCHES = {
    "ownership": ("ownership", True),
    "rootInfo": ("root_info", True),
    "pvVisits": ("pv_visits", False),
    "pvEdgeVisits": ("pv_edge_visits", False),
}
#: Options that are understood and have no effect here.
_IGNORED = ("movesOwnership", "movesOwnershipStdev", "ownershipStdev", "noResultValue")


@dataclass(frozen=True)
class Request:
    color: int
    interval_s: float | None
    layout: Layout
    bans: tuple[Ban, ...] = ()


def parse_request(words: Sequence[str], size: int, to_play: int, kata: bool) -> Request:
    """Read `[color] [interval] key value ..`; the interval is in centiseconds."""
    rest = list(words)
    color, interval_s = to_play, None
    layout, bans = Layout(size, kata=kata), []
    if rest and rest[0].lower() in ("b", "w", "black", "white"):
        color = parse_color(rest.pop(0))
    if rest and rest[0][0] in "0123456789.":
        interval_s = parse_number(rest.pop(0)) / 100
    while rest:
        key, value = rest.pop(0), _take(rest)
        if key == "interval":
            interval_s = parse_number(value) / 100
        elif key == "minmoves":
            layout = replace(layout, min_moves=parse_integer(value))
        elif key == "maxmoves":
            layout = replace(layout, max_moves=max(0, parse_integer(value)))
        elif key in _SWITCHES:
            name, kata_only = _SWITCHES[key]
            layout = replace(layout, **{name: parse_boolean(value) and (kata or not kata_only)})
        elif key in ("avoid", "allow"):
            bans.append(_parse_ban(key, value, _take(rest), _take(rest), size))
        elif key not in _IGNORED:
            raise GtpError(SYNTAX_ERROR)
    return Request(color, interval_s, layout, tuple(bans))


def _take(rest: list[str]) -> str:
    if not rest:
        raise GtpError(SYNTAX_ERROR)
    return rest.pop(0)


def _parse_ban(kind: str, color: str, vertices: str, depth: str, size: int) -> Ban:
    actions = np.zeros(size * size + 1, np.bool_)
    for vertex in vertices.split(","):
        actions[parse_vertex(vertex, size)] = True
    return Ban(parse_color(color), actions if kind == "avoid" else ~actions, parse_integer(depth))


class AnalysisCommands:
    def __init__(self, state: State, play: PlayCommands) -> None:
        self._state = state
        self._play = play

    def handlers(self) -> dict[str, Handler]:
        return {
            "lz-analyze": lambda call: self._analyze(call, kata=False),
            "kata-analyze": lambda call: self._analyze(call, kata=True),
            "lz-genmove_analyze": lambda call: self._genmove(call, kata=False),
            "kata-genmove_analyze": lambda call: self._genmove(call, kata=True),
            "cgos-genmove_analyze": self._cgos_genmove,
            "stop": self._stop,
        }

    def _stop(self, call: Call) -> str:
        """End pondering; an analysis has ended by any command."""
        self._state.ponder_on = None
        return ""

    def _request(self, call: Call, kata: bool) -> Request:
        position = self._state.position
        return parse_request(call.arguments, position.size, position.to_play, kata)

    def _analyze(self, call: Call, kata: bool) -> str:
        request = self._request(call, kata)
        position = facing(self._state.position, request.color)
        searcher = self._state.seat.search(position, request.bans)
        interval_s = max(_MIN_INTERVAL_S, request.interval_s or _DEFAULT_INTERVAL_S)
        call.stream("")
        due = time.monotonic() + interval_s
        while not call.input_waiting:
            left_s = due - time.monotonic()
            if searcher.root_visits < self._visit_limit():
                count = self._state.thinker.slice_count(searcher, max(0.001, min(_SLICE_S, left_s)))
                self._state.thinker.run(searcher, count)
            else:
                call.wait_for_input(min(max(0.0, left_s), _PATIENCE_S))
            if time.monotonic() >= due:
                call.stream(self._line(searcher, position, request))
                due = max(due + interval_s, time.monotonic())
        return ""

    def _genmove(self, call: Call, kata: bool) -> str:
        """Think like `genmove`; report on the way and, in any case, at the end."""
        request = self._request(call, kata)
        position = facing(self._state.position, request.color)
        self._state.seat.take(position.size)  # what fails, fails before the response begins
        call.stream("")
        last = time.monotonic()

        def report(searcher: Searcher) -> None:
            nonlocal last
            wait_s = request.interval_s
            if wait_s is not None and time.monotonic() - last >= max(wait_s, _MIN_INTERVAL_S):
                call.stream(self._line(searcher, position, request))
                last = time.monotonic()

        def finish(searcher: Searcher) -> None:
            call.stream(self._line(searcher, position, request))

        return "play " + self._play.generate(call, request.color, report, finish, request.bans)

    def _cgos_genmove(self, call: Call) -> str:
        request = self._request(call, kata=True)
        position = facing(self._state.position, request.color)

        def finish(searcher: Searcher) -> None:
            analysis = self._analysis(searcher, position, request)
            call.stream(cgos_json(analysis, request.layout, self._ownership(analysis, position)))

        return "play " + self._play.generate(call, request.color, finish=finish, bans=request.bans)

    def _visit_limit(self) -> int:
        return self._state.options.analysis_visits if self._state.seat.evaluator else 1

    def _analysis(self, searcher: Searcher, position: Position, request: Request) -> Analysis:
        analysis = searcher.analysis()
        if not request.bans:
            return analysis
        allowed = root_allowed(request.bans, position.to_play, position.size**2 + 1)
        return without_moves(analysis, allowed)

    def _line(self, searcher: Searcher, position: Position, request: Request) -> str:
        analysis = self._analysis(searcher, position, request)
        wanted = request.layout.ownership
        ownership = self._ownership(analysis, position) if wanted else None
        return format_line(analysis, request.layout, ownership)

    def _ownership(self, analysis: Analysis, position: Position) -> NDArray[np.float32]:
        """Return [N*N], +1 for points of the player to move."""
        if is_informative(analysis.ownership):
            return analysis.ownership
        sign = 1 if position.to_play == BLACK else -1
        return sign * estimate_ownership(position, self._state.evaluator)
