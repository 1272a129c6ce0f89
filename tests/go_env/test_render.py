"""The picture of the board: stones are where they belong, and a frame is fast."""

import numpy as np
import pytest

from go_env.position import Position
from go_env.render import CELL_PX, rgb_array
from go_env.rules import Rules


@pytest.mark.parametrize("size", [2, 5, 9, 13, 19, 25])
@pytest.mark.parametrize("coordinates", [True, False])
def test_stones_are_dark_light_or_absent(size: int, coordinates: bool) -> None:
    board = np.random.default_rng(size).integers(0, 3, (size, size)).astype(np.int8)
    image = rgb_array(board, coordinates=coordinates)
    assert image.shape[0] == image.shape[1] and image.shape[0] % 2 == 0
    margin = (len(image) - (size - 1) * CELL_PX) // 2
    off = CELL_PX // 5  # beside the lines, within the stone
    for (row, column), color in np.ndenumerate(board):
        pixel = image[margin + row * CELL_PX + off, margin + column * CELL_PX + off]
        red, blue = int(pixel[0]), int(pixel[2])
        assert {0: red - blue > 60, 1: red < 80, 2: blue > 160}[int(color)]


def test_the_last_move_is_marked_and_frames_are_independent() -> None:
    before = Position.initial(Rules(size=9))
    position = before.play(40)
    marked, plain = rgb_array(position), rgb_array(position.board)
    changed = np.argwhere((marked != plain).any(axis=2))
    center = len(marked) / 2
    assert 0 < np.abs(changed - center).max() < CELL_PX / 2
    assert not np.array_equal(rgb_array(before), plain)  # the cached board was not painted on
    assert np.array_equal(rgb_array(position.play(81)), plain)  # a pass marks nothing


def test_no_pixel_of_a_highlight_wraps_around() -> None:
    white = rgb_array(np.full((5, 5), 2, np.int8), coordinates=False)
    middle = len(white) // 2
    stone = white[middle - 10 : middle + 10, middle - 10 : middle + 10]
    assert stone.min() > 170


def test_scales_with_the_cell() -> None:
    board = np.eye(9, dtype=np.int8)
    assert len(rgb_array(board, cell_px=20)) < len(rgb_array(board, cell_px=60)) < 700
