"""Chains of stones on board records: liberties, joining, capture. Kernels only."""

from __future__ import annotations

import numpy as np

from go_env.coords import EMPTY
from go_env.jit import kernel
from go_env.layout import (
    at,
    is_empty,
    is_stone,
)
from go_env.zobrist import STONE_KEYS


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


@kernel
def put_one(boards, cell, color):
    """`put_stone` on boards[0], for callers in Python."""
    put_stone(boards[0], cell, color)
