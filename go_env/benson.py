"""Unconditional life (Benson 1976): chains that no sequence of enemy moves can capture.

Source: D. B. Benson, Life in the game of Go, Information Sciences 10 (1976). A region is a maximal
connected set of points without stones of the color. It is *vital* to a chain when all its empty
points (with suicide allowed: all its points) are liberties of (next to) that chain. Chains with
fewer than two vital regions are discarded, and with them the regions they bound, until nothing
changes. Territory follows KataGo: a surviving region where at most one point is not next to a
surviving chain has no room for two enemy eyes, so it is the color's, dead stones included.
"""

from __future__ import annotations

import numpy as np

from go_env.coords import BLACK, EMPTY, WHITE
from go_env.jit import kernel
from go_env.layout import BORDER, cell_of


@kernel(allocates=True)
def _find_regions(b, color, region_of):
    """Number the regions without `color` from 1 in region_of [cells]; return their count."""
    side, w = np.int64(b.side), np.int64(b.side + 1)
    stack = np.empty(len(b.empties), np.int16)
    count = 0
    for point in range(side * side):
        start = cell_of(point, side)
        if b.color[start] == color or region_of[start] != 0:
            continue
        count += 1
        region_of[start] = count
        stack[0] = start
        filled, i = 1, 0
        while i < filled:
            for step in (-w, -1, 1, w):
                near = stack[i] + step
                if b.color[near] != BORDER and b.color[near] != color and region_of[near] == 0:
                    region_of[near] = count
                    stack[filled] = near
                    filled += 1
            i += 1
    return count


@kernel(allocates=True)
def _count_vital(b, color, head, region_of, regions, region_dead):
    """Return how many live regions are vital to the chain."""
    side, w = np.int64(b.side), np.int64(b.side + 1)
    touches = np.zeros(regions + 1, np.uint8)
    misses = np.zeros(regions + 1, np.uint8)
    for point in range(side * side):
        cell = cell_of(point, side)
        region = region_of[cell]
        if region == 0 or region_dead[region]:
            continue
        near_chain = False
        for step in (-w, -1, 1, w):
            if b.color[cell + step] == color and b.head[cell + step] == head:
                near_chain = True
        if near_chain:
            touches[region] = 1
        elif b.color[cell] == EMPTY or b.suicide != 0:
            misses[region] = 1
    vital = 0
    for region in range(1, regions + 1):
        if touches[region] and not misses[region]:
            vital += 1
    return vital


@kernel(allocates=True)
def _mark_color(b, color, out, row):
    """Mark the chains and territory of one color that are alive without condition."""
    side, w = np.int64(b.side), np.int64(b.side + 1)
    region_of = np.zeros(len(b.color), np.int16)
    regions = _find_regions(b, color, region_of)
    region_dead = np.zeros(regions + 1, np.uint8)
    chain_dead = np.zeros(len(b.color), np.uint8)
    changed = True
    while changed:
        changed = False
        for point in range(side * side):
            cell = cell_of(point, side)
            if b.color[cell] != color or b.head[cell] != cell or chain_dead[cell]:
                continue
            if _count_vital(b, color, cell, region_of, regions, region_dead) < 2:
                chain_dead[cell] = 1
                changed = True
        for point in range(side * side):
            cell = cell_of(point, side)
            if region_of[cell] == 0 or region_dead[region_of[cell]]:
                continue
            for step in (-w, -1, 1, w):
                if b.color[cell + step] == color and chain_dead[b.head[cell + step]]:
                    region_dead[region_of[cell]] = 1
                    changed = True
    interior = np.zeros(regions + 1, np.int16)
    bounded = np.zeros(regions + 1, np.uint8)
    for point in range(side * side):
        cell = cell_of(point, side)
        if region_of[cell] != 0:
            beside = False
            for step in (-w, -1, 1, w):
                beside |= b.color[cell + step] == color
            if beside:
                bounded[region_of[cell]] = 1
            else:
                interior[region_of[cell]] += 1
    for point in range(side * side):
        cell = cell_of(point, side)
        if b.color[cell] == color:
            if not chain_dead[b.head[cell]]:
                out[row, point] = color
        else:
            region = region_of[cell]
            if bounded[region] and not region_dead[region] and interior[region] <= 1:
                out[row, point] = color


@kernel
def fill_pass_alive(b, out, row):
    """Write unconditional ownership into out[row] (int8 [N*N]: BLACK, WHITE or 0)."""
    for point in range(np.int64(b.side) * np.int64(b.side)):
        out[row, point] = 0
    _mark_color(b, BLACK, out, row)
    _mark_color(b, WHITE, out, row)


@kernel
def fill_pass_alive_all(boards, out):
    """`fill_pass_alive` of many games: out [B, >=N*N] int8."""
    for i in range(len(boards)):
        fill_pass_alive(boards[i], out, i)
