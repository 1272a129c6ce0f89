"""When to pass and when to resign, whatever the search says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.base import Decision
from agents.gtp.options import GtpOptions
from go_env.coords import pass_action
from go_env.position import Position

_HOPELESS = -0.98  # below this value it is too late to look for something better than a pass


def passing_ends(position: Position) -> bool:
    return position.last_action == pass_action(position.size)


def choose_action(position: Position, decision: Decision, wins_by_passing: bool) -> int:
    """Return the action to play: the search's, unless a pass is right where it is wrong or reverse.

    Args:
        position: the player of the decision is to move.
        decision: what the search found; legal actions may be a subset of what it looked at.
        wins_by_passing: whether the player has won if the game is scored as it stands.

    A pass is played at once when it ends the game with a win, or when nothing is left to play for;
    it is never played while it throws the game away and something else can be tried. A pass that
    the search wants and that holds a draw is played. Dead stones of the opponent count for him
    under area scoring until they are taken, so `wins_by_passing` is what makes the engine clean up.
    Suicide, which most rules and clients refuse, is never played.
    """
    no_action = pass_action(position.size)
    if wins_by_passing and (passing_ends(position) or is_settled(position)):
        return no_action
    legal = position.legal()
    wanted = decision.action
    if wanted != no_action and legal[wanted] and not is_suicide(position, wanted):
        return wanted
    holds = wins_by_passing or position.outcome(position.to_play) == 0
    if wanted == no_action and (holds or (decision.value or 0) < _HOPELESS):
        return no_action
    return second_choice(position, decision, legal)


def second_choice(position: Position, decision: Decision, legal: np.ndarray) -> int:
    """Return the most searched sensible move other than a pass, or a pass if there is none.

    Of a player that does not say what else it looked at, any sensible move will do.
    """
    no_action = pass_action(position.size)
    usable = legal & ~filled_by_owner(position)
    usable[no_action] = False
    known = [weights for weights in (decision.visits, decision.policy) if weights is not None]
    for weights in known or [usable]:
        for action in np.argsort(-weights.astype(np.float64), kind="stable"):
            if weights[action] > 0 and usable[action] and not is_suicide(position, int(action)):
                return int(action)
    return no_action


def is_suicide(position: Position, action: int) -> bool:
    """Tell whether a legal move takes its own stone off the board."""
    return not position.play(action).board.ravel()[action]


def is_settled(position: Position) -> bool:
    """Tell whether every point belongs to someone without condition."""
    return bool((position.pass_alive() != 0).all())


def filled_by_owner(position: Position) -> np.ndarray:
    """[A] bool: empty points of the mover's unconditional territory; playing there gains nothing.

    Points beside enemy stones are left out: taking dead stones is what area scoring asks for.
    """
    size, color = position.size, position.to_play
    board = position.board
    padded = np.pad(board, 1)
    beside_enemy = np.zeros_like(board, dtype=bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        near = padded[rows : rows + size, columns : columns + size]
        beside_enemy |= near == 3 - color
    own = position.pass_alive().reshape(size, size) == color
    return np.append((own & (board == 0) & ~beside_enemy).ravel(), False)


@dataclass
class Resignation:
    """Resigns after a run of own turns without hope."""

    options: GtpOptions
    _runs: dict[int, tuple[int, int]] = field(default_factory=dict)  # color: (ply, length)

    def forget(self) -> None:
        """Begin another game."""
        self._runs.clear()

    def should_resign(self, position: Position, value: float | None, agent_resigns: bool) -> bool:
        """Take note of the value at this own turn, in [-1, 1] for the player to move."""
        if self.options.never_resign:
            return False
        if agent_resigns:
            return True
        color, ply = position.to_play, position.ply
        if value is None or value >= self.options.resign_below:
            self._runs.pop(color, None)
            return False
        last_ply, length = self._runs.get(color, (-9, 0))
        length = length + 1 if ply - last_ply in (1, 2) else 1
        self._runs[color] = (ply, length)
        early = ply < self.options.resign_after * position.size**2
        return length >= self.options.resign_turns and not early
