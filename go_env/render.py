"""A picture of the board: wood, lines, shaded stones with shadows, coordinates, the last move.

Everything is computed with numpy and cached (the empty board per size, the stones per scale), so
that a frame costs little more than copying the stones: fast enough for videos.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from go_env.coords import BLACK, COLUMNS, EMPTY, WHITE, row_col_from_action
from go_env.diagram import star_points
from go_env.position import Position

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

CELL_PX = 44  # distance of two lines
_STONE_RADIUS = 0.482  # in cells
_SHADOW_SHIFT = (0.055, 0.035)  # down and right, in cells
_VARIANTS = 4  # white stones are cut from shells: no two look alike
_OVERSAMPLING = 4

_WOOD_LIGHT = np.array([232, 192, 122], np.float32)
_WOOD_DARK = np.array([203, 153, 84], np.float32)
_INK = np.array([58, 38, 18], np.float32)
_LIGHT = np.array([-0.42, -0.52, 0.74], np.float32) / np.float32(0.998)  # from the upper left


def rgb_array(
    position: Position | NDArray[np.int8], cell_px: int = CELL_PX, coordinates: bool = True
) -> Image:
    """Draw a board as an image [H, W, 3] uint8; a Position's last move is marked.

    Args:
        position: a Position, or stones [N, N] int8 with row 0 at the top.
        cell_px: distance of two lines in pixels; at least 8.
        coordinates: whether letters and numbers stand around the board.
    """
    if isinstance(position, Position):
        board, last = position.board, position.last_action
    else:
        board, last = np.asarray(position), None
    size = len(board)
    cell_px = max(8, cell_px)
    image = _empty_board(size, cell_px, coordinates).copy()
    margin = _margin_px(cell_px, coordinates)
    rows, columns = np.nonzero(board)
    shadow = _shadow(cell_px)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        shift_y, shift_x = (round(shift * cell_px) for shift in _SHADOW_SHIFT)
        y, x = margin + row * cell_px + shift_y, margin + column * cell_px + shift_x
        _paint(image, shadow, y, x)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        color = int(board[row, column])
        variant = (row * 7 + column * 13 + row * column) % _VARIANTS if color == WHITE else 0
        stone = _stone(color, cell_px, variant)
        _paint(image, stone, margin + row * cell_px, margin + column * cell_px)
    if last is not None and last < size * size:
        row, column = row_col_from_action(last, size)
        color = int(board[row, column])
        _paint(image, _mark(color, cell_px), margin + row * cell_px, margin + column * cell_px)
    return image


def _margin_px(cell_px: int, coordinates: bool) -> int:
    """Return the distance from the edge of the image to the first line; the image is even."""
    return round(cell_px * (1.15 if coordinates else 0.72))


def _paint(image: Image, sprite: Field, y: int, x: int) -> None:
    """Lay a sprite [h, w, 4] (color already times alpha, alpha) with its center on (y, x)."""
    half = len(sprite) // 2
    top, left = max(0, y - half), max(0, x - half)
    part = image[top : y - half + len(sprite), left : x - half + len(sprite)]
    cut = sprite[top - (y - half) :, left - (x - half) :][: part.shape[0], : part.shape[1]]
    part[...] = part * (1 - cut[..., 3:]) + cut[..., :3] + 0.5


def _coordinates(half_px: int) -> tuple[Field, Field]:
    """Return y and x [h, w] of fine samples around a sprite's center, in pixels."""
    fine = np.arange((2 * half_px + 1) * _OVERSAMPLING, dtype=np.float32)
    axis = ((fine + 0.5) / _OVERSAMPLING - half_px - 0.5).astype(np.float32)
    zeros = np.zeros((len(axis), len(axis)), np.float32)
    return zeros + axis[:, None], zeros + axis


