"""Play games between two agents: many at once, each opening twice with colors swapped.

All running games advance by one ply together; every agent gets one `choose` call a ply with all
positions in which it is to move, so that network agents work in batches. Games end by rule only:
two passes, the move limit, resignation, the clock, or a forfeit (an illegal move, a dead engine).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

from agents.base import Agent, Decision
from agents.gtp.clock import Remaining, TimeSystem
from agents.registry import is_engine
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from training.matches.clock import MatchClock
from training.matches.openings import Opening
from training.matches.referee import Referee, TrompTaylorReferee

Reason = Literal["score", "move limit", "resignation", "time", "illegal move", "forfeit"]


@runtime_checkable
class TimedAgent(Protocol):
    """An agent that wants to know the clocks before it chooses."""

    def set_clock(self, system: TimeSystem, left: dict[int, Remaining]) -> None:
        """Tell the time control and what each color (BLACK, WHITE) has left."""
        ...


@runtime_checkable
class PreparedAgent(Protocol):
    """An agent that has something to do before its clock runs."""

    def prepare(self, position: Position) -> None:
        """Get ready to move, or to be moved against, in this position."""
        ...


@dataclass(frozen=True)
class Fixture:
    """One game to play. In leg 0 the first agent has Black, in leg 1 the second."""

    pair: int
    leg: int
    opening: Opening


@dataclass(frozen=True)
class MatchGame:
    """A finished game.

    Attributes:
        moves: all actions, Black first, those of the opening included.
        values: for each move the mover's estimate of its outcome in [-1, 1], None where unknown.
        winner: BLACK, WHITE or 0 for a draw.
        score: Black minus White minus komi by the referee; None when the game was not counted.
        seconds: thinking time of (Black, White).
        note: what a forfeit was about, or why the referee did not count.
    """

    fixture: Fixture
    black: str
    white: str
    moves: tuple[int, ...]
    values: tuple[float | None, ...]
    winner: int
    score: float | None
    reason: Reason
    seconds: tuple[float, float]
    note: str = ""

    @property
    def black_score(self) -> float:
        """Black's points: 1, 0.5 or 0."""
        return {BLACK: 1.0, WHITE: 0.0}.get(self.winner, 0.5)

    @property
    def first_score(self) -> float:
        """Points of the arena's first agent."""
        return self.black_score if self.fixture.leg == 0 else 1.0 - self.black_score

    @property
    def result(self) -> str:
        """The result as SGF writes it."""
        if self.winner == 0:
            return "0"
        letter = "B" if self.winner == BLACK else "W"
        if self.score is not None:
            return f"{letter}+{abs(self.score):g}"
        return letter + {"resignation": "+R", "time": "+T"}.get(self.reason, "+F")


@dataclass(frozen=True)
class GamePair:
    """Both games of one opening: the independent unit of a match."""

    games: tuple[MatchGame, MatchGame]

    @property
    def score(self) -> float:
        """Points of the first agent in both games, 0 to 2."""
        return self.games[0].first_score + self.games[1].first_score


@dataclass(frozen=True)
class ArenaSettings:
    """How games are run.

    Attributes:
        parallel: games in lockstep; 1 where a clock runs or an agent is one external process.
        clock: the time control; None: agents take the time they take.
        grace_s: time per move that the clock forgives (transport, a loaded machine).
    """

    parallel: int = 32
    clock: TimeSystem | None = None
    grace_s: float = 0.0

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise HonteError(f"an arena plays at least 1 game at once (given {self.parallel})")
        if self.clock is not None and self.parallel != 1:
            raise HonteError("with clocks the games of an arena run one after another: parallel=1")


@dataclass
class _Running:
    """A game in progress."""

    fixture: Fixture
    position: Position
    clock: MatchClock | None
    values: list[float | None] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=lambda: {BLACK: 0.0, WHITE: 0.0})
    verdict: tuple[int, Reason, str] | None = None  # winner, reason, note: ended off the board

    @property
    def mover(self) -> int:
        """Index of the agent to move."""
        return (self.position.to_play != BLACK) ^ self.fixture.leg

    @property
    def over(self) -> bool:
        return self.verdict is not None or self.position.ended


