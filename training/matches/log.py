"""The result file of a match: one JSON line per finished game, the only thing that must survive.

The first line says what is being played; a resumed match must agree with it. A line is written and
synced before the game counts as finished, so that a kill at any moment loses no finished game; a
line that was cut short by a kill belongs to a game that never finished and is removed on opening.
A file that is not ours is left as it is.
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
_HEAD = f'{{"format":"{FORMAT}","match":'.encode()  # how each file begins


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

    @property
    def unjudged(self) -> bool:
        """Whether the referee failed, so that the board was counted as it stood."""
        return bool(self.note) and self.reason in ("score", "move limit")


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
        lines = _whole_lines(data)
        if not lines and _HEAD.startswith(data[: len(_HEAD)]):  # killed before its first game
            os.truncate(self.path, 0)
            return
        played, self.records = parse_log(data, self.path)
        for key, value in settings.items():
            if played.get(key) != value:
                raise HonteError(
                    f"{self.path} holds a match with {key}={played.get(key)!r}, not {value!r}:"
                    " choose another --out, or the same settings to go on"
                )
        whole = sum(len(line) + 1 for line in lines)
        with self.path.open("r+b") as file:
            file.truncate(min(whole, len(data)))
            if whole > len(data):  # some editors strip the last newline
                file.seek(0, os.SEEK_END)
                file.write(b"\n")


def parse_log(data: bytes, path: Path) -> tuple[dict[str, Any], list[GameRecord]]:
    """Return the settings and the games of a result file; a cut last line is ignored."""
    rows = [_row(line, number, path) for number, line in enumerate(_whole_lines(data), 1)]
    if not rows or rows[0].get("format") != FORMAT or not isinstance(rows[0].get("match"), dict):
        raise HonteError(
            f"{path} is not a result file of honte match: name the folder of a match, or a new one"
        )
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


def _whole_lines(data: bytes) -> list[bytes]:
    """Return the lines without a last one that was cut short, which is no JSON then."""
    *lines, last = data.split(b"\n")
    return lines if _json(last) is None else [*lines, last]


def _json(line: bytes) -> Any:
    """Return what a line says; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    row = _json(line)
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
