"""Commands that play moves on the board and look at it."""

from __future__ import annotations

import numpy as np

from agents.gtp.arguments import color_argument, integer_argument, parse_vertex, text_argument
from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError, Handler
from agents.gtp.state import State
from go_env.coords import BLACK, WHITE, vertex_from_action
from go_env.diagram import render
from go_env.errors import HonteError, IllegalMove

_COLOR_NAMES = {BLACK: "black", WHITE: "white"}


class BoardCommands:
    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> dict[str, Handler]:
        return {
            "play": self._play,
            "gogui-play_sequence": self._play_sequence,
            "undo": self._undo,
            "gg-undo": self._undo,
            "showboard": self._showboard,
            "list_stones": self._list_stones,
            "captures": self._captures,
            "is_legal": self._is_legal,
            "all_legal": self._all_legal,
            "move_history": self._move_history,
            "last_move": self._last_move,
            "color": self._color,
        }

    def _play(self, call: Call) -> str:
        color, vertex = color_argument(call, 0), text_argument(call, 1)
        if vertex.lower() == "resign":  # some clients pass it on; it changes nothing
            return ""
        self._play_all([(color, parse_vertex(vertex, self._state.game.size))])
        return ""

    def _play_sequence(self, call: Call) -> str:
        size = self._state.game.size
        if len(call.arguments) % 2:
            raise GtpError(SYNTAX_ERROR)
        self._play_all(
            [
                (color_argument(call, i), parse_vertex(call.arguments[i + 1], size))
                for i in range(0, len(call.arguments), 2)
            ]
        )
        return ""

    def _play_all(self, moves: list[tuple[int, int]]) -> None:
        game = self._state.game
        try:
            for color, action in moves:
                game = game.play(color, action)
        except IllegalMove:
            raise GtpError("illegal move") from None
        self._state.game = game

    def _undo(self, call: Call) -> str:
        count = integer_argument(call, 0) if call.name == "gg-undo" and call.arguments else 1
        if count < 0:
            raise GtpError(SYNTAX_ERROR)
        try:
            self._state.game = self._state.game.undo(count)
        except HonteError:
            raise GtpError("cannot undo") from None
        return ""

    def _showboard(self, call: Call) -> str:
        position = self._state.position
        by_black, by_white = position.captures
        return (
            f"\n{render(position)}\n"
            f"Black (X) has captured {by_black}, White (O) has captured {by_white} stones; "
            f"{_COLOR_NAMES[position.to_play]} to play, komi {self._state.game.komi:g}"
        )

    def _list_stones(self, call: Call) -> str:
        color = color_argument(call, 0)
        return self._vertices(np.flatnonzero(self._state.position.board.ravel() == color))

    def _captures(self, call: Call) -> str:
        return str(self._state.position.captures[0 if color_argument(call, 0) == BLACK else 1])

    def _is_legal(self, call: Call) -> str:
        color = color_argument(call, 0)
        try:
            action = parse_vertex(text_argument(call, 1), self._state.game.size)
        except GtpError as error:
            if str(error) == SYNTAX_ERROR:
                raise
            return "0"  # a vertex off the board
        return "1" if self._state.position.is_legal(action, color) else "0"

    def _all_legal(self, call: Call) -> str:
        color, position = color_argument(call, 0), self._state.position
        points = range(position.size**2)
        return self._vertices([a for a in points if position.is_legal(a, color)])

    def _move_history(self, call: Call) -> str:
        """List moves, the last one first (as GNU Go does)."""
        size = self._state.game.size
        return "\n".join(
            f"{_COLOR_NAMES[color]} {vertex_from_action(action, size)}"
            for color, action in reversed(self._state.position.moves)
        )

    def _last_move(self, call: Call) -> str:
        moves = self._state.position.moves
        if not moves:
            raise GtpError("no previous move known")
        color, action = moves[-1]
        return f"{_COLOR_NAMES[color]} {vertex_from_action(action, self._state.game.size)}"

    def _color(self, call: Call) -> str:
        size = self._state.game.size
        action = parse_vertex(text_argument(call, 0), size)
        if action == size * size:
            raise GtpError(SYNTAX_ERROR)
        stone = int(self._state.position.board.ravel()[action])
        return _COLOR_NAMES.get(stone, "empty")

    def _vertices(self, actions: np.ndarray | list[int]) -> str:
        size = self._state.game.size
        return " ".join(vertex_from_action(int(action), size) for action in actions)
