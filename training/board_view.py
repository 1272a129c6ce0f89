"""A game's board in the two forms that people look at here: colored text and SVG."""

from collections.abc import Sequence

from rich.text import Text

from go_env.coords import BLACK, COLUMNS, WHITE
from go_env.diagram import star_points
from go_env.position import Position
from go_env.rules import Rules

_WOOD, _LINE = "#d9ac62", "#7d5a26"


def final_position(size: int, moves: Sequence[int]) -> Position:
    """Replay a recorded game under the most tolerant rules."""
    return Position.from_moves(Rules(size=size, ko="simple"), list(moves))


def board_text(size: int, moves: Sequence[int]) -> Text:
    """The board after these moves, two cells a point, on wood; the last move is red."""
    position = final_position(size, moves)
    stars = set(star_points(size))
    text = Text()
    for row in range(size):
        text.append(f"{size - row:>2} ", style="dim")
        for column in range(size):
            action = row * size + column
            color = position.board[row, column]
            last = action == position.last_action
            if color:
                ink = "black" if color == BLACK else "bright_white"
                text.append("● ", style=f"{'red' if last else ink} on {_WOOD}")
            else:
                text.append("+ " if action in stars else "· ", style=f"{_LINE} on {_WOOD}")
        text.append("\n")
    text.append("   " + " ".join(COLUMNS[:size]), style="dim")
    return text


def board_svg(size: int, moves: Sequence[int], cell: int = 26) -> str:
    """The board after these moves as SVG, stones numbered by the move that placed them."""
    position = final_position(size, moves)
    numbers = {action: ply for ply, action in enumerate(moves, start=1)}
    span, low, high = cell * (size + 1), cell, cell * size
    parts = [
        f'<svg viewBox="0 0 {span} {span}" width="{span}" role="img" class="board">',
        f'<rect width="{span}" height="{span}" rx="6" fill="{_WOOD}"/>',
    ]
    for line in range(low, high + 1, cell):
        parts.append(
            f'<path d="M{low} {line}H{high}M{line} {low}V{high}" stroke="{_LINE}" fill="none"/>'
        )
    for point in star_points(size):
        row, column = divmod(point, size)
        x, y = low + column * cell, low + row * cell
        parts.append(f'<circle cx="{x}" cy="{y}" r="{cell // 9}" fill="{_LINE}"/>')
    for action in range(size * size):
        row, column = divmod(action, size)
        color = int(position.board[row, column])
        if color in (BLACK, WHITE):
            x, y = low + column * cell, low + row * cell
            parts.append(_stone_svg(x, y, cell, color, numbers.get(action)))
    return "".join([*parts, "</svg>"])


def _stone_svg(x: int, y: int, cell: int, color: int, number: int | None) -> str:
    fill, ink = ("#111", "#fff") if color == BLACK else ("#fff", "#111")
    stone = f'<circle cx="{x}" cy="{y}" r="{cell * 0.46:.1f}" fill="{fill}" stroke="#222"/>'
    label = (
        f'<text x="{x}" y="{y}" dy=".35em" font-size="{cell * 0.4:.0f}" fill="{ink}" '
        f'text-anchor="middle">{number}</text>'
    )
    return stone if number is None else stone + label
