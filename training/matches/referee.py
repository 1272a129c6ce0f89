"""Who has won a finished game."""

from __future__ import annotations

import logging
from typing import NamedTuple, Protocol

from agents.gtp_agent import GtpAgent
from go_env.errors import HonteError
from go_env.position import Position

_LOG = logging.getLogger(__name__)


class Score(NamedTuple):
    """Black's area minus White's minus komi, and what was wrong with the counting."""

    points: float
    note: str = ""


class Referee(Protocol):
    """Judges final positions."""

    def score(self, position: Position) -> Score:
        """Count a finished game."""
        ...


class TrompTaylorReferee:
    """Counts the board as it stands: every stone on it is alive."""

    def score(self, position: Position) -> Score:
        return Score(position.score())


class EngineReferee:
    """Lets a GTP engine judge, which knows dead stones when it sees them.

    One engine serves one komi: gnugo keeps its old `final_score` when only the komi changes.
    """

    def __init__(self, command: str) -> None:
        self._engine = GtpAgent(command)

    def score(self, position: Position) -> Score:
        try:
            return Score(self._engine.final_score(position))
        except HonteError as error:
            note = f"the referee failed, every stone counts as alive: {error}"
            _LOG.warning(note)
            self._engine.close()
            return Score(position.score(), note)

    def close(self) -> None:
        self._engine.close()
