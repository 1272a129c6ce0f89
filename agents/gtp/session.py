"""A GTP session: the table of commands over one state."""

from __future__ import annotations

import json

from agents.gtp.analysis import AnalysisCommands
from agents.gtp.board_commands import BoardCommands
from agents.gtp.gogui import GoguiCommands
from agents.gtp.kata_commands import KataCommands
from agents.gtp.options import GtpOptions
from agents.gtp.play_commands import PlayCommands
from agents.gtp.protocol import Call, Handler
from agents.gtp.searcher import PlayerFactory
from agents.gtp.setup_commands import SetupCommands
from agents.gtp.state import State

#: Lizzie warns of engines whose version has a second number under 15 (it expects Leela Zero's).
VERSION = "1.15"


class Session:
    def __init__(self, make_player: PlayerFactory, options: GtpOptions) -> None:
        self.state = State(make_player, options)
        play = PlayCommands(self.state)
        self.handlers: dict[str, Handler] = {
            "name": lambda _: options.name,
            "version": lambda _: VERSION,
            **SetupCommands(self.state).handlers(),
            **BoardCommands(self.state).handlers(),
            **play.handlers(),
            **AnalysisCommands(self.state, play).handlers(),
            **KataCommands(self.state).handlers(),
            **GoguiCommands(self.state).handlers(),
            "gomill-describe_engine": self._describe,
            "kata-get-models": self._models,
            "kgs-chat": lambda _: "",  # an answer would be sent to the other player
            "kgs-game_over": lambda _: "",
        }

    def idle(self) -> bool:
        return self.state.idle()

    def close(self) -> None:
        self.state.seat.close()

    def _describe(self, call: Call) -> str:
        self.state.seat.take(self.state.game.size)
        return f"{self.state.options.name} {VERSION}\nplayer: {self.state.seat.player_name}"

    def _models(self, call: Call) -> str:
        self.state.seat.take(self.state.game.size)
        name = self.state.seat.player_name
        return json.dumps([{"name": name, "internalName": name, "usesHumanSLProfile": False}])
