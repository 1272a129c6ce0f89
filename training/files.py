"""Files that survive `kill -9`: atomic publication, and a lock that dies with its process."""

import fcntl
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import IO

from go_env.errors import HonteError

_TEMPORARY_SUFFIX = ".tmp"


def publish(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there in one step.

    A reader sees the old file or the whole new one, whenever either process is killed.
    """
    temporary = path.with_name(f".{path.name}{_TEMPORARY_SUFFIX}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # a full disk above all: leave it what there is
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def publish_text(path: Path, text: str) -> None:
    publish(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def publish_bytes(path: Path, data: bytes) -> None:
    publish(path, lambda temporary: temporary.write_bytes(data))


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed `publish` left behind; only for who holds the folder's lock."""
    for path in folder.glob(f".*{_TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


class FolderLock:
    """Exclusive use of a folder by one process; the kernel releases it when the process ends.

    The file stays behind with the last holder's pid, which is only read to name it in the error.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise HonteError(
                f"{self._path.parent} is in use by {self._holder()}; "
                "stop it first, or choose another directory with --run DIR"
            ) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _holder(self) -> str:
        try:
            holder = json.loads(self._path.read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError):
            return "another process"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
