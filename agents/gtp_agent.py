"""An external GTP engine as a player.

The engine's board follows the asked position by the difference of the move histories: moves are
played on, taken back with `undo`, or replayed from an empty board. An engine that crashes, hangs or
talks nonsense is killed, logged, restarted and asked once more; when it fails again at the same
move it forfeits the game. Whether its moves are legal is for the arena to judge.

Engines differ in what they count as alive when both pass. Where games are scored as the board
stands, ask for complete cleanup: `gnugo --mode gtp --chinese-rules --capture-all-dead`, or
`pachi ... pass_all_alive`; otherwise use a referee.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.base import Decision
from agents.gtp.clock import Remaining, TimeSystem
from agents.gtp_process import EngineFailure, EngineRefusal, GtpProcess
from go_env.coords import (
    BLACK,
    WHITE,
    action_from_vertex,
    letter_from_color,
    pass_action,
    vertex_from_action,
)
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules

_LOG = logging.getLogger(__name__)
_SETUP_TIMEOUT_S = 60.0  # loading a large network is slow
_OVERTIME_TIMEOUT_S = 5.0  # beyond the clock, until an engine counts as hanging
_ATTEMPTS = 2
_KGS_TIME = "kgs-time_settings"  # the only way to tell byo-yomi; else Canadian periods of 1 stone
_SCORE = re.compile(
    r"(?P<winner>[BW])\+(?P<points>[0-9]+(\.[0-9]+)?)|0(\.0+)?|draw|jigo", re.IGNORECASE
)

Move = tuple[int, int]


@dataclass(frozen=True)
class _Board:
    """What the engine's board holds."""

    rules: Rules
    stones: tuple[Move, ...]  # setup, as (color, action)
    moves: tuple[Move, ...]


def check_told_time(system: TimeSystem) -> None:
    """Refuse a time control that GTP cannot tell: it counts whole seconds.

    Raises: HonteError if an engine would be told that it has no time at all.
    """
    seconds = system.main_s if system.kind == "absolute" else system.period_s
    if system.kind != "none" and seconds < 1:
        raise HonteError(
            f"external engines count whole seconds (given {seconds:g}): use 1 second or more"
        )


