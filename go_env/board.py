"""Board arithmetic on flat records: play, capture, legality, hash, area. Kernels only.

One game is one structured record; many games are an array of them. A record is sized by a
*capacity* (9, 13, 19 or 25) and holds a board of any side up to it, so that four compiled versions serve all
sizes and a batch may mix them.

Layout. The board is bordered and flat with stride `w = side + 1`: one border column serves as the
right edge of a row and the left edge of the next. The cell of (row, column) is
`(row + 1) * w + column + 1`, its neighbors are -w, -1, +1, +w. Stones of a chain form a circular
linked list and share a `head`, where the chain's data stands: stone count, hash, and its
pseudo-liberties as count, sum and sum of squares of their cells. A chain is in atari exactly when
count * sum of squares == sum ** 2 (all pseudo-liberties are one cell; Cauchy-Schwarz).

Source: linked chains and pseudo-liberties as in Brown's and Wolf's computer Go notes; the atari
test is used by OpenSpiel's go_board. The hash is Zobrist's, kept per chain too, so that the hash
after a move is known before it is played.

History of a game: `hashes[row, 0 .. length - 1]` are the situations so far, the present one last.
Rows have room behind `length`, where a search appends the positions of its path. `snapshots[row]`
([H, side*side] int8, H may be 0) is a ring of the last H stone arrangements: the position whose
index in the history is k stands at slot k % H.
"""

from __future__ import annotations

import functools

import numpy as np

from go_env.coords import BLACK, EMPTY, WHITE
from go_env.jit import kernel
from go_env.rules import Rules
from go_env.zobrist import SIDE_KEYS, STONE_KEYS, TURN_KEYS

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
            ("head", "i2", cells),
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
            ("ko", "i2"),  # the cell of a simple ko, or 0
            ("num_empty", "i2"),
            ("side", "i2"),
            ("to_play", "i1"),
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


@kernel(forceinline=True)
def in_atari(b, head):
    """Tell whether all pseudo-liberties of the chain are one cell."""
    total = np.int64(b.liberty_sum[head])
    return np.int64(b.liberty_count[head]) * np.int64(b.liberty_squares[head]) == total * total


@kernel(forceinline=True)
def add_liberty(b, head, cell):
    b.liberty_count[head] += 1
    b.liberty_sum[head] += cell
    b.liberty_squares[head] += cell * cell


@kernel(forceinline=True)
def drop_liberty(b, head, cell):
    b.liberty_count[head] -= 1
    b.liberty_sum[head] -= cell
    b.liberty_squares[head] -= cell * cell


@kernel
def merge(b, keep, gone):
    """Join chain `gone` into chain `keep` (both given by their heads)."""
    b.liberty_count[keep] += b.liberty_count[gone]
    b.liberty_sum[keep] += b.liberty_sum[gone]
    b.liberty_squares[keep] += b.liberty_squares[gone]
    b.chain_hash[keep] ^= b.chain_hash[gone]
    b.stones[keep] += b.stones[gone]
    cell = gone
    while True:
        b.head[cell] = keep
        cell = np.int64(b.following[cell])
        if cell == gone:
            break
    after_keep = b.following[keep]
    b.following[keep] = b.following[gone]
    b.following[gone] = after_keep


@kernel
def remove_chain(b, head):
    """Take a chain off the board and give its cells back as liberties. Returns its stone count."""
    w = b.side + 1
    count = np.int64(b.stones[head])
    b.hash ^= b.chain_hash[head]
    b.taken[b.color[head]] += count
    cell = head
    while True:
        b.color[cell] = EMPTY
        b.where[cell] = b.num_empty
        b.empties[b.num_empty] = cell
        b.num_empty += 1
        cell = np.int64(b.following[cell])
        if cell == head:
            break
    while True:
        for step in (-w, -1, 1, w):
            near = cell + step
            if b.color[near] == BLACK or b.color[near] == WHITE:
                add_liberty(b, np.int64(b.head[near]), cell)
        cell = np.int64(b.following[cell])
        if cell == head:
            break
    return count


