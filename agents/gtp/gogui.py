"""GoGui's analyze commands: what its menus show of the engine's thoughts.

Source: GoGui documentation, chapter "GoGui specific GTP commands".
"""

from __future__ import annotations

import numpy as np

from agents.gtp.analysis_format import winrate
from agents.gtp.judge import estimate_ownership
from agents.gtp.protocol import Call, Handler
from agents.gtp.searcher import Searcher
from agents.gtp.state import State
from go_env.batch import PositionBatch
from go_env.coords import letter_from_color, vertex_from_action

_MENU = """\
gfx/Best Moves/honte-moves
gfx/Principal Variation/honte-variation
dboard/Ownership/honte-ownership
dboard/Prior/honte-prior
string/Value/honte-value
string/Final Score/final_score
plist/Dead Stones/final_status_list dead
plist/All Legal/all_legal %c
hstring/Show Board/showboard"""
_SHOWN_MOVES = 10


class GoguiCommands:
    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> dict[str, Handler]:
        return {
            "gogui-analyze_commands": lambda _: _MENU,
            "gogui-interrupt": lambda _: "",
            "honte-moves": self._moves,
            "honte-variation": self._variation,
            "honte-ownership": self._ownership,
            "honte-prior": self._prior,
            "honte-value": self._value,
        }

    def _searched(self) -> Searcher:
        """Return the search of the present position, with at least one visit."""
        searcher = self._state.seat.search(self._state.position)
        if searcher.root_visits == 0:
            searcher.run(1)
        return searcher

    def _moves(self, call: Call) -> str:
        analysis, size = self._searched().analysis(), self._state.game.size
        labels = " ".join(
            f"{vertex_from_action(move.action, size)} {round(100 * winrate(move.value))}"
            for move in analysis.moves[:_SHOWN_MOVES]
            if move.action < size * size
        )
        return f"LABEL {labels}\nTEXT {analysis.visits} visits"

    def _variation(self, call: Call) -> str:
        analysis, position = self._searched().analysis(), self._state.position
        color, words = position.to_play, ["VAR"]
        for action in analysis.moves[0].pv if analysis.moves else []:
            words += [letter_from_color(color), vertex_from_action(action, position.size)]
            color = 3 - color
        return " ".join(words)

    def _value(self, call: Call) -> str:
        return f"{winrate(self._searched().analysis().value):.4f}"

    def _ownership(self, call: Call) -> str:
        return self._board(estimate_ownership(self._state.position, self._state.evaluator))

    def _prior(self, call: Call) -> str:
        position, evaluator = self._state.position, self._state.evaluator
        if evaluator is None:
            policy = self._searched().analysis().policy
        else:
            batch = PositionBatch.of([position], evaluator.history)
            policy = evaluator.evaluate(batch).policy[0]
        masked = np.where(position.legal(), policy, 0.0)[:-1]
        return self._board(masked / max(float(masked.sum()), 1e-30))

    def _board(self, values: np.ndarray) -> str:
        size = self._state.game.size
        return "\n".join(" ".join(f"{v:.3f}" for v in row) for row in values.reshape(size, size))
