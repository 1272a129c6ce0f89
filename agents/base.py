"""What a player is: positions in, decisions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from go_env.position import Position


@dataclass(frozen=True)
class Decision:
    """A move and what the player thought; None where it does not think that way."""

    action: int
    value: float | None = None  # expected outcome for the player to move, in [-1, 1]
    policy: NDArray[np.float32] | None = None  # [A], sums to 1
    visits: NDArray[np.int32] | None = None  # [A]
    resign: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class Agent(Protocol):
    """A player. Each position carries its history: games need not be announced or ended.

    What it remembers of earlier calls may let it think further in the same time.
    """

    name: str

    def choose(self, positions: Sequence[Position]) -> list[Decision]:
        """Return one decision for each position, none of which has ended."""
        ...

    def close(self) -> None:
        """Release processes and files."""
        ...
