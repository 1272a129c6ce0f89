"""Signs that a run drifts or collapses. An alarm is raised once until its cause is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.records import GameRecord

_GAMES = 200  # that the signs are read from
_OVERFIT = 0.35  # nats of value loss on the newest games above that on the window ..
_OVERFIT_EVENTS = 20  # .. as a mean of so many events: each is taken on some ten games only
_LEAST_ENTROPY = 0.02  # nats of the network's policy
_MOST_DUPLICATES = 0.3  # of the games, move for move
_MOST_EARLY_ENDINGS = 0.5  # of the games end by passes in the first quarter of the board's points
_EVEN = (0.1, 0.9)  # Black's score at the komi that is even today
_LONG = 2.0  # moves per point, mean
_GAP = 0.5  # mean |search value - network value|
_VERDICTS = 100  # control games that the false positives of early ending are read from
_MOST_WRONG_VERDICTS = 0.05
_KOMI_RANGE = 1.5  # games within so many points of the median margin count as even


@dataclass(frozen=True)
class Alarm:
    """One sign beyond its limit."""

    name: str
    message: str
    value: float
    limit: float


class AlarmBell:
    """Looks at games and losses as they come; says each thing once until it is over."""

    def __init__(self, main_size: int) -> None:
        self._main_size = main_size
        self._games: dict[int, deque[GameRecord]] = {}
        self._verdicts: dict[int, deque[bool]] = {}
        self._raised: set[str] = set()
        self._gaps: deque[float] = deque(maxlen=_OVERFIT_EVENTS)

    def hear_games(self, games: Sequence[GameRecord]) -> list[Alarm]:
        """Take in finished games; return the alarms that are new."""
        for game in games:
            self._games.setdefault(game.size, deque(maxlen=_GAMES)).append(game)
            if game.verdict:
                verdicts = self._verdicts.setdefault(game.size, deque(maxlen=_VERDICTS))
                verdicts.append(game.verdict_is_wrong)
        signs: list[Alarm] = []
        for size, verdicts in self._verdicts.items():
            if len(verdicts) == _VERDICTS:
                signs += _verdict_signs(size, verdicts)
        for size, recent in self._games.items():
            if len(recent) == _GAMES:
                signs += _game_signs(size, list(recent))
                if size == self._main_size:  # small boards beside it are solved before it is
                    signs += _copy_signs(size, recent)
        return self._fresh(signs, "games")

    def hear_learner(self, event: Mapping[str, Any]) -> list[Alarm]:
        """Take in the fields of a `learner` event; return the alarms that are new."""
        signs = []
        if "fresh_value_loss" in event:
            self._gaps.append(event["fresh_value_loss"] - event["value_loss"])
        gap = float(np.mean(self._gaps)) if len(self._gaps) == _OVERFIT_EVENTS else 0.0
        if gap > _OVERFIT:
            text = f"value loss on the newest games is {gap:.2f} above the window's: overfitting"
            signs.append(Alarm("overfit", text, gap, _OVERFIT))
        entropy = event.get("policy_entropy", 1.0)
        if entropy < _LEAST_ENTROPY:
            text = f"the policy's entropy fell to {entropy:.3f} nats: it has collapsed"
            signs.append(Alarm("entropy", text, entropy, _LEAST_ENTROPY))
        return self._fresh(signs, "learner")

    def _fresh(self, signs: list[Alarm], source: str) -> list[Alarm]:
        names = {f"{source}/{sign.name}" for sign in signs}
        fresh = [sign for sign in signs if f"{source}/{sign.name}" not in self._raised]
        others = {name for name in self._raised if not name.startswith(source)}
        self._raised = others | names
        return fresh


def _verdict_signs(size: int, are_wrong: Sequence[bool]) -> Iterator[Alarm]:
    """Yield an alarm if too many decided games were won by the other side or drawn."""
    wrong = float(np.mean(are_wrong))
    if wrong > _MOST_WRONG_VERDICTS:
        text = (
            f"{wrong:.0%} of the decided games on {size}x{size} ended otherwise when played in "
            "full: raise self_play.decided_value"
        )
        yield Alarm(f"verdicts {size}x{size}", text, wrong, _MOST_WRONG_VERDICTS)


def _copy_signs(size: int, games: Collection[GameRecord]) -> Iterator[Alarm]:
    """Yield an alarm if too many games are the same move for move."""
    where = f"{size}x{size}"
    copies = 1 - len({game.moves.tobytes() for game in games}) / len(games)
    if copies > _MOST_DUPLICATES:
        text = f"{copies:.0%} of the last {len(games)} games on {where} are copies: no exploration"
        yield Alarm(f"duplicates {where}", text, copies, _MOST_DUPLICATES)


def _game_signs(size: int, games: list[GameRecord]) -> Iterator[Alarm]:
    """Yield what else is beyond its limit in games of one size."""
    points, where = size * size, f"{size}x{size}"
    early = float(np.mean([len(game.moves) < points / 4 for game in games]))
    if early > _MOST_EARLY_ENDINGS:
        text = f"{early:.0%} of the games on {where} end within {points // 4} moves: passing early"
        yield Alarm(f"early endings {where}", text, early, _MOST_EARLY_ENDINGS)
    length = float(np.mean([len(game.moves) for game in games])) / points
    if length > _LONG:
        text = f"games on {where} last {length:.1f} moves a point: nobody passes"
        yield Alarm(f"length {where}", text, length, _LONG)
    gap = float(np.mean([game.raw_gap for game in games]))
    if gap > _GAP:
        text = f"search and network differ by {gap:.2f} in value on {where}: the network is lost"
        yield Alarm(f"gap {where}", text, gap, _GAP)
    margins = np.array([game.score + game.komi for game in games])
    near = [
        game
        for game in games
        if abs(game.komi - np.median(margins)) <= _KOMI_RANGE and game.score != 0
    ]
    if len(near) >= 30:
        black = float(np.mean([game.score > 0 for game in near]))
        if not _EVEN[0] <= black <= _EVEN[1]:
            text = f"Black wins {black:.0%} on {where} at the komi that should be even"
            yield Alarm(f"balance {where}", text, black, _EVEN[black > 0.5])
