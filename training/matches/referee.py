"""Who has won a finished game."""

from __future__ import annotations

import logging
from typing import Protocol

from agents.gtp_agent import GtpAgent
from go_env.errors import HonteError
from go_env.position import Position

_LOG = logging.getLogger(__name__)


class Referee(Protocol):
    """Judges final positions."""

    def score(self, position: Position) -> float:
        """Return Black's area minus White's minus komi."""
        ...


class TrompTaylorReferee:
    """Counts the board as it stands: every stone on it is alive."""

    def score(self, position: Position) -> float:
        return position.score()


class EngineReferee:
    """Lets a GTP engine judge, which knows dead stones when it sees them.

    One engine serves one komi: gnugo keeps its old `final_score` when only the komi changes.
    """

    def __init__(self, command: str) -> None:
        self._engine = GtpAgent(command)

    def score(self, position: Position) -> float:
        try:
            return self._engine.final_score(position)
        except HonteError as error:
            _LOG.warning("the referee failed, every stone counts as alive: %s", error)
            self._engine.close()
            return position.score()

    def close(self) -> None:
        self._engine.close()