class GtpAgent:
    """Plays the moves of an external engine.

    Args:
        command: how to start it, as on a command line.
        name: how it is called in tables; default: what it says.
        timeout_s: how long it may take for a move when no clock runs.
    """

    def __init__(self, command: str, *, name: str | None = None, timeout_s: float = 120.0) -> None:
        self.command = command
        self.failures = 0
        self._timeout_s = timeout_s
        self._transcript: Path | None = None
        self._clock: tuple[TimeSystem, dict[int, Remaining]] | None = None
        self._board: _Board | None = None
        self._told: TimeSystem | None = None
        self._commands: frozenset[str] = frozenset()
        self._engine: GtpProcess | None = None
        self._connect()
        self.name = name or f"{self._ask('name')} {self._ask('version')}".strip()

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        """Ask the engine for one move after the other."""
        return [self._choose(position) for position in positions]

    def set_clock(self, system: TimeSystem, left: dict[int, Remaining]) -> None:
        """Take note of the clocks; the engine is told before its next move."""
        self._clock = (system, dict(left))

    def prepare(self, position: Position) -> None:
        """Set up the engine's board, which may take long; what fails here fails at the move."""
        with contextlib.suppress(EngineFailure, EngineRefusal):
            self._sync(position)

    def final_score(self, position: Position) -> float:
        """Return the engine's own count: Black minus White, komi included."""
        self._sync(position)
        text = self._ask("final_score")
        match = _SCORE.fullmatch(text)
        if match is None:
            raise EngineFailure(f"{self.command}: final_score {text[:40]!r} is no score")
        if match["points"] is None:
            return 0.0
        points = float(match["points"])
        return points if match["winner"] in "Bb" else -points

    def transcript(self) -> list[str]:
        """Return the latest lines of the conversation."""
        return list(self._engine.transcript) if self._engine is not None else []

    def record_to(self, path: Path) -> None:
        """Append all further conversation to a file."""
        self._transcript = path
        if self._engine is not None:
            self._engine.log_to(path)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _choose(self, position: Position) -> Decision:
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                self._sync(position)
                return self._genmove(position)
            except EngineRefusal as error:
                return self._forfeit(position, str(error))
            except EngineFailure as error:
                self.failures += 1
                reason = str(error)
                _LOG.warning("%s at move %d; restarting it", reason, position.ply + 1)
                self.close()
        return self._forfeit(position, reason)

    def _genmove(self, position: Position) -> Decision:
        color = position.to_play
        self._tell_time(color)
        answer = self._ask(f"genmove {letter_from_color(color)}", self._move_timeout_s(color))
        if answer.lower() == "resign":
            return Decision(action=pass_action(position.size), resign=True)
        try:
            action = action_from_vertex(answer, position.size)
        except HonteError:
            return self._forfeit(position, f"{self.command}: genmove answered {answer[:40]!r}")
        assert self._board is not None
        moves = (*self._board.moves, (color, action))
        self._board = _Board(self._board.rules, self._board.stones, moves)
        return Decision(action=action)

    def _forfeit(self, position: Position, reason: str) -> Decision:
        _LOG.warning("forfeit at move %d: %s", position.ply + 1, reason)
        self._board = None
        action = pass_action(position.size)
        return Decision(action=action, resign=True, info={"forfeit": reason})

    def _move_timeout_s(self, color: int) -> float:
        if self._clock is None:
            return self._timeout_s
        system, left = self._clock
        periods = left[color].stones if system.kind == "byoyomi" else 1
        return left[color].main_s + left[color].period_s * max(periods, 1) + _OVERTIME_TIMEOUT_S

    # -- following a position -------------------------------------------------------------------

    def _sync(self, position: Position) -> None:
        """Bring the engine's board to a position, cheaply where it can be."""
        if self._engine is None or not self._engine.alive:
            self._connect()
        stones = _setup_stones(position)
        if not self._take_back(position.rules, stones, position.moves):
            self._reset(position.rules, stones)
        assert self._board is not None
        for color, action in position.moves[len(self._board.moves) :]:
            self._play(color, action, position.size)
        self._board = _Board(position.rules, stones, position.moves)

    def _take_back(self, rules: Rules, stones: tuple[Move, ...], moves: tuple[Move, ...]) -> bool:
        """Undo what is not in `moves`; False if it is cheaper or safer to start anew."""
        if self._board is None or (self._board.rules, self._board.stones) != (rules, stones):
            return False
        known = self._board.moves
        common = 0
        while common < min(len(known), len(moves)) and known[common] == moves[common]:
            common += 1
        surplus = len(known) - common
        if surplus > common or (surplus and "undo" not in self._commands):
            return False
        try:
            for _ in range(surplus):
                self._ask("undo")
        except EngineRefusal:
            return False
        self._board = _Board(rules, stones, known[:common])
        return True

    def _reset(self, rules: Rules, stones: tuple[Move, ...]) -> None:
        self._board = None
        self._ask(f"boardsize {rules.size}")
        self._ask("clear_board")
        self._set_rules(rules)
        self._ask(f"komi {rules.komi:g}")
        for color, action in stones:
            self._play(color, action, rules.size)
        self._told = None
        self._board = _Board(rules, stones, ())

    def _set_rules(self, rules: Rules) -> None:
        """Set the rules where the engine can; most take them on their command line only."""
        if "kata-set-rules" in self._commands:
            ko = rules.ko.upper()
            text = {"ko": ko, "scoring": "AREA", "tax": "NONE", "suicide": rules.suicide}
            text |= {"hasButton": False, "whiteHandicapBonus": "0", "friendlyPassOk": False}
            self._ask(f"kata-set-rules {json.dumps(text)}")
        elif "kgs-rules" in self._commands:
            self._ask("kgs-rules chinese")

    def _play(self, color: int, action: int, size: int) -> None:
        self._ask(f"play {letter_from_color(color)} {vertex_from_action(action, size)}")

    def _tell_time(self, color: int) -> None:
        if self._clock is None:
            return
        system, left = self._clock
        if system != self._told:
            self._ask_if_known(_time_settings(system, self._commands))
            self._told = system
        for player in (BLACK + WHITE - color, color):
            seconds, stones = left[player].main_s, 0
            if seconds <= 0 and left[player].period_s > 0:
                seconds, stones = left[player].period_s, left[player].stones
                if system.kind == "byoyomi" and _KGS_TIME not in self._commands:
                    stones = 1  # each period is for one move, as such engines were told
            self._ask_if_known(f"time_left {letter_from_color(player)} {int(seconds)} {stones}")

    # -- the conversation -----------------------------------------------------------------------

    def _connect(self) -> None:
        self.close()
        self._board = None
        self._engine = GtpProcess(self.command)
        if self._transcript is not None:
            self._engine.log_to(self._transcript)
        try:
            self._commands = frozenset(self._ask("list_commands").split())
        except EngineRefusal:
            self._commands = frozenset()

    def _ask(self, command: str, timeout_s: float = _SETUP_TIMEOUT_S) -> str:
        assert self._engine is not None
        return self._engine.send(command, timeout_s)

    def _ask_if_known(self, command: str) -> None:
        if command.split()[0] in self._commands:
            self._ask(command)


def _time_settings(system: TimeSystem, commands: frozenset[str]) -> str:
    main_s, period_s = int(system.main_s), int(system.period_s)
    if system.kind != "byoyomi":
        return f"time_settings {main_s} {period_s} {system.stones}"
    if _KGS_TIME in commands:
        return f"{_KGS_TIME} byoyomi {main_s} {period_s} {system.stones}"
    return f"time_settings {main_s} {period_s} 1"


def _setup_stones(position: Position) -> tuple[Move, ...]:
    stones = position.root().board.ravel()
    return tuple((int(stones[action]), int(action)) for action in np.flatnonzero(stones))
