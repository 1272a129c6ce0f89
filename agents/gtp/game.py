"""The game on the board of a session: an immutable value, replaced only when a command succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from go_env.coords import BLACK, EMPTY, WHITE
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules, usable_komi


def bonus_points(bonus: str, handicap: int) -> int:
    """Return White's points for so many handicap stones under a bonus of "0", "N" or "N-1"."""
    return 0 if handicap < 2 else {"0": 0, "N": handicap, "N-1": handicap - 1}[bonus]


def format_points(points: float) -> str:
    """Return a number of points without needless zeros."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Game:
    position: Position
    komi: float  # as the client gave it; `position.komi` is the usable one
    handicap: int = 0
    bonus: str = "0"  # White's points for handicap stones: see `bonus_points`
    later_rules: Rules | None = None  # of games after this one, where it is played under others

    @staticmethod
    def start(rules: Rules, komi: float, bonus: str = "0") -> Game:
        """Return an empty board."""
        return Game(Position.initial(replace(rules, komi=usable_komi(komi))), komi, bonus=bonus)

    @property
    def size(self) -> int:
        return self.position.size

    @property
    def rules(self) -> Rules:
        return self.position.rules

    @property
    def own_rules(self) -> Rules:
        """The session's rules: those of this game, unless a file brought others along."""
        return self.later_rules or self.rules

    @property
    def is_empty(self) -> bool:
        """Tell whether no stone stands on the board."""
        return not (self.position.board != EMPTY).any()

    def restart(self, size: int | None = None) -> Game:
        """Return an empty board under the same rules and komi, of another size if given."""
        return Game.start(replace(self.own_rules, size=size or self.size), self.komi, self.bonus)

    def with_komi(self, komi: float) -> Game:
        return replace(self, komi=komi)._compensated()

    def with_rules(self, rules: Rules, bonus: str = "0") -> Game:
        position = self.position.with_rules(rules)
        return replace(self, position=position, bonus=bonus, later_rules=None)._compensated()

    def of(self, position: Position, handicap: int) -> Game:
        """Return the game that has come to a position after handicap stones."""
        return replace(self, position=position, handicap=handicap)._compensated()

    @property
    def full_komi(self) -> float:
        """The komi with White's compensation for handicap stones."""
        return self.komi + bonus_points(self.bonus, self.handicap)

    def _compensated(self) -> Game:
        komi = usable_komi(self.full_komi)
        if komi == self.position.komi:
            return self
        return replace(self, position=self.position.with_komi(komi))

    def play(self, color: int, action: int) -> Game:
        return replace(self, position=self.position.play(action, color))

    def undo(self, count: int = 1) -> Game:
        position = self.position
        for _ in range(count):
            position = position.undo()
        return replace(self, position=position)

    def place_handicap(self, points: Sequence[int]) -> Game:
        """Return the game that starts with these black stones, White to play."""
        if not self.is_empty:
            raise HonteError("board not empty")
        position = Position.setup(self.rules, black=points, to_play=WHITE)
        return self.of(position, len(points))

    def exact_score(self, usable_score: float) -> float:
        """Return a score (Black minus White minus komi) with the komi that the client gave."""
        return usable_score + self.position.komi - self.full_komi


def facing(position: Position, color: int) -> Position:
    """Return the same position with this color to move, going on if it had ended by passes."""
    if position.to_play == color and not position.ended:
        return position
    record = position.record.copy()
    if position.to_play != color:
        record["ko"] = 0  # it binds the opponent
    record["to_play"] = color
    record["passes"] = 0
    return Position(position.rules, record, position.history, position.moves, position.previous)


def fixed_handicap_points(count: int, size: int) -> list[int] | None:
    """Return the points of the customary placement, or None where there is none.

    Source: GTP version 2, section 4.1.1: up to nine stones on odd sizes from 9, four on others
    from 7, on the third line up to 12x12 and on the fourth above.
    """
    most = 0 if size < 7 else 9 if size % 2 and size >= 9 else 4
    if not 2 <= count <= most:
        return None
    edge = 2 if size <= 12 else 3
    near, middle, far = edge, size // 2, size - 1 - edge
    corners = [(far, near), (near, far), (near, near), (far, far)]  # (row from the top, column)
    sides = [(middle, near), (middle, far), (far, middle), (near, middle)]
    points = corners[: min(count, 4)]
    if count >= 6:
        points += sides[: (count - 4) // 2 * 2]
    if count in (5, 7, 9):
        points.append((middle, middle))
    return [row * size + column for row, column in points]


def free_handicap_points(count: int, size: int) -> list[int]:
    """Choose where the engine places its handicap stones; they may be fewer than asked for.

    Customary points first, then others that touch no stone, from the third line inwards.
    """
    fixed = fixed_handicap_points(count, size)
    if fixed is not None:
        return fixed
    most = 9 if size % 2 and size >= 9 else 4
    chosen = fixed_handicap_points(min(count, most), size) or []

    def rank(point: int) -> tuple[int, int]:
        row, column = divmod(point, size)
        line = min(row, column, size - 1 - row, size - 1 - column)
        return abs(line - 2), (row * 7 + column * 11) % size

    for point in sorted(range(size * size), key=rank):
        if len(chosen) == count:
            break
        row, column = divmod(point, size)
        crowded = any(
            abs(row - other // size) + abs(column - other % size) <= 1 for other in chosen
        )
        if not crowded:
            chosen.append(point)
    if len(chosen) < 2:
        chosen = [0, size * size - 1]
    return chosen


def chain_points(stones: Sequence[int], point: int, size: int) -> list[int]:
    """Return the chain that a stone belongs to; `stones` are the N*N colors of the points."""
    color, chain, seen = stones[point], [point], {point}
    for at in chain:
        row, column = divmod(at, size)
        for near, inside in (
            (at - size, row > 0),
            (at + size, row < size - 1),
            (at - 1, column > 0),
            (at + 1, column < size - 1),
        ):
            if inside and near not in seen and stones[near] == color:
                seen.add(near)
                chain.append(near)
    return chain


def all_chains(position: Position) -> list[tuple[int, list[int]]]:
    """Return (color, points) of every chain on the board."""
    stones = [int(stone) for stone in position.board.ravel()]
    chains, seen = [], set[int]()
    for point, stone in enumerate(stones):
        if stone in (BLACK, WHITE) and point not in seen:
            chain = chain_points(stones, point, position.size)
            seen.update(chain)
            chains.append((stone, sorted(chain)))
    return chains
