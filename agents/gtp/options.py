"""What the user of the engine can choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GtpOptions:
    size: int = 9  # until the client says `boardsize`
    komi: float = 7.0
    rules: str = "tromp-taylor"  # a preset of go_env.rules
    #: Lizzie sends kata-analyze to names that begin with KataGo: `honte gtp --name`.
    name: str = "Honte"
    ponder: bool = False  # search on in the opponent's time
    simulations: int | None = None  # per move; None: as the player's spec says
    move_time_s: float | None = None  # per move, beside any clock
    resign_below: float = -0.95  # own value in [-1, 1] ...
    resign_turns: int = 3  # ... at so many own turns in a row ...
    resign_after: float = 0.4  # ... and not before so many plies per point of the board
    never_resign: bool = False
    friendly_pass: bool = False  # count dead stones as dead before deciding to pass
    analysis_visits: int = 200_000  # analysis stops searching (not reporting) there
    seed: int = 0
