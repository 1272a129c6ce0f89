"""Exact numbers of legal positions: every position is reached by the kernels, and no other.

Taking a stone off a legal position leaves a legal one, so that each legal position can be built
stone by stone without a capture; and no move leads out of the legal ones. A walk over all moves
(both colors, every empty point, captures and suicides included) from the empty board therefore
visits exactly the legal positions.

Source: Tromp & Farnebäck, Combinatorics of Go (2007), table 1.
"""

import numpy as np
import pytest

from go_env.chains import put_stone
from go_env.coords import BLACK, EMPTY, WHITE
from go_env.jit import kernel
from go_env.layout import cell_of, clear, new_boards
from go_env.rules import Rules


@kernel
def walk(boards, seen, todo):
    """Mark every position that can be reached: seen [3 ** (N*N)] by ternary code; return how many.

    boards: two records, for the position at hand and for the one after a move.
    """
    here, after = boards[0], boards[1]
    side = np.int64(here.side)
    points = side * side
    seen[0] = 1
    todo[0] = 0
    waiting, count = 1, 1
    while waiting > 0:
        waiting -= 1
        code = np.int64(todo[waiting])
        clear(here)
        rest = code
        for point in range(points):
            if rest % 3:
                put_stone(here, cell_of(point, side), rest % 3)
            rest //= 3
        for point in range(points):
            if here.color[cell_of(point, side)] != EMPTY:
                continue
            for color in (BLACK, WHITE):
                boards[1] = boards[0]
                put_stone(after, cell_of(point, side), color)
                result = 0
                for other in range(points - 1, -1, -1):
                    result = 3 * result + after.color[cell_of(other, side)]
                if seen[result] == 0:
                    seen[result] = 1
                    todo[waiting] = result
                    waiting += 1
                    count += 1
    return count


def count_positions(size: int) -> int:
    boards = new_boards(2, Rules(size=size))
    codes = 3 ** (size * size)
    return int(walk(boards, np.zeros(codes, np.uint8), np.zeros(codes, np.uint32)))


@pytest.mark.parametrize(("size", "count"), [(2, 57), (3, 12675)])
def test_number_of_legal_positions(size: int, count: int) -> None:
    assert count_positions(size) == count


@pytest.mark.slow
def test_number_of_legal_positions_4x4() -> None:
    assert count_positions(4) == 24318165
