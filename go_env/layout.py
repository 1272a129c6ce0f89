"""The record of one game: how a board lies in memory. All kernels work on it.

One game is one structured record; many games are an array of them. A record is sized by a
*capacity* (9, 13, 19 or 25) and holds a board of any side up to it, so that four compiled versions
serve all sizes and a batch may mix them.

Layout. The board is bordered and flat with stride `w = side + 1`: one border column serves as the
right edge of a row and the left edge of the next. The cell of (row, column) is
`(row + 1) * w + column + 1`, its neighbors are -w, -1, +1, +w. Stones of a chain form a circular
linked list and share a `head`, where the chain's data stands: stone count, hash, and its
pseudo-liberties as count, sum and sum of squares of their cells. A chain is in atari exactly when
count * sum of squares == sum ** 2 (all pseudo-liberties are one cell; Cauchy-Schwarz).

Source: linked chains and pseudo-liberties as in Brown's and Wolf's computer Go notes; the atari
test is used by OpenSpiel's go_board. The hash is Zobrist's, kept per chain too, so that the hash
after a move is known before it is played.
"""

from __future__ import annotations

import functools

import numpy as np

from go_env.coords import BLACK, EMPTY, WHITE
from go_env.jit import kernel
from go_env.rules import Rules
from go_env.zobrist import SIDE_KEYS

CAPACITIES = (9, 13, 19, 25)
BORDER = 3
SIMPLE, POSITIONAL, SITUATIONAL = 0, 1, 2
KO_CODES = {"simple": SIMPLE, "positional": POSITIONAL, "situational": SITUATIONAL}
RECENT = 8  # last actions that a record remembers
NO_ACTION = -1
NO_LIMIT = 2**31 - 1
ILLEGAL, LEGAL, KO_BANNED = 0, 1, 2  # values of a legality mask


def capacity_for(size: int) -> int:
    """Return the smallest record capacity that holds a board of this side."""
    return next(capacity for capacity in CAPACITIES if size <= capacity)


@functools.cache
def board_dtype(capacity: int) -> np.dtype[np.void]:
    """Return the record of one game; see the module's text for the layout."""
    cells, points = (capacity + 1) * (capacity + 2) + 1, capacity * capacity
    return np.dtype(
        [
            ("hash", "u8"),  # stones and side only
            ("chain_hash", "u8", cells),
            ("liberty_sum", "i4", cells),
            ("liberty_squares", "i4", cells),
            ("liberty_count", "i2", cells),
            ("stones", "i2", cells),
            ("head", "i2", cells),  # 0 where there is no stone
            ("following", "i2", cells),
            ("where", "i2", cells),  # index of an empty cell in `empties`
            ("empties", "i2", points),
            ("recent", "i2", RECENT),  # last actions, newest first; NO_ACTION where there is none
            ("color", "i1", cells),
            ("stood", "u1", cells),  # bit c: color c has had a stone here
            ("komi", "f4"),
            ("ply", "i4"),
            ("length", "i4"),  # positions in the history
            ("move_limit", "i4"),
            ("taken", "i4", 3),  # [color]: stones of that color that were captured
            ("fresh_length", "i4"),  # `length` when it got it: earlier positions are no repetitions
            ("ko", "i2"),  # the cell of a simple ko, or 0
            ("fresh", "i2"),  # the last cell to get a stone of a color it never had before, or 0
            ("num_empty", "i2"),
            ("side", "i2"),
            ("to_play", "i1"),
            ("fresh_color", "i1"),
            ("passes", "i1"),
            ("superko", "i1"),
            ("suicide", "i1"),
        ]
    )


def new_boards(count: int, rules: Rules) -> np.ndarray:
    """Return `count` empty boards, one array [count]; `start_all` begins their histories."""
    boards = np.zeros(count, dtype=board_dtype(capacity_for(rules.size)))
    boards["side"] = rules.size
    boards["komi"] = rules.komi
    boards["superko"] = KO_CODES[rules.ko]
    boards["suicide"] = rules.suicide
    boards["move_limit"] = NO_LIMIT if rules.move_limit is None else rules.move_limit
    clear_all(boards)
    return boards


@kernel(forceinline=True)
def at(index):
    """Return an index that is known not to be negative as such, so that numba looks up at once."""
    return np.uint64(index)


@kernel(forceinline=True)
def is_empty(color):
    """Return 1 for EMPTY, else 0: arithmetic, since LLVM would make a branch of a comparison."""
    return np.int64(1 & ~(color | (color >> 1)))


@kernel(forceinline=True)
def is_stone(color):
    """Return 1 for BLACK and WHITE, 0 for EMPTY and BORDER, without a branch."""
    return np.int64((color ^ (color >> 1)) & 1)


@kernel
def cell_of(action, side):
    """Return the cell of a point."""
    return action + action // side + side + 2


@kernel
def action_of(cell, side):
    """Return the action index of a cell."""
    return cell - cell // (side + 1) - side - 1


@kernel
def clear(b):
    """Set the record to the empty board; rules (side, komi, ko, suicide, limit) are kept."""
    side, w = b.side, b.side + 1
    for cell in range(len(b.color)):
        b.color[cell] = BORDER
        b.head[cell] = 0
        b.stood[cell] = 0
    n = 0
    for row in range(side):
        for cell in range((row + 1) * w + 1, (row + 1) * w + 1 + side):
            b.color[cell] = EMPTY
            b.empties[n] = cell
            b.where[cell] = n
            n += 1
    for i in range(RECENT):
        b.recent[i] = NO_ACTION
    b.num_empty = n
    b.hash = SIDE_KEYS[side]
    b.ply = 0
    b.length = 0
    b.fresh = 0
    b.fresh_color = EMPTY
    b.fresh_length = 0
    b.ko = 0
    b.passes = 0
    b.to_play = BLACK
    b.taken[BLACK] = 0
    b.taken[WHITE] = 0


@kernel
def clear_all(boards):
    """Set every record to the empty board."""
    for i in range(len(boards)):
        clear(boards[i])
