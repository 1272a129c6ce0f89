"""Go written for the eye, not for the machine: the oracle that the kernels must agree with.

Points are (row, column) pairs, a board is a dict from point to stone, each earlier board is kept
whole. Nothing here is shared with `go_env`: no kernel, no table, no hash.

Sources: the Tromp-Taylor rules (https://tromp.github.io/go.html); Benson, "Life in the game of Go",
Information Sciences 10 (1976).
"""

from __future__ import annotations

from collections.abc import Iterable

Point = tuple[int, int]
Stones = dict[Point, int]
Chain = frozenset[Point]

BLACK, WHITE = 1, 2


class SlowGame:
    """A game under one rule set; actions are row * size + column, and size * size is a pass."""

    def __init__(self, size: int, *, ko: str = "positional", suicide: bool = True) -> None:
        self.size = size
        self.ko = ko
        self.suicide = suicide
        self.stones: Stones = {}
        self.to_play = BLACK
        self.passes = 0
        self.captured = {BLACK: 0, WHITE: 0}  # stones taken *by* each color
        self.boards = {self._frozen({})}
        self.situations = {(self._frozen({}), BLACK)}
        self.just_taken: Point | None = None  # the one stone that the last move took, if just one
        self.last_stone: Point | None = None

    @property
    def ended(self) -> bool:
        return self.passes >= 2

    def neighbors(self, point: Point) -> list[Point]:
        row, col = point
        around = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
        return [(r, c) for r, c in around if 0 <= r < self.size and 0 <= c < self.size]

    def points(self) -> list[Point]:
        return [(row, col) for row in range(self.size) for col in range(self.size)]

    def chain(self, stones: Stones, start: Point) -> Chain:
        """Return the solidly connected points of the kind found at `start` (a color or empty)."""
        kind = stones.get(start, 0)
        found, todo = {start}, [start]
        while todo:
            for point in self.neighbors(todo.pop()):
                if point not in found and stones.get(point, 0) == kind:
                    found.add(point)
                    todo.append(point)
        return frozenset(found)

    def liberties(self, stones: Stones, chain: Iterable[Point]) -> set[Point]:
        return {n for point in chain for n in self.neighbors(point) if n not in stones}

    def after(self, point: Point, color: int) -> tuple[Stones, set[Point], set[Point]]:
        """Return the stones after a play, the opponent's stones taken, and one's own taken."""
        stones = dict(self.stones)
        stones[point] = color
        taken: set[Point] = set()
        for neighbor in self.neighbors(point):
            if stones.get(neighbor) == 3 - color and neighbor not in taken:
                chain = self.chain(stones, neighbor)
                if not self.liberties(stones, chain):
                    taken |= chain
        for stone in taken:
            del stones[stone]
        own = self.chain(stones, point)
        lost = set() if self.liberties(stones, own) else set(own)
        for stone in lost:
            del stones[stone]
        return stones, taken, lost

    def why_illegal(self, action: int, color: int | None = None) -> str | None:
        """Return None for a legal action, else "occupied", "suicide" or "ko"."""
        color = color or self.to_play
        if action == self.size * self.size:
            return None
        point = divmod(action, self.size)
        if point in self.stones:
            return "occupied"
        stones, taken, lost = self.after(point, color)
        if lost and not self.suicide:
            return "suicide"
        board = self._frozen(stones)
        if self.ko == "positional":
            repeats = board in self.boards
        elif self.ko == "situational":
            repeats = (board, 3 - color) in self.situations
        else:
            repeats = point == self.just_taken and taken == {self.last_stone}
        return "ko" if repeats else None

    def legal(self, color: int | None = None) -> set[int]:
        actions = range(self.size * self.size + 1)
        return {action for action in actions if self.why_illegal(action, color) is None}

    def play(self, action: int, color: int | None = None) -> None:
        color = color or self.to_play
        assert self.why_illegal(action, color) is None
        self.just_taken = self.last_stone = None
        if action == self.size * self.size:
            self.passes += 1
        else:
            self.passes = 0
            point = divmod(action, self.size)
            self.stones, taken, lost = self.after(point, color)
            self.captured[color] += len(taken)
            self.captured[3 - color] += len(lost)
            self.last_stone = point
            self.just_taken = next(iter(taken)) if len(taken) == 1 else None
        self.to_play = 3 - color
        board = self._frozen(self.stones)
        self.boards.add(board)
        self.situations.add((board, self.to_play))

    def rows(self) -> list[list[int]]:
        return [
            [self.stones.get((row, col), 0) for col in range(self.size)] for row in range(self.size)
        ]

    def owner(self, point: Point) -> int:
        """Return who owns a point under area scoring: a color, or 0 for nobody."""
        if point in self.stones:
            return self.stones[point]
        region = self.chain(self.stones, point)
        border = {self.stones[n] for p in region for n in self.neighbors(p) if n in self.stones}
        return border.pop() if len(border) == 1 else 0

    def area_score(self) -> int:
        """Return Black's area minus White's area, before komi."""
        owners = [self.owner(point) for point in self.points()]
        return owners.count(BLACK) - owners.count(WHITE)

    def pass_alive_stones(self, color: int) -> set[Point]:
        """Return the stones that live even if their owner always passes (Benson 1976)."""
        chains = {self.chain(self.stones, p) for p, c in self.stones.items() if c == color}
        regions = self.enclosed_regions(color)
        while True:
            kept = {
                chain
                for chain in chains
                if sum(self._is_vital(region, chain) for region in regions) >= 2
            }
            stones = {point for chain in kept for point in chain}
            sound = {region for region in regions if self._border(region, color) <= stones}
            if kept == chains and sound == regions:
                return stones
            chains, regions = kept, sound

    def enclosed_regions(self, color: int) -> set[Chain]:
        """Return the maximal connected sets of points without a stone of this color."""
        kinds = {p: 1 for p in self.points() if self.stones.get(p) == color}
        others = [p for p in self.points() if p not in kinds]
        return {self.chain(kinds, p) for p in others}

    def pass_alive_territory(self, color: int) -> set[Point]:
        """Return the points of regions walled in by pass-alive stones, too small for two eyes.

        Too small: at most one point of the region is not next to the wall.
        """
        alive = self.pass_alive_stones(color)
        territory: set[Point] = set()
        for region in self.enclosed_regions(color):
            wall = self._border(region, color)
            inner = [p for p in region if not wall.intersection(self.neighbors(p))]
            if wall and wall <= alive and len(inner) <= 1:
                territory |= region
        return territory

    def _is_vital(self, region: Chain, chain: Chain) -> bool:
        """Tell whether all empty points of a region are liberties of the chain.

        Where suicide is legal the enemy stones in it may vanish, so that its stones count as empty.
        """
        around = {n for point in chain for n in self.neighbors(point)}
        need = region if self.suicide else {p for p in region if p not in self.stones}
        return bool(need & around) and need <= around

    def _border(self, region: Chain, color: int) -> set[Point]:
        around = {n for point in region for n in self.neighbors(point)}
        return {point for point in around if self.stones.get(point) == color}

    @staticmethod
    def _frozen(stones: Stones) -> frozenset[tuple[Point, int]]:
        return frozenset(stones.items())