def _downsample(fine: NDArray[Any]) -> Field:
    """Average blocks of fine samples: this is what smooths the edges."""
    side, channels = len(fine) // _OVERSAMPLING, fine.shape[-1]
    blocks = fine.reshape(side, _OVERSAMPLING, side, _OVERSAMPLING, channels)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _with_alpha(color: NDArray[Any], alpha: NDArray[Any]) -> Field:
    """Return [h, w, 4]: color [h, w, 3] or [3] times alpha [h, w], and alpha."""
    colors = np.broadcast_to(np.clip(color, 0, 254), (*alpha.shape, 3)) * alpha[..., None]
    return np.concatenate([colors, alpha[..., None]], axis=-1).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _stone(color: int, cell_px: int, variant: int) -> Field:
    """Return the sprite of a stone: a lens lit from the upper left."""
    radius = _STONE_RADIUS * cell_px
    y, x = _coordinates(int(np.ceil(radius)))
    v, u = y / radius, x / radius
    distance2 = u * u + v * v
    height = np.sqrt(np.clip(1 - distance2, 0, 1))
    facing = u * _LIGHT[0] + v * _LIGHT[1] + height * _LIGHT[2]
    # The half vector between light and eye gives the highlight.
    half = _LIGHT + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    gleam = np.clip(u * half[0] + v * half[1] + height * half[2], 0, 1)
    if color == BLACK:
        tone = 24 + 26 * np.clip(facing, 0, 1) + 70 * gleam**26 + 50 * gleam**120
        shade = np.stack([tone * 0.98, tone * 0.99, tone * 1.04], axis=-1)
    else:
        angle = 0.5 + variant * 0.8
        across = u * np.cos(angle) + v * np.sin(angle) + 0.12 * (u * u - v * v)
        grain = np.sin(across * 26 + variant) * (1 - distance2) * 2.2
        tone = 196 + 46 * np.clip(facing, 0, 1) + 16 * gleam**20 + grain
        tone -= 34 * np.clip(distance2, 0, 1) ** 6
        shade = np.stack([tone, tone * 0.992, tone * 0.968], axis=-1)
    return _downsample(_with_alpha(shade, (distance2 <= 1).astype(np.float32)))


@functools.lru_cache(maxsize=16)
def _shadow(cell_px: int) -> Field:
    """Return the soft shadow of a stone."""
    radius = _STONE_RADIUS * cell_px
    y, x = _coordinates(int(np.ceil(radius * 1.25)))
    distance = np.sqrt(y * y + x * x) / radius
    fade = np.clip((1.16 - distance) / 0.32, 0, 1)
    alpha = 0.46 * fade * fade * (3 - 2 * fade)
    return _downsample(_with_alpha(np.array([40, 24, 8], np.float32), alpha))


@functools.lru_cache(maxsize=32)
def _mark(color: int, cell_px: int) -> Field:
    """Return the ring that marks the last move."""
    radius, width = 0.245 * cell_px, max(1.0, 0.062 * cell_px)
    y, x = _coordinates(int(np.ceil(radius + width)))
    ring = np.abs(np.sqrt(y * y + x * x) - radius) <= width / 2
    ink = {BLACK: (236, 236, 232), WHITE: (36, 36, 40), EMPTY: (58, 38, 18)}[color]
    return _downsample(_with_alpha(np.array(ink, np.float32), 0.92 * ring.astype(np.float32)))


@functools.lru_cache(maxsize=16)
def _empty_board(size: int, cell_px: int, coordinates: bool) -> Image:
    """Return the board without stones: wood, lines, star points and coordinates."""
    margin = _margin_px(cell_px, coordinates)
    side = 2 * margin + (size - 1) * cell_px
    side += side % 2
    image = _wood(side)
    width = max(1, round(cell_px / 32))
    first, last = margin, margin + (size - 1) * cell_px
    low = width // 2
    for line in range(size):
        at = margin + line * cell_px - low
        edge = width + (1 if line in (0, size - 1) and cell_px >= 24 else 0)
        for part in (
            image[at : at + edge, first - low : last - low + edge],
            image[first - low : last - low + edge, at : at + edge],
        ):
            part[...] = part * 0.18 + _INK * 0.82
    dot = _star(cell_px)
    for point in star_points(size):
        row, column = divmod(point, size)
        _paint(image, dot, margin + row * cell_px, margin + column * cell_px)
    if coordinates:
        _write_coordinates(image, size, cell_px, margin)
    image.flags.writeable = False
    return image


