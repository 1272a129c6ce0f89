"""Moves on board records: legality, ko, history, play, area. Kernels only.

History of a game: `hashes[row, 0 .. length - 1]` are the situations so far, the present one last.
Rows have room behind `length`, where a search appends the positions of its path. `snapshots[row]`
([H, side*side] int8, H may be 0) is a ring of the last H stone arrangements: the position whose
index in the history is k stands at slot k % H.
"""

from __future__ import annotations

import numpy as np

from go_env.chains import (
    in_atari,
    put_stone,
)
from go_env.coords import BLACK, EMPTY, WHITE
from go_env.jit import kernel
from go_env.layout import (
    BORDER,
    ILLEGAL,
    KO_BANNED,
    LEGAL,
    RECENT,
    SIMPLE,
    SITUATIONAL,
    action_of,
    at,
    cell_of,
    clear,
)
from go_env.zobrist import STONE_KEYS, TURN_KEYS


@kernel(forceinline=True)
def chain_slot(b, cell):
    """Return the head of the chain on a cell, or the cell itself where there is no stone.

    Updates that may be without effect go there: at one common slot they would wait for each other.
    """
    head = np.int64(b.head[at(cell)])
    return head | (cell & ((head - 1) >> 63))


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
        b.passes = min(b.passes + 1, 2)
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
def record_all(boards, hashes, snapshots):
    """Append the present position of each game to its history."""
    for i in range(len(boards)):
        record_position(boards[i], hashes, i, snapshots, i)
