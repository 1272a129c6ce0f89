"""The run directory: where a run's durable truth lies, and the shelf of its checkpoints.

    RUN/config.toml                          resolved configuration
        lock                                 one trainer at a time
        games/                               append-only chunks (training.replay)
        checkpoints/model-000123.safetensors one file a published model (format: agents.checkpoint)
        champion.json                        which of them is the champion, and who was before
        metrics.jsonl, tensorboard/          what happened (training.metrics)
        state/                               what a restarted run goes on from

Every file is published atomically. The format of a checkpoint is not known here.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from go_env.errors import HonteError
from training.files import FolderLock, publish, publish_text, remove_leftovers

_CHECKPOINT_NAME = re.compile(r"model-(\d{6,})\.safetensors")
_CHUNK_NAME = re.compile(r"games-(\d+)\.npz")


@dataclass(frozen=True)
class Champion:
    """The model that the gate last promoted."""

    number: int
    since: str = ""  # ISO 8601, UTC
    details: Mapping[str, Any] = field(default_factory=dict)  # the gate's verdict, JSON values
    previous: tuple[int, ...] = ()  # numbers of earlier champions, oldest first

    @property
    def yardsticks(self) -> tuple[int, ...]:
        """The champions half and a quarter of the way back, against whom ratings are checked.

        Each model beats its predecessor, of which it has seen every weakness, by more than it has
        gained: the sum of such steps is far too high. (Measured: +544 Elo over six champions by
        gates alone, +180 ± 76 in a match of the last against the first.)
        """
        earlier = self.previous[:-1] or self.previous
        return tuple(dict.fromkeys(earlier[len(earlier) * k // 4] for k in (2, 3) if earlier))


class ModelStore:
    """One run directory. Reading needs no lock; `with store:` locks it for its one trainer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_path = root / "config.toml"
        self.metrics_path = root / "metrics.jsonl"
        self.tensorboard_dir = root / "tensorboard"
        self.games_dir = root / "games"
        self.checkpoints_dir = root / "checkpoints"
        self.state_dir = root / "state"
        self._champion_path = root / "champion.json"
        self._lock = FolderLock(root / "lock")

    def __enter__(self) -> "ModelStore":
        folders = (self.root, self.games_dir, self.checkpoints_dir, self.state_dir)
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise HonteError(
                f"cannot write to run directory {self.root}: {error.strerror}; "
                "choose another with --run DIR"
            ) from None
        for folder in folders:
            remove_leftovers(folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    @staticmethod
    def existing(root: Path) -> "ModelStore":
        """A run directory that must be there already, to read from."""
        store = ModelStore(root)
        if not store.config_path.is_file():
            raise HonteError(f"{root} is not a run directory (it has no config.toml)")
        return store

    def checkpoint_path(self, number: int) -> Path:
        return self.checkpoints_dir / f"model-{number:06d}.safetensors"

    def numbers(self) -> list[int]:
        """Numbers of the published checkpoints, ascending."""
        matches = (_CHECKPOINT_NAME.fullmatch(p.name) for p in self.checkpoints_dir.glob("model-*"))
        return sorted(int(match[1]) for match in matches if match)

    def publish(self, number: int, write: Callable[[Path], object]) -> Path:
        """Let `write` fill the file of checkpoint `number`; return where it lies."""
        path = self.checkpoint_path(number)
        publish(path, write)
        return path

    def chunk_path(self, first: int) -> Path:
        """Where the games from number `first` on lie."""
        return self.games_dir / f"games-{first:09d}.npz"

    def chunks(self) -> list[tuple[int, Path]]:
        """Number of the first game of each chunk and its file, ascending."""
        found = []
        for path in self.games_dir.glob("games-*.npz"):
            match = _CHUNK_NAME.fullmatch(path.name)
            if match is None:
                raise HonteError(f"{path} is no chunk of games (games-NUMBER.npz): move it away")
            found.append((int(match[1]), path))
        return sorted(found)

    def promote(
        self, number: int, details: Mapping[str, Any] | None = None, history: bool = True
    ) -> None:
        """Point to a published checkpoint as the champion from now on.

        With `history` the one before joins the earlier champions, whose files `prune` keeps.
        """
        if not self.checkpoint_path(number).is_file():
            raise HonteError(f"cannot promote model {number}: it is not in {self.checkpoints_dir}")
        before = self.champion()
        previous = () if before is None else before.previous
        if history and before is not None and before.number != number:
            previous = (*previous, before.number)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        champion = Champion(number, now, details or {}, previous)
        publish_text(self._champion_path, json.dumps(asdict(champion), indent=2) + "\n")

    def champion(self) -> Champion | None:
        """The current champion; None before the first promotion."""
        try:
            values = json.loads(self._champion_path.read_text(encoding="utf-8"))
            return Champion(**{**values, "previous": tuple(values.get("previous", ()))})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            raise HonteError(
                f"{self._champion_path} is damaged ({error}): write "
                f'{{"number": N}} there, for the model N of {self.checkpoints_dir} to go on from'
            ) from None

    def champions(self) -> tuple[int, ...]:
        """Numbers of all champions so far, oldest first."""
        champion = self.champion()
        return () if champion is None else (*champion.previous, champion.number)

    def prune(self, keep_last: int, keep_every: int, also: Collection[int] = ()) -> list[int]:
        """Delete all checkpoints but the last few, each n-th (0: none), champions and `also`.

        Returns:
            Numbers of the deleted checkpoints.
        """
        numbers = self.numbers()
        keep = {*numbers[max(0, len(numbers) - keep_last) :], *self.champions(), *also}
        if keep_every > 0:
            keep.update(number for number in numbers if number % keep_every == 0)
        dropped = [number for number in numbers if number not in keep]
        for number in dropped:
            self.checkpoint_path(number).unlink(missing_ok=True)
        return dropped
