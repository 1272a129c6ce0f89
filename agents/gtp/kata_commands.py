"""KataGo's commands beside analysis: the raw evaluation and parameters.

Source: KataGo docs/GTP_Extensions.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.gtp.arguments import (
    parse_boolean,
    parse_color,
    parse_integer,
    parse_number,
    text_argument,
)
from agents.gtp.game import facing
from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError, Handler
from agents.gtp.state import State
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE
from go_env.position import Position
from go_env.symmetry import NUM_SYMMETRIES, action_tables

#: Parameters by KataGo's name: our option, and how its text is read.
_PARAMETERS: dict[str, tuple[str, Callable[[str], float | int | bool]]] = {
    "maxVisits": ("simulations", parse_integer),
    "maxPlayouts": ("simulations", parse_integer),
    "maxTime": ("move_time_s", parse_number),
    "resignThreshold": ("resign_below", parse_number),
    "resignConsecTurns": ("resign_turns", parse_integer),
    "allowResignation": ("never_resign", lambda text: not parse_boolean(text)),
    "friendlyPassOk": ("friendly_pass", parse_boolean),
    "ponderingEnabled": ("ponder", parse_boolean),
}
_NO_LIMIT = "1e+20"  # of time, as KataGo says it
#: Parameters of KataGo that clients set and that have one possible value here.
_FIXED = {"analysisWideRootNoise": 0.0, "playoutDoublingAdvantage": 0.0}


class KataCommands:
    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> dict[str, Handler]:
        return {
            "kata-raw-nn": self._raw_nn,
            "kata-get-param": self._get_param,
            "kata-set-param": self._set_param,
            "kata-list-params": lambda _: " ".join((*_PARAMETERS, *_FIXED)),
        }

    def _get_param(self, call: Call) -> str:
        name = text_argument(call, 0)
        if name in _FIXED:
            return str(_FIXED[name])
        if name not in _PARAMETERS:
            raise GtpError(f"unknown parameter: {name[:40]}")
        value = getattr(self._state.options, _PARAMETERS[name][0])
        if name == "allowResignation":
            value = not value
        if isinstance(value, bool):
            return str(value).lower()
        if value is None and name == "maxTime":
            return _NO_LIMIT
        if value is None:
            self._state.seat.take(self._state.game.size)
            value = self._state.seat.simulations or 1
        return str(value)

    def _set_param(self, call: Call) -> str:
        name, text = text_argument(call, 0), text_argument(call, 1)
        if name in _FIXED:
            if parse_number(text) != _FIXED[name]:
                raise GtpError(f"{name} can only be {_FIXED[name]} here")
            return ""
        if name not in _PARAMETERS:
            raise GtpError(f"unknown parameter: {name[:40]}")
        option, parse = _PARAMETERS[name]
        value: Any = parse(text)
        if option in ("simulations", "move_time_s", "resign_turns") and value <= 0:
            raise GtpError(SYNTAX_ERROR)
        if name == "maxTime" and value >= float(_NO_LIMIT):
            value = None
        changes: dict[str, Any] = {option: value}
        self._state.options = replace(self._state.options, **changes)
        self._state.resignation.options = self._state.options
        return ""

    def _raw_nn(self, call: Call) -> str:
        position = self._state.position
        first = text_argument(call, 0)
        if first.lower() in ("b", "w", "black", "white"):
            position = facing(position, parse_color(first))
            first = text_argument(call, 1)
        if first.lower() == "all":
            symmetries = list(range(NUM_SYMMETRIES))
        else:
            symmetries = [parse_integer(first)]
            if not 0 <= symmetries[0] < NUM_SYMMETRIES:
                raise GtpError(SYNTAX_ERROR)
        return "\n".join(self._raw_text(position, symmetry) for symmetry in symmetries)

    def _raw_text(self, position: Position, symmetry: int) -> str:
        """Evaluate one image of the position and report it in the original's coordinates."""
        evaluator = self._state.evaluator
        if evaluator is None:
            raise GtpError("this player has no evaluator")
        image = transformed(position, symmetry)
        answer = evaluator.evaluate(PositionBatch.of([image], evaluator.history))
        table, size = action_tables(position.size)[symmetry], position.size
        sign = 1.0 if position.to_play == WHITE else -1.0
        win = (1 + sign * float(answer.value[0])) / 2
        lead = 0.0 if answer.score is None else sign * float(answer.score[0])
        legal = position.legal()
        policy = np.where(legal, answer.policy[0][table], 0.0)
        policy = np.where(legal, policy / max(float(policy.sum()), 1e-30), math.nan)
        lines = [
            f"symmetry {symmetry}",
            f"whiteWin {win:.6f}",
            f"whiteLoss {1 - win:.6f}",
            "noResult 0.000000",
            f"whiteLead {lead:.3f}",
            f"whiteScoreSelfplay {lead:.3f}",
            f"whiteScoreSelfplaySq {lead * lead:.3f}",
            "varTimeLeft -1.000",
            "shorttermWinlossError -1.000",
            "shorttermScoreError -1.000",
            "policy",
            *rows_of(policy[:-1], size),
            f"policyPass {policy[-1]:.6f}",
        ]
        if answer.ownership is not None:
            owner = sign * answer.ownership[0][table[:-1]]
            lines += ["whiteOwnership", *rows_of(owner, size)]
        return "\n".join(lines)


def rows_of(values: NDArray[np.floating], size: int) -> list[str]:
    """Return one line of text for each row of a map of points."""
    return [
        " ".join("NAN" if math.isnan(v) else f"{v:.6f}" for v in row)
        for row in values.reshape(size, size)
    ]


def transformed(position: Position, symmetry: int) -> Position:
    """Return the image of a game under a symmetry of the board."""
    if symmetry == 0:
        return position
    table = action_tables(position.size)[symmetry]
    root = position.root()
    stones = root.board.ravel()
    image = Position.setup(
        position.rules,
        [int(table[point]) for point in np.flatnonzero(stones == BLACK)],
        [int(table[point]) for point in np.flatnonzero(stones == WHITE)],
        root.to_play,
    )
    for color, action in position.moves:
        image = image.play(int(table[action]), color)
    return facing(image, position.to_play)
