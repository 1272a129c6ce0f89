"""Input planes against a naive reading of the position, under all symmetries."""

from __future__ import annotations

import numpy as np
import pytest

from games import random_positions
from go_env.batch import PositionBatch
from go_env.errors import HonteError
from go_env.features import FEATURE_SETS, LEAN, ZERO, encode, feature_set
from go_env.position import Position
from go_env.rules import Rules
from go_env.symmetry import action_tables, inverse, point_tables, transform_policy

RULES = [
    Rules(2, 1.0),
    Rules(5, 3.5),
    Rules(6, -4.0, "situational", suicide=False),
    Rules(9, 7.0, "simple"),
]


def sides(rules: Rules) -> str:
    return f"{rules.size}x{rules.size}"


def chain_of(board: np.ndarray, start: tuple[int, int]) -> tuple[set, set]:  # type: ignore[type-arg]
    """Return (stones, liberties) of the chain at a point."""
    chain, liberties, todo = {start}, set(), [start]
    while todo:
        row, column = todo.pop()
        for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if min(near) < 0 or max(near) >= len(board) or near in chain:
                continue
            if board[near] == 0:
                liberties.add(near)
            elif board[near] == board[start]:
                chain.add(near)
                todo.append(near)
    return chain, liberties


def naive_lean(position: Position) -> np.ndarray:
    size, own, board = position.size, position.to_play, position.board
    planes = np.zeros((15, size, size), np.float32)
    planes[0] = 1
    for point in np.ndindex(size, size):
        if board[point]:
            liberties = len(chain_of(board, point)[1])
            planes[(0 if board[point] == own else 3) + min(liberties, 3)][point] = 1
        elif "ko" in (position.why_illegal(point[0] * size + point[1]) or ""):
            planes[7][point] = 1
    for t, (_, action) in enumerate(reversed(position.moves[-5:])):
        if action < size * size:
            planes[8 + t].flat[action] = 1
    planes[13] = (-position.komi if own == 1 else position.komi) / 10
    planes[14] = float(bool(position.moves) and position.moves[-1][1] == size * size)
    return planes


def naive_zero(position: Position) -> np.ndarray:
    own, planes = position.to_play, np.zeros((17, position.size, position.size), np.float32)
    step: Position | None = position
    for t in range(8):
        if step is not None:
            planes[2 * t] = step.board == own
            planes[2 * t + 1] = step.board == 3 - own
            step = step.previous
    planes[16] = own == 1
    return planes


NAIVE = {"lean": naive_lean, "zero": naive_zero}


def encoded(positions: list[Position], name: str, symmetry: int | np.ndarray = 0) -> np.ndarray:
    features, size = FEATURE_SETS[name], positions[0].size
    out = np.full((len(positions), features.num_planes, size, size), 9.0, np.float32)
    encode(PositionBatch.of(positions, features.history), features, out, symmetry)
    return out


def games(rules: Rules) -> list[Position]:
    """Return positions of all kinds: random ones, each once more after a pass, and a set-up."""
    some = random_positions(rules, 25, seed=11)
    passed = [position.play(rules.size**2) for position in some]
    setup = Position.setup(rules, black=[0], white=[rules.size**2 - 1], to_play=2)
    return [*some, *[p for p in passed if not p.ended], setup, setup.play(1)]


@pytest.mark.parametrize("rules", RULES, ids=sides)
@pytest.mark.parametrize("name", FEATURE_SETS)
def test_planes_are_what_the_position_says(name: str, rules: Rules) -> None:
    positions = games(rules)
    planes = encoded(positions, name)
    for row, position in zip(planes, positions, strict=True):
        np.testing.assert_array_equal(row, NAIVE[name](position))


def test_a_ko_point_is_marked() -> None:
    # . B W .     White has just taken at 5; Black may not take back at 6.
    # B W . W
    # . B W .
    moves = [1, 2, 4, 7, 9, 10, 6, 5]
    for ko in ("positional", "situational", "simple"):
        position = Position.from_moves(Rules(4, 1.0, ko, suicide=False), moves)  # type: ignore[arg-type]
        planes = encoded([position, position.play(16)], "lean")
        assert np.flatnonzero(planes[0, 7]).tolist() == [6]
        assert not planes[1, 7].any()  # White may connect


#: Symmetries as numpy does them: mirror rows if s & 1, columns if s & 2, transpose if s & 4.
def seen(planes: np.ndarray, symmetry: int) -> np.ndarray:
    planes = planes[..., ::-1, :] if symmetry & 1 else planes
    planes = planes[..., ::-1] if symmetry & 2 else planes
    return np.swapaxes(planes, -1, -2) if symmetry & 4 else planes


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_symmetries_are_those_of_numpy(name: str) -> None:
    positions = games(Rules(5, 3.5))
    upright = encoded(positions, name)
    for symmetry in range(8):
        np.testing.assert_array_equal(encoded(positions, name, symmetry), seen(upright, symmetry))
    each = np.arange(len(positions)) % 8
    mixed = encoded(positions, name, each)
    for i, symmetry in enumerate(each):
        np.testing.assert_array_equal(mixed[i], seen(upright[i], int(symmetry)))


def test_a_symmetric_game_looks_the_same() -> None:
    rules, rng = Rules(5, 3.5), np.random.default_rng(0)
    position = Position.initial(rules)
    mirrored = [Position.initial(rules) for _ in range(8)]
    for _ in range(30):
        action = int(rng.choice(np.flatnonzero(position.legal())))
        position = position.play(action)
        mirrored = [p.play(int(action_tables(5)[s][action])) for s, p in enumerate(mirrored)]
        for name in FEATURE_SETS:
            views = encoded([position] * 8, name, np.arange(8))
            np.testing.assert_array_equal(views, encoded(mirrored, name))
        if position.ended:
            break


@pytest.mark.parametrize("size", [2, 5, 9])
def test_tables_are_eight_different_permutations(size: int) -> None:
    tables = point_tables(size)
    assert len({table.tobytes() for table in tables}) == 8
    for symmetry, table in enumerate(tables):
        np.testing.assert_array_equal(np.sort(table), np.arange(size * size))
        np.testing.assert_array_equal(tables[inverse(symmetry)][table], np.arange(size * size))
    assert (action_tables(size)[:, -1] == size * size).all()


def test_policies_turn_with_the_board() -> None:
    policy = np.arange(26, dtype=np.float32)[None]
    for symmetry in range(8):
        turned = transform_policy(policy, symmetry, 5)
        np.testing.assert_array_equal(turned[0, :25].reshape(5, 5), seen(
            policy[0, :25].reshape(5, 5), symmetry))  # fmt: skip
        back = transform_policy(turned, inverse(symmetry), 5)
        np.testing.assert_array_equal(back, policy)


def test_too_short_a_history_is_refused() -> None:
    batch = PositionBatch.of([Position.initial(Rules(5))], history=4)
    with pytest.raises(HonteError, match="snapshots"):
        encode(batch, ZERO, np.zeros((1, 17, 5, 5), np.float32))


def test_names_and_versions() -> None:
    assert feature_set("lean") is LEAN
    assert feature_set("zero", 1) is ZERO
    assert (ZERO.num_planes, LEAN.num_planes) == (17, 15)
    with pytest.raises(HonteError, match="unknown feature set"):
        feature_set("keen")
    with pytest.raises(HonteError, match="version 2"):
        feature_set("lean", 2)
