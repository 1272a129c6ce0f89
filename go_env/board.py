"""Board arithmetic on flat records: play, capture, legality, hash, area. Kernels only.

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


@kernel(forceinline=True)
def chain_slot(b, cell):
    """Return the head of the chain on a cell, or the cell itself where there is no stone.

    Updates that may be without effect go there: at one common slot they would wait for each other.
    """
    head = np.int64(b.head[at(cell)])
    return head | (cell & ((head - 1) >> 63))


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


@kernel(forceinline=True)
def in_atari(b, head):
    """Tell whether all pseudo-liberties of the chain are one cell."""
    total = np.int64(b.liberty_sum[at(head)])
    squares = np.int64(b.liberty_squares[at(head)])
    return np.int64(b.liberty_count[at(head)]) * squares == total * total


@kernel(forceinline=True)
def add_liberty(b, head, cell):
    b.liberty_count[at(head)] += 1
    b.liberty_sum[at(head)] += cell
    b.liberty_squares[at(head)] += cell * cell


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
        b.head[cell] = 0
        b.where[cell] = b.num_empty
        b.empties[b.num_empty] = cell
        b.num_empty += 1
        cell = np.int64(b.following[cell])
        if cell == head:
            break
    while True:
        for step in (-w, -1, 1, w):
            near = cell + step
            if b.head[at(near)] != 0:
                add_liberty(b, b.head[at(near)], cell)
        cell = np.int64(b.following[cell])
        if cell == head:
            break
    return count


@kernel(forceinline=True)
def take_liberties(b, cell, color):
    """Take the liberty at `cell` from the chains around it.

    Without branches, since what the neighbors are cannot be predicted. Returns the pseudo-liberties
    of a stone on the cell (count, sum, sum of squares) and whether it has a neighbor of its color.
    """
    w = np.int64(b.side) + 1
    count = total = squares = np.int64(0)
    friends = False
    for step in (-w, -1, 1, w):
        near = cell + step
        near_color = np.int64(b.color[at(near)])
        empty, stone = is_empty(near_color), is_stone(near_color)
        head = b.head[at(near)]
        b.liberty_count[at(head)] -= stone
        b.liberty_sum[at(head)] -= stone * cell
        b.liberty_squares[at(head)] -= stone * cell * cell
        count += empty
        total += empty * near
        squares += empty * near * near
        friends |= near_color == color
    return count, total, squares, friends


@kernel(forceinline=True)
def join(b, cell, color):
    """Merge the new stone at `cell` with the chains of its color around it; return their head."""
    w = np.int64(b.side) + 1
    own = np.int64(cell)
    for step in (-w, -1, 1, w):
        if b.color[at(cell + step)] == color:
            near_head = np.int64(b.head[at(cell + step)])
            if near_head != own:
                if b.stones[near_head] > b.stones[own]:
                    merge(b, near_head, own)
                    own = near_head
                else:
                    merge(b, own, near_head)
    return own


@kernel(forceinline=True)
def captures_something(b, cell, other):
    """Tell whether a chain of color `other` beside the cell has no liberty left."""
    w = np.int64(b.side) + 1
    found = False
    for step in (-w, -1, 1, w):
        near = at(cell + step)
        found |= (b.color[near] == other) & (b.liberty_count[at(b.head[near])] == 0)
    return found


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
    if b.stood[cell] & color == 0:
        b.fresh = cell
        b.fresh_color = color
        b.fresh_length = b.length
    b.stood[cell] |= color
    b.head[cell] = cell
    b.following[cell] = cell
    b.stones[cell] = 1
    b.chain_hash[cell] = key
    b.hash ^= key
    count, total, squares, friends = take_liberties(b, cell, color)
    b.liberty_count[cell] = count
    b.liberty_sum[cell] = total
    b.liberty_squares[cell] = squares
    own = np.int64(cell)
    if friends:
        own = join(b, cell, color)
    taken = 0
    taken_cell = 0
    if captures_something(b, cell, other):
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


@kernel(forceinline=True)
def has_open_side(b, cell):
    """Tell whether a neighbor of the cell is empty."""
    w = np.int64(b.side) + 1
    beside = (b.color[at(cell - 1)] == EMPTY) | (b.color[at(cell + 1)] == EMPTY)
    return beside | (b.color[at(cell - w)] == EMPTY) | (b.color[at(cell + w)] == EMPTY)


@kernel(forceinline=True)
def is_suicide(b, cell, color):
    """Tell whether a stone on this empty cell without open side would end without a liberty.

    It lives if it captures an enemy chain in atari or joins an own one that is not.
    """
    w = np.int64(b.side) + 1
    lives = False
    for step in (-w, -1, 1, w):
        near = b.color[at(cell + step)]
        caught = in_atari(b, b.head[at(cell + step)])
        lives |= (near != BORDER) & (caught != (near == color))
    return not lives


@kernel
def hash_after(b, cell, color, suicide):
    """Return the hash of the stones after a move that has not been played.

    A suicide takes the own chains around the cell, any other move the enemy's in atari.
    """
    w = np.int64(b.side) + 1
    result = b.hash if suicide else b.hash ^ STONE_KEYS[color, cell]
    target = color if suicide else 3 - color
    seen0 = seen1 = seen2 = np.int64(0)
    for step in (-w, -1, 1, w):
        near = cell + step
        if b.color[near] == target:
            head = np.int64(b.head[near])
            if head != seen0 and head != seen1 and head != seen2 and in_atari(b, head):
                result ^= b.chain_hash[head]
                seen2, seen1, seen0 = seen1, seen0, head
    return result


@kernel
def situation(b):
    """Return the hash that the ko rule compares: stones, and the player to move if it says so."""
    if b.superko == SITUATIONAL:
        return b.hash ^ TURN_KEYS[b.to_play]
    return b.hash


@kernel(forceinline=True)
def first_possible(b, color, suicide):
    """Return the first index in the history that a move of `color` could repeat.

    While the last stone that was new to its cell stays on the board, no position from before it
    can come back. So the scan is short for as long as stones are put where none has been.
    """
    cell, kind = b.fresh, b.fresh_color
    if suicide or b.color[cell] != kind:
        return np.int64(0)
    if kind != color and in_atari(b, np.int64(b.head[cell])):
        return np.int64(0)
    return np.int64(b.fresh_length)


@kernel
def repeats(b, hashes, row, cell, color, suicide):
    """Tell whether the move would recreate an earlier situation. No early exit: it vectorizes."""
    after = hash_after(b, cell, color, suicide)
    if b.superko == SITUATIONAL:
        after ^= TURN_KEYS[3 - color]
    found = 0
    for i in range(first_possible(b, color, suicide), b.length):
        found |= hashes[at(row), at(i)] == after
    return found != 0


@kernel(forceinline=True)
def classify_empty(b, hashes, row, cell, color, open_side):
    """`classify` for an empty cell of which it is known whether it has an open side.

    A situation can only repeat if this color has stood on this cell before, or by suicide, so the
    history is rarely looked at.
    """
    suicide = False
    if not open_side:
        suicide = is_suicide(b, cell, color)
        if suicide and b.suicide == 0:
            return ILLEGAL
    if b.superko == SIMPLE:
        return KO_BANNED if cell == b.ko and color == b.to_play else LEGAL
    if (suicide or (b.stood[cell] & color) != 0) and repeats(b, hashes, row, cell, color, suicide):
        return KO_BANNED
    return LEGAL


@kernel(forceinline=True)
def classify(b, hashes, row, cell, color):
    """Return ILLEGAL, LEGAL or KO_BANNED for a stone of `color` on a cell that may be occupied."""
    if b.color[cell] != EMPTY:
        return ILLEGAL
    return classify_empty(b, hashes, row, cell, color, has_open_side(b, cell))


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
    side = np.int64(b.side)
    color = np.int64(b.to_play)
    row_of = (1 << 16) // (side + 1) + 1  # cell * row_of >> 16 is cell // (side + 1), but faster
    for action in range(side * side):
        legal[out, action] = ILLEGAL
    for k in range(b.num_empty):
        cell = np.int64(b.empties[at(k)])
        open_side = has_open_side(b, cell)
        code = LEGAL
        if not (open_side & ((b.stood[at(cell)] & color) == 0)):
            code = classify_empty(b, hashes, row, cell, color, open_side)
        legal[at(out), at(cell - ((cell * row_of) >> 16) - side - 1)] = code
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


@kernel(allocates=True)
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
