"""The games behind the environments: arrays for the kernels, Positions for everybody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from go_env import diagram, env_kernels, render
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError, IllegalMove
from go_env.features import FeatureSet, feature_set
from go_env.layout import NO_ACTION, new_boards
from go_env.playout import random_states
from go_env.position import Position
from go_env.rules import Rules, fair_komi
from go_env.symmetry import point_tables

COLORS = {"black": BLACK, "white": WHITE, "random": env_kernels.RANDOM_COLOR}
DEFAULT_MOVES_PER_POINT = 3  # a game without another limit ends after 3 * N * N moves


class Chooser(Protocol):
    """Whatever answers positions with decisions; every player of `agents` does."""

    def choose(self, positions: Sequence[Position]) -> Sequence[Any]:
        """Return for each position an action, or an object with `action` (and `resign`).

        At the first move of a game `resign` is not heeded: the action is played.
        """
        ...


#: (ply, color, over, illegal, winner, reward, score); `env_kernels.GAME` says what they are.
Description = tuple[int, int, bool, bool, int, float, float]
Opponent = str | Callable[[Position], int] | Chooser | None
RENDER_MODES = ("ansi", "rgb_array", "human")


def check_render_mode(mode: str | None) -> str | None:
    """Return the render mode, or refuse it."""
    if mode is not None and mode not in RENDER_MODES:
        raise HonteError(f"unknown render mode {mode!r}: use one of {', '.join(RENDER_MODES)}")
    return mode


def draw(position: Position, mode: str | None) -> Any:
    """Return text (`ansi`) or an image [H, W, 3] uint8 (`rgb_array`); `human` prints the text."""
    if mode == "rgb_array":
        return render.rgb_array(position)
    text = diagram.render(position) + "\n"
    if mode == "human":
        print(text)
    return text if mode == "ansi" else None


def game_rules(
    size: int, komi: float | None, rules: str | Rules, move_limit: int | None = None
) -> Rules:
    """Return the rules of an environment, which always has a move limit.

    Args:
        size: side of the board; ignored where `rules` is a Rules, which says it itself.
        komi: None for the fair komi of that size; ignored like `size`.
        rules: the name of a preset, or a Rules.
        move_limit: None for that of a Rules, or three moves per point of the board.
    """
    if isinstance(rules, Rules):
        size, komi = rules.size, rules.komi
        move_limit = rules.move_limit if move_limit is None else move_limit
        ko, suicide = rules.ko, rules.suicide
    else:
        preset = Rules.preset(rules, size=size)
        ko, suicide = preset.ko, preset.suicide
    if move_limit is None:
        move_limit = DEFAULT_MOVES_PER_POINT * size * size
    if move_limit < 2:
        raise HonteError(f"move limit {move_limit} leaves no game to play: use at least 2")
    komi = fair_komi(size) if komi is None else komi
    return Rules(size=size, komi=komi, ko=ko, suicide=suicide, move_limit=move_limit)


class Games:
    """B games of one environment, stepped together.

    Args:
        count: B.
        rules: with a move limit.
        features: name of the feature set that the agent observes.
        opponent: "random"; a function from Position to action; an object with
            `choose(positions)`; or None, where the agent plays both colors in turn.
        color: "black", "white" or "random": the agent's, drawn at each restart.
    """

    def __init__(
        self, count: int, rules: Rules, features: str, opponent: Opponent, color: str
    ) -> None:
        if isinstance(opponent, str) and opponent != "random":
            raise HonteError(
                f"unknown opponent {opponent!r}: use 'random', None (self-play), a function from "
                "Position to action, or a player (agents.registry.make_agent)"
            )
        assert rules.move_limit is not None
        self.rules = rules
        self.features: FeatureSet = feature_set(features)
        self.opponent = opponent
        size, limit = rules.size, rules.move_limit
        self.num_actions = size * size + 1
        self.boards = new_boards(count, rules)
        self.games = np.zeros(count, env_kernels.GAME)
        self.moves = np.full((count, limit + 1), NO_ACTION, np.int16)
        self.states = np.ones(count, np.uint64)
        self.legal = np.zeros((count, self.num_actions), np.uint8)
        hashes = np.zeros((count, limit + 2), np.uint64)
        snapshots = np.zeros((count, self.features.history, size * size), np.int8)
        owner = np.zeros((1, size * size), np.int8)
        scratch = np.zeros((3, self.boards["color"].shape[1]), np.int16)
        self.core = (
            self.boards, hashes, snapshots, self.legal, self.games, self.moves, self.states,
            owner, scratch,
        )  # fmt: skip
        self.table = point_tables(size)[0]
        self.plane_shape = (self.features.num_planes, size, size)
        self._flat_shape = (-1, self.features.num_planes, size * size)  # as kernels write planes
        self._in_kernels = opponent is None or opponent == "random"
        self._positions: list[Position] = [Position.initial(rules)] * count
        self.games["wanted_color"] = self._wanted = self._wanted_color(color)

    def __len__(self) -> int:
        return len(self.games)

    def seed(self, rng: np.random.Generator, which: NDArray[np.bool_]) -> None:
        """Seed the random opponents and the draws of colors of the marked games."""
        self.states[which] = random_states(rng, len(self))[which]

    def restart(self, which: NDArray[np.bool_], color: str | None = None) -> None:
        """Begin the marked games anew, if a color is given with the agent as that one this time."""
        if color is not None:
            self.games["wanted_color"] = self._wanted_color(color)
        env_kernels.restart_all(self.core, which, self._in_kernels)
        self.games["wanted_color"] = self._wanted
        self._reply()

    def step(
        self,
        actions: NDArray[np.int64],
        restart_over: bool,
        out: NDArray[np.float32],
        mask: NDArray[np.int8],
    ) -> None:
        """Play one action in each game, let the opponents answer, and observe."""
        if self._in_kernels:
            planes = out.reshape(self._flat_shape)
            env_kernels.step_all(self.core, actions, restart_over, self.table, planes, mask)
            return
        if len(self._due()):
            raise HonteError("an opponent has failed to answer: call reset() before step()")
        env_kernels.advance_all(self.core, actions, restart_over, False)
        self._reply()
        self.observe(out, mask)

    def step_first(
        self, action: int, out: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> Description:
        """Step the first game alone and describe it: a little faster than `step`."""
        if self._in_kernels:
            planes = out.reshape(self._flat_shape)
            return env_kernels.step_one(self.core, action, self.table, planes, mask)
        self.step(np.array([action]), False, out, mask)
        return self.describe(0)

    def describe(self, index: int) -> Description:
        """Return one game's state as plain numbers."""
        return env_kernels.describe(self.core, index)

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.int8]) -> None:
        """Write planes [B, C, N, N] and masks [B, A] as each agent sees them."""
        env_kernels.observe_all(self.core, self.table, out.reshape(self._flat_shape), mask)

    def observe_as(
        self, index: int, color: int, out: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> None:
        """Write what a color sees of one game: planes [1, C, N, N] and mask [1, A]."""
        planes = out.reshape(self._flat_shape)
        env_kernels.observe_one(self.core, index, color, self.table, planes, mask)

    def position(self, index: int) -> Position:
        """Return one game as a Position with its whole past."""
        played = self.moves[index, : int(self.boards["ply"][index])].tolist()
        position = self._positions[index]
        known = len(position.moves)
        if [action for _, action in position.moves] != played[:known]:
            position, known = Position.initial(self.rules), 0
        for action in played[known:]:
            position = position.play(action)
        self._positions[index] = position
        return position

    def _reply(self) -> None:
        """Let opponents outside of the kernels answer wherever it is their turn."""
        if self._in_kernels:
            return
        due = self._due()
        if len(due) == 0:
            return
        positions = [self.position(int(index)) for index in due]
        replies = np.full(len(self), NO_ACTION, np.int64)
        for index, position, decision in zip(due, positions, self._ask(positions), strict=True):
            if getattr(decision, "resign", False) and position.ply > 0:
                self._resign(int(index))
                continue
            action = int(getattr(decision, "action", decision))
            if (reason := position.why_illegal(action)) is not None:
                raise IllegalMove(f"the opponent's move is illegal: {reason}")
            replies[index] = action
        env_kernels.reply_all(self.core, replies)

    def _due(self) -> NDArray[np.int64]:
        """Return the games where it is the turn of an opponent outside of the kernels."""
        color, over = self.games["color"], self.games["over"]
        return np.flatnonzero((over == 0) & (color != self.boards["to_play"]))

    def _wanted_color(self, color: str) -> int:
        """Return what `color` becomes in GAME, or refuse it."""
        if color not in COLORS:
            raise HonteError(f"unknown color {color!r}: use one of {', '.join(COLORS)}")
        return env_kernels.BOTH if self.opponent is None else COLORS[color]

    def _ask(self, positions: list[Position]) -> Sequence[Any]:
        opponent = self.opponent
        if callable(opponent):
            return [opponent(position) for position in positions]
        return cast(Chooser, opponent).choose(positions)

    def _resign(self, index: int) -> None:
        """End a game that the opponent gives up."""
        game = self.games[index]
        game["over"], game["reward"], game["winner"] = 1, 1.0, game["color"]
        game["score"] = self.position(index).score()
