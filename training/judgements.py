"""What gates and ratings have said of a run's models, and the time that they took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Judgements:
    """Part of a run's state.

    Games of gates are no part of it, so that no rating counts them: who is promoted is often who
    was lucky there. (In a simulation twelve promotions of equal players added up to 118 Elo.)
    """

    judged: int = 0  # number of the candidate that the gate judged last
    judged_s: float = 0.0
    rated: int = 0  # number of the champion that was rated last
    rated_s: float = 0.0
    rating_games: list[tuple[str, str, float]] = field(default_factory=list)
    """(Black, White, Black's score in [0, 1]); a model is called `model NUMBER`."""

    def take_verdict(self, candidate: int, duration_s: float) -> None:
        """Note that the gate has judged this model."""
        self.judged = candidate
        self.judged_s += duration_s

    def take_ratings(
        self, number: int, games: Iterable[tuple[str, bool, float]], duration_s: float
    ) -> None:
        """Add a champion's games: (opponent, whether the champion was Black, Black's score)."""
        self.rated = max(self.rated, number)
        self.rated_s += duration_s
        name = f"model {number}"
        for opponent, black, score in games:
            self.rating_games.append((*((name, opponent) if black else (opponent, name)), score))

    def state(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any], champion: int) -> Judgements:
        """Return what `state` described; earlier versions had less, and mixed in games of gates."""
        return cls(
            judged=state.get("judged", 0),
            judged_s=state.get("judged_s", 0.0),
            rated=state.get("rated", champion),
            rated_s=state.get("rated_s", 0.0),
            rating_games=[(first, then, s) for first, then, s in state.get("rating_games", ())],
        )