class Arena:
    """Plays two agents against each other under one set of rules."""

    def __init__(
        self,
        agents: tuple[Agent, Agent],
        rules: Rules,
        settings: ArenaSettings | None = None,
        referee: Referee | None = None,
    ) -> None:
        self._agents = agents
        self._rules = rules
        self._settings = settings or ArenaSettings()
        self._referee = referee or TrompTaylorReferee()

    def pairs(self, openings: Iterable[Opening]) -> Iterator[GamePair]:
        """Yield finished pairs in the order of their openings.

        The order does not depend on how long games last, so that a sequential test may stop at any
        pair without favoring short games. Openings are taken one by one as games are started.
        """
        waiting: dict[int, dict[int, MatchGame]] = {}
        due = 0
        fixtures = (
            Fixture(pair, leg, opening) for pair, opening in enumerate(openings) for leg in (0, 1)
        )
        for game in self.games(fixtures):
            waiting.setdefault(game.fixture.pair, {})[game.fixture.leg] = game
            while len(waiting.get(due, ())) == 2:
                legs = waiting.pop(due)
                due += 1
                yield GamePair((legs[0], legs[1]))

    def games(self, fixtures: Iterable[Fixture]) -> Iterator[MatchGame]:
        """Yield games as they end."""
        queue = iter(fixtures)
        running: list[_Running] = []
        while True:
            while len(running) < self._settings.parallel:
                fixture = next(queue, None)
                if fixture is None:
                    break
                running.append(self._start(fixture))
            if not running:
                return
            self._advance([game for game in running if not game.over])
            over = [game for game in running if game.over]
            running = [game for game in running if not game.over]
            for game in over:
                yield self._finish(game)

    def _start(self, fixture: Fixture) -> _Running:
        position = Position.from_moves(self._rules, fixture.opening.moves)
        clock = None if self._settings.clock is None else MatchClock(self._settings.clock)
        for agent in self._agents:
            if clock is not None and isinstance(agent, PreparedAgent):
                agent.prepare(position)
        values: list[float | None] = [None] * len(fixture.opening.moves)
        return _Running(fixture, position, clock, values)

    def _advance(self, games: Sequence[_Running]) -> None:
        """Play one move in every game."""
        turns = [[game for game in games if game.mover == agent] for agent in (0, 1)]
        for agent, mine in zip(self._agents, turns, strict=True):
            if not mine:
                continue
            clock = mine[0].clock
            if clock is not None and isinstance(agent, TimedAgent):
                agent.set_clock(clock.system, clock.left)
            start_s = time.perf_counter()
            decisions = agent.choose([game.position for game in mine])
            share_s = (time.perf_counter() - start_s) / len(mine)
            if len(decisions) != len(mine):
                raise RuntimeError(
                    f"{agent.name} gave {len(decisions)} decisions for {len(mine)} positions"
                )
            for game, decision in zip(mine, decisions, strict=True):
                self._apply(game, decision, share_s)

    def _apply(self, game: _Running, decision: Decision, elapsed_s: float) -> None:
        position = game.position
        color = position.to_play
        opponent = BLACK + WHITE - color
        game.seconds[color] += elapsed_s
        if game.clock is not None and not game.clock.spend(
            color, max(0.0, elapsed_s - self._settings.grace_s)
        ):
            game.verdict = (opponent, "time", f"move {position.ply + 1} took {elapsed_s:.2f} s")
        elif "forfeit" in decision.info:
            game.verdict = (opponent, "forfeit", str(decision.info["forfeit"]))
        elif decision.resign:
            game.verdict = (opponent, "resignation", "")
        elif (reason := position.why_illegal(decision.action)) is not None:
            game.verdict = (opponent, "illegal move", f"move {position.ply + 1}: {reason}")
        else:
            game.position = position.play(decision.action)
            game.values.append(decision.value)

    def _finish(self, game: _Running) -> MatchGame:
        position = game.position
        names = [self._agents[game.fixture.leg].name, self._agents[1 - game.fixture.leg].name]
        score: float | None = None
        if game.verdict is not None:
            winner, reason, note = game.verdict
        else:
            score, note = self._referee.score(position)
            winner = BLACK if score > 0 else WHITE if score < 0 else 0
            actions = [action for _, action in position.moves[-2:]]
            passed = actions == [position.size**2] * 2
            reason = "score" if passed else "move limit"
        return MatchGame(
            fixture=game.fixture,
            black=names[0],
            white=names[1],
            moves=tuple(action for _, action in position.moves),
            values=tuple(game.values),
            winner=winner,
            score=score,
            reason=reason,
            seconds=(game.seconds[BLACK], game.seconds[WHITE]),
            note=note,
        )


def meet_anchor(
    player: Agent, anchor: Agent, spec: str, rules: Rules, openings: Sequence[Opening]
) -> tuple[list[MatchGame], list[str]]:
    """Play each opening with both colors against the player that a SPEC names.

    An engine is one process, so its games follow each other; most refuse suicide.

    Returns:
        The games, and what went wrong in those that are left out: games lost by conduct (an engine
        died, or played an illegal move) say nothing about strength.
    """
    alone = is_engine(spec)
    rules = replace(rules, suicide=rules.suicide and not alone)
    settings = ArenaSettings(parallel=1 if alone else 2 * len(openings))
    games: list[MatchGame] = []
    problems: list[str] = []
    for pair in Arena((player, anchor), rules, settings).pairs(openings):
        for game in pair.games:
            if game.reason in ("forfeit", "illegal move"):
                problems.append(f"no game against '{spec}': {game.note}")
            else:
                games.append(game)
    return games, problems
