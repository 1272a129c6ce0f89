"""Keys of the incremental hash (Zobrist 1970), the same in every process and version."""

from __future__ import annotations

import numpy as np

from go_env.rules import MAX_SIZE

#: Cells of the bordered board of the largest side (`go_env.board` explains the layout).
MAX_CELLS = (MAX_SIZE + 1) * (MAX_SIZE + 2) + 1

_KEYS = np.random.Generator(np.random.PCG64(0x484F4E5445)).integers(
    1, 2**64, size=3 * MAX_CELLS + MAX_SIZE + 1 + 3, dtype=np.uint64
)
#: [color 0..2, cell]; row 0 is never used.
STONE_KEYS = _KEYS[: 3 * MAX_CELLS].reshape(3, MAX_CELLS).copy()
#: [side]: the hash of the empty board, so that boards of two sizes never share one.
SIDE_KEYS = _KEYS[3 * MAX_CELLS : 3 * MAX_CELLS + MAX_SIZE + 1].copy()
#: [color to move 0..2]: mixed in where the player to move matters (situational superko).
TURN_KEYS = _KEYS[3 * MAX_CELLS + MAX_SIZE + 1 :].copy()
