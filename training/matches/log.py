"""The result file of a match: one JSON line per finished game, the only thing that must survive.

The first line says what is being played; a resumed match must agree with it. A line is written and
synced before the game counts as finished, so that a kill at any moment loses no finished game; a
line that was cut short by a kill belongs to a game that never finished and is removed on opening.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from go_env.coords import BLACK, WHITE, vertex_from_action
from go_env.errors import HonteError
from training.matches.arena import MatchGame

FORMAT = "honte-match-1"


@dataclass(frozen=True)
class GameRecord:
    """A finished game as the file keeps it.

    Attributes:
        first: the player that has Black in leg 0.
        second: its opponent.
        result: as in SGF; "0" is a draw.
        values: for each move the mover's estimate in [-1, 1], None where unknown.
        seconds: thinking time of (Black, White).
    """

    first: str
    second: str
    pair: int
    leg: int
    result: str
    reason: str
    opening: str
    moves: str
    values: tuple[float | None, ...] = ()
    seconds: tuple[float, float] = (0.0, 0.0)
    note: str = ""

    @classmethod
    def of(cls, game: MatchGame, first: str, second: str, size: int) -> GameRecord:
        return cls(
            first=first,
            second=second,
            pair=game.fixture.pair,
            leg=game.fixture.leg,
            result=game.result,
            reason=game.reason,
            opening=game.fixture.opening.name,
            moves=" ".join(vertex_from_action(action, size) for action in game.moves),
            values=tuple(None if v is None else round(v, 3) for v in game.values),
            seconds=(round(game.seconds[0], 3), round(game.seconds[1], 3)),
            note=game.note,
        )

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Identify the game within its match."""
        return self.first, self.second, self.pair, self.leg

    @property
    def black(self) -> str:
        return self.second if self.leg else self.first

    @property
    def white(self) -> str:
        return self.first if self.leg else self.second

    @property
    def winner(self) -> int:
        return {"B": BLACK, "W": WHITE}.get(self.result[:1], 0)

    @property
    def black_score(self) -> float:
        return {BLACK: 1.0, WHITE: 0.0}.get(self.winner, 0.5)

    @property
    def first_score(self) -> float:
        return 1.0 - self.black_score if self.leg else self.black_score


class MatchLog:
    """The open result file. `records` holds all finished games, in the order of their ends."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.records: list[GameRecord] = []
        if path.exists():
            self._resume(settings)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab")
        if self._file.tell() == 0:
            self._write({"format": FORMAT, "match": dict(settings)})
            _sync_folder(path.parent)

    def add(self, record: GameRecord) -> None:
        """Write one finished game; on return it is safe."""
        self._write(asdict(record))
        self.records.append(record)

    def close(self) -> None:
        self._file.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _resume(self, settings: Mapping[str, Any]) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)
        if whole == 0:
            return
        played, self.records = parse_log(data[:whole], self.path)
        for key, value in settings.items():
            if played.get(key) != value:
                raise HonteError(
                    f"{self.path} holds a match with {key}={played.get(key)!r}, not {value!r}:"
                    " choose another --out, or the same settings to go on"
                )


def parse_log(data: bytes, path: Path) -> tuple[dict[str, Any], list[GameRecord]]:
    """Return the settings and the games of a result file; a cut last line is ignored."""
    lines = data.split(b"\n")[:-1]
    rows = [_row(line, number, path) for number, line in enumerate(lines, 1)]
    if not rows or rows[0].get("format") != FORMAT:
        raise HonteError(f"{path} is not a result file of honte match")
    names = {field.name for field in fields(GameRecord)}
    records: dict[tuple[str, str, int, int], GameRecord] = {}
    for number, row in enumerate(rows[1:], 2):
        try:
            record = GameRecord(**{name: _frozen(row[name]) for name in names})
        except (KeyError, TypeError):
            raise HonteError(f"{path}, line {number}: not a game of honte match") from None
        if record.key in records:
            raise HonteError(f"{path}, line {number}: this game is already there")
        records[record.key] = record
    return dict(rows[0]["match"]), list(records.values())


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise HonteError(f"{path}, line {number}: not a JSON object; restore the file or remove it")
    return row


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