@kernel
def put_stone(b, cell, color):
    """Put a stone on an empty cell, capture, and remove the own chain if it has no liberty.

    Does not look at ko, turns or history. Sets `ko` to the cell of a single stone just taken by a
    single stone that is now in atari, else to 0.
    """
    w = b.side + 1
    other = 3 - color
    last = b.empties[b.num_empty - 1]
    slot = b.where[cell]
    b.empties[slot] = last
    b.where[last] = slot
    b.num_empty -= 1
    key = STONE_KEYS[color, cell]
    b.color[cell] = color
    b.stood[cell] |= color
    b.head[cell] = cell
    b.following[cell] = cell
    b.stones[cell] = 1
    b.chain_hash[cell] = key
    b.hash ^= key
    b.liberty_count[cell] = 0
    b.liberty_sum[cell] = 0
    b.liberty_squares[cell] = 0
    for step in (-w, -1, 1, w):
        near = cell + step
        if b.color[near] == EMPTY:
            add_liberty(b, cell, near)
        elif b.color[near] != BORDER:
            drop_liberty(b, np.int64(b.head[near]), cell)
    own = np.int64(cell)
    for step in (-w, -1, 1, w):
        if b.color[cell + step] == color:
            near_head = np.int64(b.head[cell + step])
            if near_head != own:
                if b.stones[near_head] > b.stones[own]:
                    merge(b, near_head, own)
                    own = near_head
                else:
                    merge(b, own, near_head)
    taken = 0
    taken_cell = 0
    for step in (-w, -1, 1, w):
        near = cell + step
        if b.color[near] == other:
            near_head = np.int64(b.head[near])
            if b.liberty_count[near_head] == 0:
                taken += remove_chain(b, near_head)
                taken_cell = near
    b.ko = 0
    if b.liberty_count[own] == 0:
        remove_chain(b, own)
    elif taken == 1 and b.stones[own] == 1 and in_atari(b, own):
        b.ko = taken_cell


@kernel
def hash_after(b, cell, color):
    """Return the hash of the stones after a move that has not been played."""
    w = b.side + 1
    other = 3 - color
    result = b.hash ^ STONE_KEYS[color, cell]
    seen0 = seen1 = seen2 = np.int64(0)
    captures = False
    for step in (-w, -1, 1, w):
        near = cell + step
        if b.color[near] == other:
            head = np.int64(b.head[near])
            if head != seen0 and head != seen1 and head != seen2 and in_atari(b, head):
                result ^= b.chain_hash[head]
                seen2, seen1, seen0 = seen1, seen0, head
                captures = True
    if captures or not is_suicide(b, cell, color):
        return result
    result = b.hash
    seen0 = seen1 = seen2 = np.int64(0)
    for step in (-w, -1, 1, w):
        near = cell + step
        if b.color[near] == color:
            head = np.int64(b.head[near])
            if head != seen0 and head != seen1 and head != seen2:
                result ^= b.chain_hash[head]
                seen2, seen1, seen0 = seen1, seen0, head
    return result


@kernel(forceinline=True)
def is_suicide(b, cell, color):
    """Tell whether a stone on this empty cell would end without a liberty."""
    w = b.side + 1
    for step in (-w, -1, 1, w):
        near = b.color[cell + step]
        if near == EMPTY:
            return False
        if near != BORDER and in_atari(b, np.int64(b.head[cell + step])) != (near == color):
            return False
    return True


@kernel
def situation(b):
    """Return the hash that the ko rule compares: stones, and the player to move if it says so."""
    if b.superko == SITUATIONAL:
        return b.hash ^ TURN_KEYS[b.to_play]
    return b.hash


@kernel
def repeats(b, hashes, row, cell, color):
    """Tell whether the move would recreate an earlier situation. No early exit: it vectorizes."""
    after = hash_after(b, cell, color)
    if b.superko == SITUATIONAL:
        after ^= TURN_KEYS[3 - color]
    found = 0
    for i in range(b.length):
        found |= hashes[row, i] == after
    return found != 0


@kernel(forceinline=True)
def classify(b, hashes, row, cell, color):
    """Return ILLEGAL, LEGAL or KO_BANNED for a stone of `color` on a cell that may be occupied.

    A situation can only repeat if this color has stood on this cell before, or by suicide, so the
    history is rarely looked at.
    """
    if b.color[cell] != EMPTY:
        return ILLEGAL
    suicide = is_suicide(b, cell, color)
    if suicide and b.suicide == 0:
        return ILLEGAL
    if b.superko == SIMPLE:
        return KO_BANNED if cell == b.ko and color == b.to_play else LEGAL
    if (suicide or (b.stood[cell] & color) != 0) and repeats(b, hashes, row, cell, color):
        return KO_BANNED
    return LEGAL


@kernel
def classify_action(boards, index, hashes, row, action, color):
    """`classify` for Python callers: the record is boards[index]; a pass is LEGAL."""
    b = boards[index]
    if action == b.side * b.side:
        return LEGAL
    return classify(b, hashes, row, cell_of(action, np.int64(b.side)), color)


