"""One action index and its spellings.

    action   row * N + column, row 0 at the top; pass = N * N
    vertex   GTP: column letter without I, then the row counted from the bottom: "D4", "pass"
    SGF      two letters, column then row from the top: "dd"; pass is ""
    (row, column)

On 9x9:  action 0 = A9 = "aa" = (0, 0);  action 8 = J9 = "ia" = (0, 8);  action 72 = A1 = "ai".
"""

from __future__ import annotations

from go_env.errors import HonteError

EMPTY, BLACK, WHITE = 0, 1, 2

COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_COLOR_OF = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}


def pass_action(size: int) -> int:
    """Return the action index of a pass."""
    return size * size


def action_from_row_col(row: int, column: int, size: int) -> int:
    """Return the action of a point; row 0 is at the top."""
    if not (0 <= row < size and 0 <= column < size):
        raise HonteError(f"({row}, {column}) is not on a {size}x{size} board")
    return row * size + column


def row_col_from_action(action: int, size: int) -> tuple[int, int]:
    """Return (row, column) of a point; a pass is an error."""
    if not 0 <= action < size * size:
        raise HonteError(f"action {action} is not a point of a {size}x{size} board")
    return divmod(action, size)


def vertex_from_action(action: int, size: int) -> str:
    """Return the GTP vertex of an action."""
    if action == pass_action(size):
        return "pass"
    row, column = row_col_from_action(action, size)
    return f"{COLUMNS[column]}{size - row}"


def action_from_vertex(text: str, size: int) -> int:
    """Return the action of a GTP vertex in upper or lower case."""
    name = text.strip().upper()
    if name == "PASS":
        return pass_action(size)
    column = COLUMNS.find(name[:1]) if name else -1
    digits = name[1:]
    if 0 <= column < size and digits.isascii() and digits.isdigit() and len(digits) <= 3:
        number = int(digits)
        if 1 <= number <= size:
            return (size - number) * size + column
    raise HonteError(f"{text[:20]!r} is not a vertex of a {size}x{size} board")


def action_from_sgf(text: str, size: int) -> int:
    """Return the action of an SGF point; "" and, up to 19x19, "tt" are passes."""
    if text == "" or (text == "tt" and size <= 19):
        return pass_action(size)
    if len(text) == 2 and all("a" <= letter <= "z" for letter in text):
        column, row = (ord(letter) - ord("a") for letter in text)
        if row < size and column < size:
            return row * size + column
    raise HonteError(f"{text[:20]!r} is not an SGF point of a {size}x{size} board")


def color_from_letter(text: str) -> int:
    """Return BLACK or WHITE for b, w, black, white in any case."""
    try:
        return _COLOR_OF[text.strip().lower()]
    except KeyError:
        raise HonteError(f"{text[:20]!r} is not a color: use b or w") from None


def letter_from_color(color: int) -> str:
    """Return "b" or "w"."""
    return "b" if color == BLACK else "w"
