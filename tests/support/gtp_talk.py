"""Talks to a GTP session inside the test's own process."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np

from agents.base import Agent, Decision
from agents.gtp.lines import LineReader
from agents.gtp.options import GtpOptions
from agents.gtp.protocol import Engine, Output
from agents.gtp.session import Session
from agents.mcts_agent import MctsAgent
from agents.random_agent import RandomAgent
from agents.registry import PLAY_SEARCH
from go_env.coords import BLACK, WHITE, action_from_vertex
from go_env.errors import HonteError
from go_env.position import Position
from mcts.rollout import RolloutEvaluator
from scripted_agent import Scripted

#: Black's left side lives and so does White's right; the white stone at B5 is dead where it is.
WITH_DEAD_STONE = """
    . . X X O .
    . O X X O O
    X X X X O .
    . X X X O O
    X X X X O .
    . X X X O O
"""
_RESPONSE = re.compile(r"([=?])([0-9]*) ?(.*?)\n\n", re.DOTALL)


def random_player(size: int, seed: int) -> Agent:
    return RandomAgent(seed)


def no_player(size: int, seed: int) -> Agent:
    raise HonteError("there is no player")


def scripted(decide: Callable[[Position], Decision]) -> Callable[[int, int], Agent]:
    """Return a factory of players that answer with `decide(position)`."""
    return lambda size, seed: Scripted("scripted", decide)


def searching(simulations: int = 40) -> Callable[[int, int], Agent]:
    """Return a factory of players that search with random playouts."""
    return lambda size, seed: MctsAgent(RolloutEvaluator(seed), PLAY_SEARCH, simulations, "mcts")


def always(vertex: str, value: float = 0.0, resign: bool = False) -> Callable[[int, int], Agent]:
    """Return a factory of players that always answer the same."""

    def decide(position: Position) -> Decision:
        action = action_from_vertex(vertex, position.size)
        return Decision(action, value, policy_of(position, action), resign=resign)

    return scripted(decide)


def policy_of(position: Position, *actions: int) -> np.ndarray:
    """Return [A]: the actions in falling probability."""
    policy = np.zeros(position.size**2 + 1, np.float32)
    for rank, action in enumerate(actions):
        policy[action] = 1 / 2**rank
    return policy


class Talk:
    """A session and what it answers."""

    def __init__(
        self,
        player: Callable[[int, int], Agent] = random_player,
        options: GtpOptions | None = None,
    ) -> None:
        self.session = Session(player, options or GtpOptions())

    @property
    def position(self) -> Position:
        return self.session.state.position

    def raw(self, data: bytes) -> str:
        """Feed bytes to an engine over this session; return all that it writes."""
        written = io.BytesIO()
        reader = LineReader(io.BytesIO(data).read)
        Engine(self.session.handlers, reader, Output(written.write)).serve()
        return written.getvalue().decode()

    def ask(self, line: str) -> tuple[str, str]:
        """Return mark and text of the one response to a line."""
        answers = _RESPONSE.findall(self.raw(line.encode() + b"\n"))
        assert len(answers) == 1, answers
        return answers[0][0], answers[0][2]

    def result(self, line: str) -> str:
        mark, text = self.ask(line)
        assert mark == "=", f"{line!r} failed: {text}"
        return text

    def error(self, line: str) -> str:
        mark, text = self.ask(line)
        assert mark == "?", f"{line!r} should fail: {text}"
        return text

    def play(self, moves: str) -> None:
        """Play "b D4 w E5 ..."."""
        words = moves.split()
        for color, vertex in zip(words[::2], words[1::2], strict=True):
            self.result(f"play {color} {vertex}")


def snapshot(talk: Talk) -> tuple[object, ...]:
    """Return all of the state that commands can change."""
    state = talk.session.state
    position = state.position
    return (
        position.moves,
        position.record.tobytes(),
        position.history.tobytes(),
        position.rules,
        state.game.komi,
        state.game.handicap,
        state.clock.left(BLACK) if state.clock.running else None,
        state.clock.left(WHITE) if state.clock.running else None,
        state.options,
    )
