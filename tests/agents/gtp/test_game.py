"""The game as a value: komi, handicap, undo, going on."""

import pytest

from agents.gtp.game import (
    Game,
    facing,
    fixed_handicap_points,
    format_points,
    free_handicap_points,
)
from go_env.coords import (
    BLACK,
    WHITE,
    action_from_vertex,
    pass_action,
    vertex_from_action,
)
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules, usable_komi


def vertices(points, size):
    return " ".join(vertex_from_action(point, size) for point in points)


@pytest.mark.parametrize(
    ("komi", "usable"),
    [(6.5, 6.5), (7, 7), (6.7, 6.5), (-0.2, -0.5), (1e300, 1250), (-1e300, -1250), (0.001, 0.5)],
)
def test_usable_komi_decides_games_alike(komi, usable):
    assert usable_komi(komi) == usable
    for score in range(-625, 626):
        assert (score > komi) == (score > usable) and (score < komi) == (score < usable)


@pytest.mark.parametrize(("points", "text"), [(7.0, "7"), (6.5, "6.5"), (-3.75, "-3.75"), (0, "0")])
def test_format_points(points, text):
    assert format_points(points) == text


# GTP version 2, section 4.1.1
@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        (19, 2, "D4 Q16"),
        (19, 3, "D4 Q16 D16"),
        (19, 4, "D4 Q16 D16 Q4"),
        (19, 5, "D4 Q16 D16 Q4 K10"),
        (19, 6, "D4 Q16 D16 Q4 D10 Q10"),
        (19, 7, "D4 Q16 D16 Q4 D10 Q10 K10"),
        (19, 8, "D4 Q16 D16 Q4 D10 Q10 K4 K16"),
        (19, 9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"),
        (9, 2, "C3 G7"),
        (12, 4, "C3 K10 C10 K3"),
        (13, 5, "D4 K10 D10 K4 G7"),
        (7, 4, "C3 E5 C5 E3"),
    ],
)
def test_fixed_handicap(size, count, expected):
    assert vertices(fixed_handicap_points(count, size), size) == expected


@pytest.mark.parametrize(("size", "count"), [(6, 2), (7, 5), (8, 5), (9, 1), (9, 10), (19, 10)])
def test_no_fixed_handicap(size, count):
    assert fixed_handicap_points(count, size) is None


@pytest.mark.parametrize("size", [2, 3, 5, 6, 8, 9, 19])
def test_free_handicap_is_legal_for_any_count(size):
    for count in range(2, size * size):
        points = free_handicap_points(count, size)
        assert 2 <= len(points) <= count and len(set(points)) == len(points)
        assert all(0 <= point < size * size for point in points)


def test_restart_keeps_komi_and_rules():
    rules = Rules(size=9, ko="situational", suicide=False)
    game = Game.start(rules, 6.7).play(BLACK, 0).restart(13)
    assert (game.size, game.komi, game.rules.ko, game.is_empty) == (13, 6.7, "situational", True)
    assert game.rules.komi == 6.5 and not game.rules.suicide


def test_handicap_needs_an_empty_board_and_is_no_move():
    game = Game.start(Rules(), 0.5).place_handicap([20, 60])
    assert game.position.to_play == WHITE and game.position.moves == () and game.handicap == 2
    with pytest.raises(HonteError, match="board not empty"):
        game.place_handicap([1, 2])
    with pytest.raises(HonteError):
        game.undo()


def test_komi_can_change_in_the_middle():
    game = Game.start(Rules(), 7).play(BLACK, 40).with_komi(0.3)
    assert game.position.score() == 81 - 0.5
    assert game.exact_score(game.position.score()) == pytest.approx(80.7)
    assert game.undo().komi == 0.3


def test_facing_changes_the_player_but_no_stone():
    position = Game.start(Rules(size=5), 7).play(BLACK, 12).position
    other = facing(position, BLACK)
    assert other.to_play == BLACK and position.to_play == WHITE
    assert (other.board == position.board).all() and other.moves == position.moves
    assert facing(position, WHITE) is position


def test_a_ko_binds_the_other_color_only():
    rules = Rules.preset("chinese", size=9)
    moves = "D4 D5 C5 E6 D6 F5 J1 E4 E5".split()  # Black takes the ko with the last one
    moves = [(1 + ply % 2, action_from_vertex(move, 9)) for ply, move in enumerate(moves)]
    position = Position.from_moves(rules, moves)
    taken = action_from_vertex("D5", 9)
    assert position.board.flat[taken] == 0
    assert not position.legal()[taken]
    assert facing(position, BLACK).legal()[taken]


def test_facing_an_ended_game_goes_on():
    no_action = pass_action(5)
    game = Game.start(Rules(size=5), 7).play(BLACK, no_action).play(WHITE, no_action)
    assert game.position.ended
    assert not facing(game.position, BLACK).ended
