"""Boards as text: what is drawn can be read again, and what people paste is understood."""

import numpy as np
import pytest

from go_env.coords import BLACK, WHITE, action_from_vertex, pass_action
from go_env.diagram import parse_board, parse_position, render, star_points
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules

FIVE = """
   A B C D E
 5 . . . . .5
 4 . . . . .4
 3 . .(X)O .3
 2 . . . . .2
 1 . . . . .1
   A B C D E"""


def test_draws_coordinates_stars_and_the_last_move() -> None:
    position = Position.initial(Rules(size=5, komi=25.0))
    for color, vertex in ((WHITE, "D3"), (BLACK, "C3")):
        position = position.play(action_from_vertex(vertex, 5), color)
    drawn = render(position)
    expected = FIVE.strip("\n").replace(".5", ". 5").replace(".4", ". 4").replace(".3", ". 3")
    assert drawn == expected.replace(".2", ". 2").replace(".1", ". 1")


def test_the_last_move_on_the_right_edge_closes_its_bracket() -> None:
    position = Position.initial(Rules(size=5)).play(action_from_vertex("E5", 5))
    assert render(position).splitlines()[1] == " 5 . . . .(X)5"


def test_marks_replace_what_is_drawn() -> None:
    drawn = render(np.zeros((5, 5), np.int8), {0: "a", 24: "b"}, coordinates=False)
    assert drawn.splitlines()[0] == " a . . . ." and drawn.splitlines()[4] == " . . . . b"


@pytest.mark.parametrize("size", [2, 3, 5, 9, 10, 13, 19, 25])
@pytest.mark.parametrize("coordinates", [True, False])
def test_what_is_drawn_is_read_again(size: int, coordinates: bool) -> None:
    board = np.random.default_rng(size).integers(0, 3, (size, size)).astype(np.int8)
    assert np.array_equal(parse_board(render(board, coordinates=coordinates)), board)
    start = Position.initial(Rules(size=size))
    for point in range(size * size):  # brackets around the last move must not disturb the reader
        position = start.play((point + 1) % size**2).play(point)
        assert np.array_equal(parse_board(render(position)), position.board)


@pytest.mark.parametrize(
    "text",
    [
        ".X.\nO.O\n...",
        "3 . X .\n2 O . O\n1 . . .\n  A B C",
        "  a b c\n3 .x. 3\n2 o.o 2\n1 .+. 1\n",
        "   A B C\n 3 . # .\n 2 O . O 2    WHITE (O) has captured 0 stones\n 1 . . .\n   A B C",
    ],
)
def test_pasted_boards_are_understood(text: str) -> None:
    assert parse_board(text).tolist() == [[0, 1, 0], [2, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".X.\nO.\n...", "row 2 has 2 points"),
        ("hello", "not a row of a board"),
        ("", "this text has 0"),
        ("\n".join(["." * 26] * 26), "this text has 26"),
    ],
)
def test_bad_boards_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(HonteError, match=message) as error:
        parse_board(text)
    assert "\n" not in str(error.value)


def test_a_diagram_becomes_a_position() -> None:
    position = parse_position(".X.\nX.X\n.X.", to_play=WHITE)
    assert position.to_play == WHITE and position.size == 3
    # The center has no liberty for White; a single-stone suicide repeats the board.
    assert not position.is_legal(4) and position.is_legal(pass_action(3))
    with pytest.raises(HonteError, match="rules are for size 9"):
        parse_position("..\n..", Rules(size=9))


def test_star_points_are_where_players_expect_them() -> None:
    def names(size: int) -> list[tuple[int, int]]:
        return [divmod(point, size) for point in star_points(size)]

    assert names(9) == [(2, 2), (2, 6), (4, 4), (6, 2), (6, 6)]
    assert len(names(19)) == len(names(13)) == 9 and (9, 3) in names(19)
    assert len(names(10)) == 4 and names(2) == [] and names(5) == [(2, 2)]
