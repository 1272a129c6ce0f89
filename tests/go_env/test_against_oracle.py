"""The board kernels against the naive oracle and against unrelated libraries, move for move."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from pettingzoo.classic.go import go_base
from sgfmill.boards import Board as SgfmillBoard

from go_env.benson import fill_pass_alive_all
from go_env.board import classify_action, fill_area_all, fill_legal_all, play_all, start_all
from go_env.layout import ILLEGAL, KO_BANNED, KO_CODES, LEGAL, new_boards
from go_env.position import Position
from go_env.rules import Ko, Rules
from slow_board import BLACK, WHITE, SlowGame

RULE_SETS: list[tuple[Ko, bool]] = [(ko, suicide) for ko in KO_CODES for suicide in (True, False)]  # type: ignore[misc]
_CLASS = {None: LEGAL, "occupied": ILLEGAL, "suicide": ILLEGAL, "ko": KO_BANNED}
#: Games of each side under each rule set: small boards are where ko and suicide happen.
FAST = {2: 80, 3: 80, 4: 40, 5: 20, 6: 4, 7: 3, 9: 2, 10: 1, 13: 1}
FULL = {2: 300, 3: 420, 4: 420, 5: 300, 6: 110, 7: 70, 8: 35, 9: 30}
FULL |= dict.fromkeys((10, 11, 12, 13), 3) | dict.fromkeys((14, 15, 16, 17, 18, 19), 1)


class KernelGame:
    """One game in the kernels' records."""

    def __init__(self, rules: Rules, plies: int) -> None:
        self.size = rules.size
        self.boards = new_boards(1, rules)
        self.hashes = np.zeros((1, plies + 1), np.uint64)
        self.snapshots = np.zeros((1, 0, rules.size**2), np.int8)
        self.legal = np.zeros((1, rules.size**2 + 1), np.uint8)
        start_all(self.boards, self.hashes, self.snapshots)

    def play(self, action: int) -> None:
        play_all(self.boards, self.hashes, self.snapshots, np.array([action], np.int32))

    def classes(self) -> list[int]:
        fill_legal_all(self.boards, self.hashes, self.legal)
        return [int(value) for value in self.legal[0]]

    def rows(self) -> list[list[int]]:
        w = self.size + 1
        cells = self.boards["color"][0][: w * (self.size + 2)]
        grid = cells.reshape(-1, w)[1 : self.size + 1, 1:]
        return [[int(value) for value in row] for row in grid]

    def area(self) -> tuple[list[int], float]:
        owner = np.full((1, self.size**2), 9, np.int8)
        score = np.zeros(1, np.float32)
        fill_area_all(self.boards, owner, score)
        return owner[0].tolist(), float(score[0])

    def pass_alive(self) -> list[int]:
        alive = np.full((1, self.size**2), 9, np.int8)
        fill_pass_alive_all(self.boards, alive)
        return [int(value) for value in alive[0]]


@dataclass
class HashBook:
    """Tells whether hashes and what they stand for correspond one to one."""

    by_key: dict[object, int] = field(default_factory=dict)
    by_hash: dict[int, object] = field(default_factory=dict)

    def check(self, key: object, value: int) -> None:
        assert self.by_key.setdefault(key, value) == value
        assert self.by_hash.setdefault(value, key) == key


def choose(slow: SlowGame, rng: random.Random, classes: list[int], sensible: bool) -> int:
    """Choose a legal action; sensible players leave their eyes open, so that chains live."""
    passing = slow.size**2
    points = [action for action in range(passing) if classes[action] == LEGAL]
    if sensible:
        own = slow.to_play
        points = [
            action
            for action in points
            if any(slow.stones.get(n) != own for n in slow.neighbors(divmod(action, slow.size)))
        ]
    if not points or rng.random() < (0.02 if sensible else 1 / (len(points) + 1)):
        return passing
    return rng.choice(points)


def compare_position(slow: SlowGame, fast: KernelGame, books: tuple[HashBook, HashBook]) -> None:
    board = fast.boards[0]
    assert fast.rows() == slow.rows()
    # A record counts the stones lost by each color, the oracle those taken by each.
    assert (int(board["taken"][WHITE]), int(board["taken"][BLACK])) == (
        slow.captured[BLACK],
        slow.captured[WHITE],
    )
    stones = frozenset(slow.stones.items())
    books[0].check(stones, int(board["hash"]))
    situation = (stones, slow.to_play) if slow.ko == "situational" else stones
    books[1].check(situation, int(fast.hashes[0, board["length"] - 1]))


def compare_endgame(slow: SlowGame, fast: KernelGame, komi: float) -> None:
    owners = {BLACK: 1, WHITE: -1, 0: 0}
    assert fast.area() == (
        [owners[slow.owner(point)] for point in slow.points()],
        slow.area_score() - komi,
    )
    expected = [0] * slow.size**2
    for color in (BLACK, WHITE):
        for row, col in slow.pass_alive_stones(color) | slow.pass_alive_territory(color):
            expected[row * slow.size + col] = color
    assert fast.pass_alive() == expected