@functools.lru_cache(maxsize=16)
def _star(cell_px: int) -> Field:
    radius = max(2.0, 0.095 * cell_px)
    y, x = _coordinates(int(np.ceil(radius)))
    return _downsample(_with_alpha(_INK, (y * y + x * x <= radius * radius).astype(np.float32)))


def _wood(side: int) -> Image:
    """Return [side, side, 3]: straight-grained wood, the same at each call."""
    rng = np.random.default_rng(5)
    y, x = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    bend = 0.010 * np.sin(2.1 * y + 0.8) + 0.004 * np.sin(7.3 * y + 3 * x)
    across = x + bend
    rings = np.zeros_like(x)
    for count, strength in ((9, 0.30), (23, 0.26), (47, 0.20), (101, 0.12)):
        phase = rng.uniform(0, 2 * np.pi)
        sway = 0.9 * np.sin(2 * np.pi * across * count / 5 + phase * 2)
        rings += strength * np.sin(2 * np.pi * across * count + phase + sway)
    fibers = _smooth_noise(rng, side, max(2, side // 90), side)
    clouds = _smooth_noise(rng, side, 4, 3)
    tone = np.clip(0.42 + 0.20 * rings + 0.10 * fibers + 0.16 * clouds, 0, 1)[..., None]
    wood = _WOOD_LIGHT * (1 - tone) + _WOOD_DARK * tone
    edge = np.minimum.reduce([x, y, 1 - x, 1 - y]) * side
    bevel = 1 - 0.16 * np.clip(1 - edge / 5, 0, 1)[..., None]
    return np.asarray(wood * bevel + 0.5, np.uint8)


def _smooth_noise(rng: np.random.Generator, side: int, rows: int, columns: int) -> Field:
    """Return [side, side] noise in [-1, 1] that varies over so many rows and columns."""
    coarse = rng.uniform(-1, 1, (rows + 1, columns + 1))
    result = coarse
    for axis, cells in ((0, rows), (1, columns)):
        at = np.linspace(0, cells, side, endpoint=False)
        low = at.astype(int)
        t = at - low
        t = (t * t * (3 - 2 * t)).reshape((-1, 1) if axis == 0 else (1, -1))
        here, there = np.take(result, low, axis), np.take(result, low + 1, axis)
        result = here * (1 - t) + there * t
    return np.asarray(result, np.float32)


def _write_coordinates(image: Image, size: int, cell_px: int, margin: int) -> None:
    """Write letters above and below the board and numbers beside it."""
    font_px = max(7, round(cell_px * 0.33))
    near, far = round(margin * 0.36), len(image) - 1 - round(margin * 0.36)
    for line in range(size):
        at = margin + line * cell_px
        letter, number = _text(COLUMNS[line], font_px), _text(str(size - line), font_px)
        for place in (near, far):
            _paint(image, letter, place, at)
            _paint(image, number, at, place)


@functools.lru_cache(maxsize=128)
def _text(text: str, font_px: int) -> Field:
    """Return a square sprite of a short text."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw, ImageFont

    side = 2 * font_px + 1
    canvas = PillowImage.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING), 0)
    font = ImageFont.load_default(font_px * _OVERSAMPLING)
    middle = side * _OVERSAMPLING / 2
    ImageDraw.Draw(canvas).text((middle, middle), text, fill=255, font=font, anchor="mm")
    fine = np.asarray(canvas, np.float32)[..., None] / 255
    return _with_alpha(_INK, 0.85 * _downsample(fine)[..., 0])
