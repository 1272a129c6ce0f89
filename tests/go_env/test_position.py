"""Positions as objects: copies, playing on, rules that are refused; and the eyes of playouts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from games import random_positions
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE, pass_action
from go_env.env_games import game_rules
from go_env.errors import HonteError
from go_env.features import ZERO, encode
from go_env.layout import cell_of
from go_env.playout import is_own_eye
from go_env.position import Position
from go_env.rules import FAIR_KOMI, Rules


def long_game(plies: int = 400) -> Position:
    """Return a position whose past is longer than Python likes to recurse."""
    rng, position = np.random.default_rng(3), Position.setup(Rules(5, 0.5), black=[7], white=[12])
    for _ in range(plies):
        position = position.play(int(rng.choice(np.flatnonzero(position.legal()))))
    return position


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_of_long_games_have_the_same_past(duplicate: Any) -> None:
    position = long_game()
    twin = duplicate(position)
    assert twin.record.tobytes() == position.record.tobytes()
    np.testing.assert_array_equal(twin.history, position.history)
    assert twin.moves == position.moves
    assert twin.undo().hash == position.undo().hash


def test_a_game_stays_over_however_long_it_is_passed_on() -> None:
    position = Position.initial(Rules(3, 0.5))
    for ply in range(300):
        assert position.ended == (ply >= 2)
        position = position.play(pass_action(3))


@pytest.mark.parametrize(
    "values",
    [{"komi": float("nan")}, {"komi": float("inf")}, {"komi": 0.25}, {"move_limit": 2**31},
     {"move_limit": 0}, {"size": 1}, {"ko": "none"}],
)  # fmt: skip
def test_what_are_no_rules_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(HonteError):
        Rules(**values)


@pytest.mark.parametrize("color", [0, 3, -1])
def test_a_color_that_is_no_players_is_refused(color: int) -> None:
    position = Position.initial(Rules(5))
    for action in (12, 25):
        for ask in (position.play, position.why_illegal, position.is_legal):
            with pytest.raises(HonteError, match=f"color {color} is no player's"):
                ask(action, color)
    with pytest.raises(HonteError, match=f"color {color} is no player's"):
        Position.setup(Rules(5), to_play=color)


def test_a_move_limit_beside_rules_counts() -> None:
    assert game_rules(9, None, Rules(5), move_limit=10).move_limit == 10
    assert game_rules(9, None, Rules(5, move_limit=12)).move_limit == 12
    assert game_rules(9, None, Rules(5)).move_limit == 75


def test_fair_komi_of_the_smallest_board_is_its_value() -> None:
    """Black wins the 2x2 board by one point: searched in full, superko included."""

    def value(position: Position, low: float, high: float) -> float:
        if position.ended:
            return position.score()
        black = position.to_play == BLACK
        for action in np.flatnonzero(position.legal())[::-1]:  # a pass first: it ends games
            found = value(position.play(int(action)), low, high)
            low, high = (max(low, found), high) if black else (low, min(high, found))
            if low >= high:
                break
        return low if black else high

    assert value(Position.initial(Rules(2, 0.0)), -4.0, 4.0) == FAIR_KOMI[2]


def test_a_copied_feature_set_is_the_same_one() -> None:
    batch = PositionBatch.of(random_positions(Rules(5, 0.5), 4, seed=1), ZERO.history)
    planes = [np.zeros((4, ZERO.num_planes, 5, 5), np.float32) for _ in range(2)]
    encode(batch, ZERO, planes[0])
    encode(batch, copy.deepcopy(ZERO), planes[1])
    np.testing.assert_array_equal(*planes)


@pytest.mark.parametrize("size", [2, 3, 5, 9])
def test_own_eyes_are_those_of_the_plain_definition(size: int) -> None:
    found = 0
    for position in random_positions(Rules(size, 0.5), 30, seed=size):
        for color in (BLACK, WHITE):
            for point in np.flatnonzero(position.board.ravel() == 0):
                expected = plain_own_eye(position.board, int(point), color)
                eye = is_own_eye(position.record[0], cell_of(int(point), size), color)
                assert bool(eye) == expected
                found += expected
    assert found


def plain_own_eye(board: np.ndarray, point: int, color: int) -> bool:
    """All neighbors own; of the diagonals one at most the enemy's, at the edge none."""
    size = len(board)
    row, column = divmod(point, size)

    def at(*steps: tuple[int, int]) -> list[int]:
        places = [(row + down, column + right) for down, right in steps]
        return [int(board[p]) for p in places if min(p) >= 0 and max(p) < size]

    sides = at((0, 1), (1, 0), (0, -1), (-1, 0))
    corners = at((1, 1), (1, -1), (-1, 1), (-1, -1))
    enemies = corners.count(BLACK + WHITE - color)
    return all(side == color for side in sides) and enemies <= (len(corners) == 4)