@kernel
def fill_legal(b, hashes, row, legal, out):
    """Write the legality of all actions for the player to move into legal[out] (uint8 [A]).

    A cell beside an empty one where this color never stood is legal under every rule. Asking that
    first, without a branch per neighbor, makes the mask 3 to 5 times faster than `classify` alone.
    """
    side, w = np.int64(b.side), np.int64(b.side + 1)
    color = np.int64(b.to_play)
    for action in range(side * side):
        legal[out, action] = ILLEGAL
    for k in range(b.num_empty):
        cell = np.int32(b.empties[k])
        open_side = (b.color[cell - w] == EMPTY) | (b.color[cell - 1] == EMPTY)
        open_side |= (b.color[cell + 1] == EMPTY) | (b.color[cell + w] == EMPTY)
        code = LEGAL
        if not (open_side and (b.stood[cell] & color) == 0):
            code = classify(b, hashes, row, np.int64(cell), color)
        legal[out, cell - cell // np.int32(w) - side - 1] = code
    legal[out, side * side] = LEGAL


@kernel
def fill_legal_all(boards, hashes, legal):
    """Write legality masks of many games: legal [B, >=A], hashes row i belongs to boards[i]."""
    for i in range(len(boards)):
        fill_legal(boards[i], hashes, i, legal, i)


@kernel
def record_position(b, hashes, row, snapshots, snapshot_row):
    """Append the present position to the history (and to the ring of snapshots, if any)."""
    hashes[row, b.length] = situation(b)
    depth = snapshots.shape[1]
    if depth > 0:
        slot = b.length % depth
        side, w = np.int64(b.side), np.int64(b.side + 1)
        point = 0
        for y in range(side):
            for cell in range((y + 1) * w + 1, (y + 1) * w + 1 + side):
                snapshots[snapshot_row, slot, point] = b.color[cell]
                point += 1
    b.length += 1


@kernel
def play(b, hashes, row, snapshots, snapshot_row, action):
    """Play an action that the caller knows to be legal, for the player to move."""
    side = np.int64(b.side)
    if action == side * side:
        b.passes += 1
        b.ko = 0
    else:
        b.passes = 0
        put_stone(b, cell_of(action, side), np.int64(b.to_play))
    for i in range(RECENT - 1, 0, -1):
        b.recent[i] = b.recent[i - 1]
    b.recent[0] = action
    b.ply += 1
    b.to_play = 3 - b.to_play
    record_position(b, hashes, row, snapshots, snapshot_row)


@kernel
def play_all(boards, hashes, snapshots, actions):
    """Play one action in each game; a negative action leaves its game alone."""
    for i in range(len(boards)):
        if actions[i] >= 0:
            play(boards[i], hashes, i, snapshots, i, actions[i])


@kernel
def start_all(boards, hashes, snapshots):
    """Set every game to the empty board with a history of that one position."""
    for i in range(len(boards)):
        clear(boards[i])
        record_position(boards[i], hashes, i, snapshots, i)


@kernel(forceinline=True)
def is_over(b):
    """Tell whether the game has ended: two passes in a row, or the move limit."""
    return b.passes >= 2 or b.ply >= b.move_limit


@kernel
def fill_area(b, owner, out):
    """Write who owns each point into owner[out] (int8: +1 Black, -1 White, 0 neither).

    Tromp-Taylor: a stone owns its point; an empty region belongs to the color it touches alone.
    Returns Black's points minus White's, without komi.
    """
    side, w = np.int64(b.side), np.int64(b.side + 1)
    mark = np.zeros(len(b.color), np.uint8)
    stack = np.empty(len(b.empties), np.int16)
    margin = 0
    for point in range(side * side):
        cell = cell_of(point, side)
        if b.color[cell] != EMPTY:
            sign = 1 if b.color[cell] == BLACK else -1
            owner[out, point] = sign
            margin += sign
        elif mark[cell] == 0:
            touched = 0
            filled = 1
            stack[0] = cell
            mark[cell] = 1
            i = 0
            while i < filled:
                for step in (-w, -1, 1, w):
                    near = stack[i] + step
                    if b.color[near] == EMPTY:
                        if mark[near] == 0:
                            mark[near] = 1
                            stack[filled] = near
                            filled += 1
                    elif b.color[near] != BORDER:
                        touched |= b.color[near]
                i += 1
            sign = 1 if touched == BLACK else (-1 if touched == WHITE else 0)
            for k in range(filled):
                owner[out, action_of(np.int64(stack[k]), side)] = sign
            margin += sign * filled
    return margin


@kernel
def fill_area_all(boards, owner, score):
    """Write ownership [B, >=N*N] and score [B] (Black minus White minus komi) of many games."""
    for i in range(len(boards)):
        score[i] = fill_area(boards[i], owner, i) - boards[i].komi


@kernel
def put_one(boards, cell, color):
    """`put_stone` on boards[0], for callers in Python."""
    put_stone(boards[0], cell, color)


@kernel
def record_all(boards, hashes, snapshots):
    """Append the present position of each game to its history."""
    for i in range(len(boards)):
        record_position(boards[i], hashes, i, snapshots, i)
