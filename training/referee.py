"""Who has won a finished game."""

from __future__ import annotations

from typing import Protocol

from go_env.position import Position


class Referee(Protocol):
    """Judges final positions."""

    def score(self, position: Position) -> float:
        """Return Black's area minus White's minus komi."""
        ...


class TrompTaylorReferee:
    """Counts the board as it stands: every stone on it is alive."""

    def score(self, position: Position) -> float:
        return position.score()
