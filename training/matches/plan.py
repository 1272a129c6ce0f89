"""What a match consists of: players, pairings, openings, and which games are still to be played."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.gtp.clock import TimeSystem
from agents.registry import is_engine
from go_env.errors import HonteError
from go_env.rules import Rules, fair_komi
from training.matches.arena import Fixture
from training.matches.clock import parse_clock
from training.matches.openings import Opening, book_openings, sample_openings
from training.rating.sprt import SprtBounds

_NAMED = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)
_MOST_PAIRS_AT_ONCE = 16  # per worker and pairing: batches of up to 16 positions per agent


@dataclass(frozen=True)
class Player:
    """A player of a match: `spec` makes it, `name` stands in tables.

    Attributes:
        weights: the copy of a run's model in the folder of the match, which outlasts the model.
    """

    name: str
    spec: str
    weights: Path | None = None

    @property
    def external(self) -> bool:
        """Whether it is one process that plays one game at a time."""
        return is_engine(self.spec)


@dataclass(frozen=True)
class MatchConfig:
    """A match as a person asks for it.

    Attributes:
        players: SPEC or NAME=SPEC each.
        games: of each pairing; an odd number leaves the last opening with one game.
        komi: None is the fair komi of the size.
        openings: number of random plies, or a book (see `openings.book_openings`).
        gauntlet: the first player meets all others, who do not meet each other.
        seconds: fixed time for each move; excludes `clock`.
        clock: see `clock.parse_clock`.
        grace_s: time per move that clocks forgive.
        referee: SPEC of a GTP engine whose `final_score` decides; None: area as the board stands.
        sprt: stop a match of two players when decided.
        workers: processes; 0 plays in this process.
        parallel: most games that one worker plays in lockstep.
    """

    players: tuple[str, ...]
    games: int = 20
    size: int = 9
    komi: float | None = None
    rules: str = "tromp-taylor"
    move_limit: int | None = None
    seed: int = 0
    openings: str = "2"
    gauntlet: bool = False
    seconds: float | None = None
    clock: str | None = None
    grace_s: float = 0.1
    referee: str | None = None
    sprt: SprtBounds | None = None
    anchor: str | None = None
    workers: int = 0
    parallel: int = 32

    def __post_init__(self) -> None:
        if len(self.players) < 2:
            raise HonteError("a match needs at least two players: honte match SPEC SPEC")
        if self.games < 1:
            raise HonteError(f"a match needs at least one game per pairing (given {self.games})")
        if self.seconds is not None and self.clock is not None:
            raise HonteError("--seconds and --clock exclude each other")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise HonteError(f"--seconds must be positive (given {self.seconds:g})")
        if not 0 <= self.grace_s < math.inf:
            raise HonteError(f"--grace must be 0 or more seconds (given {self.grace_s:g})")
        if self.sprt is not None and len(self.players) != 2:
            raise HonteError("--sprt tests two players against each other; give two SPECs")
        if self.referee is not None and not is_engine(self.referee):
            raise HonteError(
                f"the referee must be a GTP engine, gtp:COMMAND or gnugo (given {self.referee})"
            )

    def to_rules(self) -> Rules:
        komi = fair_komi(self.size) if self.komi is None else self.komi
        limit = 4 * self.size * self.size if self.move_limit is None else self.move_limit
        return Rules.preset(self.rules, size=self.size, komi=komi, move_limit=limit)

    def time_system(self) -> TimeSystem | None:
        if self.seconds is not None:
            return TimeSystem("canadian", 0.0, self.seconds, 1)
        return None if self.clock is None else parse_clock(self.clock)

    def settings(self) -> dict[str, Any]:
        """What must not change when a match is resumed (players and games may be added)."""
        rules = self.to_rules()
        return {
            "size": rules.size,
            "komi": rules.komi,
            "rules": self.rules,
            "move_limit": rules.move_limit,
            "seed": self.seed,
            "openings": self.openings,
            "seconds": self.seconds,
            "clock": self.clock,
            "referee": self.referee,
        }


@dataclass(frozen=True)
class Task:
    """Some games of one pairing: what a worker is given at a time."""

    first: Player
    second: Player
    fixtures: tuple[Fixture, ...]


def parse_players(texts: Sequence[str]) -> tuple[Player, ...]:
    """Read `SPEC` or `NAME=SPEC`; a repeated SPEC without a name gets a number."""
    players: dict[str, Player] = {}
    for text in texts:
        match = _NAMED.fullmatch(text)
        name, spec = match.groups() if match else (text, text)
        if match and name in players:
            raise HonteError(f"two players are called {name!r}: give them different names")
        number = 2
        while name in players:
            name, number = f"{text} #{number}", number + 1
        players[name] = Player(name, spec)
    return tuple(players.values())


def make_openings(config: MatchConfig, rules: Rules) -> list[Opening]:
    """Return one opening per game pair; a book that is too short is started again."""
    pairs = (config.games + 1) // 2
    if re.fullmatch(r"-?[0-9]+", config.openings):
        return sample_openings(rules, int(config.openings), pairs, config.seed)
    book = book_openings(config.openings, rules)
    return list(itertools.islice(itertools.cycle(book), pairs))


def plan(
    config: MatchConfig, players: Sequence[Player], finished: Collection[tuple[str, str, int, int]]
) -> list[Task]:
    """Return the games still to be played, all pairings advancing together.

    A pairing that has games keeps its first player, in whatever order players are named now.
    """
    rules = config.to_rules()
    known = {(first, second) for first, second, _, _ in finished}
    openings = make_openings(config, rules)
    at_once = _pairs_at_once(config, len(openings))
    tasks: list[tuple[int, Task]] = []
    for first, second in _pairings(players, config.gauntlet):
        if (second.name, first.name) in known:
            first, second = second, first
        alone = first.external or second.external or config.time_system() is not None
        step = 1 if alone else at_once
        for start in range(0, len(openings), step):
            fixtures = tuple(
                fixture
                for pair in range(start, min(start + step, len(openings)))
                for fixture in _pair_fixtures(pair, openings[pair], config.games)
                if (first.name, second.name, fixture.pair, fixture.leg) not in finished
            )
            if fixtures:
                tasks.append((start, Task(first, second, fixtures)))
    tasks.sort(key=lambda entry: entry[0])
    return [task for _, task in tasks]


def _pairs_at_once(config: MatchConfig, pairs: int) -> int:
    """Return pairs per task: large batches, but work for every worker."""
    share = -(-pairs // max(1, 2 * config.workers)) if config.workers else pairs
    return max(1, min(_MOST_PAIRS_AT_ONCE, share, config.parallel // 2))


def _pair_fixtures(pair: int, opening: Opening, games: int) -> Iterator[Fixture]:
    for leg in (0, 1):
        if 2 * pair + leg < games:
            yield Fixture(pair, leg, opening)


def _pairings(players: Sequence[Player], gauntlet: bool) -> list[tuple[Player, Player]]:
    if gauntlet:
        return [(players[0], other) for other in players[1:]]
    return list(itertools.combinations(players, 2))