def compare_game(
    size: int, ko: Ko, suicide: bool, seed: int, books: tuple[HashBook, HashBook]
) -> set[str]:
    """Play one random game on both boards; return which kinds of illegal moves were met."""
    rng = random.Random(seed)
    sensible = seed % 2 == 1
    plies = 3 * size * size + 20
    komi = float(seed % 9)
    slow = SlowGame(size, ko=ko, suicide=suicide)
    fast = KernelGame(Rules(size=size, komi=komi, ko=ko, suicide=suicide), plies + 1)
    met: set[str] = set()
    for ply in range(plies):
        reasons = [slow.why_illegal(action) for action in range(size * size + 1)]
        classes = fast.classes()
        assert classes == [_CLASS[reason] for reason in reasons]
        met.update(reason for reason in reasons if reason)
        guess = rng.randrange(size * size)  # the opponent of the player to move, once per ply
        other = 3 - slow.to_play
        assert (
            classify_action(fast.boards, 0, fast.hashes, 0, guess, other)
            == _CLASS[slow.why_illegal(guess, other)]
        )
        action = choose(slow, rng, classes, sensible)
        slow.play(action)
        fast.play(action)
        compare_position(slow, fast, books)
        assert bool(fast.boards["passes"][0] >= 2) == slow.ended
        if slow.ended:
            break
        if size <= 5 and ply % 5 == 0:
            compare_endgame(slow, fast, komi)
    compare_endgame(slow, fast, komi)
    return met


def compare_games(ko: Ko, suicide: bool, games: dict[int, int]) -> int:
    met: set[str] = set()
    for size, count in games.items():
        books = (HashBook(), HashBook())
        for game in range(count):
            met |= compare_game(size, ko, suicide, 1000 * size + game, books)
    # A test that never meets the rule it tests proves nothing.
    assert met == ({"occupied", "ko"} if suicide else {"occupied", "ko", "suicide"})
    return sum(games.values())


@pytest.mark.parametrize(("ko", "suicide"), RULE_SETS)
def test_random_games_agree_with_the_oracle(ko: Ko, suicide: bool) -> None:
    compare_games(ko, suicide, FAST)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("ko", "suicide"), RULE_SETS)
def test_ten_thousand_random_games_agree_with_the_oracle(ko: Ko, suicide: bool) -> None:
    assert compare_games(ko, suicide, FULL) * len(RULE_SETS) >= 10_000


@pytest.mark.parametrize("size", [2, 5, 9, 13, 19])
def test_captures_and_area_agree_with_sgfmill(size: int) -> None:
    for seed in range(3):
        rng = random.Random(seed)
        fast = KernelGame(Rules(size=size, komi=0.0), 4 * size * size)
        theirs = SgfmillBoard(size)
        for ply in range(3 * size * size):
            classes = fast.classes()
            points = [a for a in range(size * size) if classes[a] == LEGAL]
            if not points:
                break
            action = rng.choice(points)
            row, col = divmod(action, size)
            theirs.play(size - 1 - row, col, "bw"[ply % 2])
            fast.play(action)
            assert fast.rows() == [
                [{None: 0, "b": 1, "w": 2}[theirs.get(size - 1 - row, col)] for col in range(size)]
                for row in range(size)
            ]
        assert fast.area()[1] == theirs.area_score()


@pytest.mark.parametrize("size", [3, 5, 9])
def test_legality_and_score_agree_with_pettingzoos_engine(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PettingZoo's board (Minigo's): no suicide, simple ko, area scoring; its size is global."""
    points = [(row, col) for row in range(size) for col in range(size)]
    slow = SlowGame(size)
    monkeypatch.setattr(go_base, "N", size)
    monkeypatch.setattr(go_base, "ALL_COORDS", points)
    monkeypatch.setattr(go_base, "EMPTY_BOARD", np.zeros((size, size), np.int8))
    monkeypatch.setattr(go_base, "NEIGHBORS", {point: slow.neighbors(point) for point in points})
    rules = Rules(size=size, komi=0.5, ko="simple", suicide=False)
    for seed in range(60 // size):
        rng = random.Random(seed)
        fast = KernelGame(rules, 3 * size * size + 1)
        theirs = go_base.Position(komi=0.5)
        for _ in range(3 * size * size):
            legal = [value == LEGAL for value in fast.classes()]
            assert legal == (theirs.all_legal_moves() == 1).tolist()
            action = rng.choice([a for a in range(size * size + 1) if legal[a]])
            theirs.play_move(None if action == size * size else divmod(action, size), mutate=True)
            fast.play(action)
            if theirs.is_game_over():
                break
        assert fast.area()[1] == theirs.score()


@pytest.mark.parametrize(("ko", "suicide"), RULE_SETS)
def test_positions_agree_when_colors_move_out_of_turn(ko: Ko, suicide: bool) -> None:
    """GTP lets either color move at any time: `Position` follows the oracle there too."""
    for seed in range(30):
        rng = random.Random(seed)
        size = 2 + seed % 4
        slow = SlowGame(size, ko=ko, suicide=suicide)
        position = Position.initial(Rules(size=size, komi=0.0, ko=ko, suicide=suicide))
        trail = [position]
        for _ in range(40):
            color = rng.choice((BLACK, WHITE))
            legal = slow.legal(color)
            for action in range(size * size + 1):
                assert position.is_legal(action, color) == (action in legal)
            action = rng.choice(sorted(legal))
            slow.play(action, color)
            position = position.play(action, color)
            assert position.board.tolist() == slow.rows()
            assert position.captures == (slow.captured[BLACK], slow.captured[WHITE])
            assert position.score() == slow.area_score() and position.to_play == slow.to_play
            assert {int(a) for a in np.flatnonzero(position.legal())} == slow.legal()
            trail.append(position)
        for before in reversed(trail[:-1]):
            position = position.undo()
            assert position is before
