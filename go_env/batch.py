"""A batch of positions of one board size: what crosses the seam from search to evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env import board
from go_env.errors import HonteError
from go_env.position import Position


@dataclass(frozen=True)
class PositionBatch:
    """B positions as kernels see them. Arrays may be views into a search: read them, keep nothing.

    boards: records [B]; legal: uint8 [B, A] of ILLEGAL, LEGAL, KO_BANNED for the player to move;
    snapshots: int8 [B, H, N*N], the ring of the last H stone arrangements (`go_env.board`), H may
    be 0 where no feature looks back.
    """

    size: int
    boards: np.ndarray
    legal: NDArray[np.uint8]
    snapshots: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.boards)

    @classmethod
    def of(cls, positions: Sequence[Position], history: int = 8) -> PositionBatch:
        """Gather positions of one size; `history` is the depth H of the snapshots."""
        sizes = {position.size for position in positions}
        if len(sizes) != 1:
            raise HonteError(f"a batch holds positions of one board size, not of {sorted(sizes)}")
        size = sizes.pop()
        boards = np.concatenate([position.record for position in positions])
        legal = np.zeros((len(positions), size * size + 1), np.uint8)
        snapshots = np.zeros((len(positions), history, size * size), np.int8)
        for i, position in enumerate(positions):
            board.fill_legal_all(position.record, position.history, legal[i : i + 1])
            _take_snapshots(position, snapshots[i])
        return cls(size, boards, legal, snapshots)


def _take_snapshots(position: Position, ring: NDArray[np.int8]) -> None:
    """Fill ring [H, N*N] with the last H stone arrangements, each at its slot."""
    depth = len(ring)
    step: Position | None = position
    for _ in range(depth):
        if step is None:
            return
        ring[(int(step.record["length"][0]) - 1) % depth] = step.board.ravel()
        step = step.previous
