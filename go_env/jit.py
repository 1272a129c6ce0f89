"""The `kernel` decorator: numba's options in one place, and a compile cache that can be trusted.

numba's own cache has four measured defects that this file takes away:

* two processes that compile different signatures of one function at once may share a data file and
  leave wrong code behind: every save happens under a file lock;
* a caller is not recompiled when a callee in another file was edited: the cache folder is named by
  a hash of all kernel sources;
* bounds checking is not part of the key: it is part of the folder's name, as are the versions;
* record types are named in compiled symbols by the order in which a process met them, so that code
  for two board sizes, cached by two processes, can meet in a third under one name, and one of them
  runs in place of the other: records are named by their content.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import config as numba_config
from numba.core.caching import FunctionCache

from go_env.errors import HonteError

Function = TypeVar("Function", bound=Callable[..., Any])

_KEPT_UNUSED_S = 30 * 24 * 3600.0  # folders of other sources or versions
_ROOT = Path(__file__).resolve().parent.parent
_FLOORS = ("go_env", "mcts", "agents", "training")
#: Files without kernels whose values are frozen into kernels, and this one.
_CONSTANTS = (
    "go_env/jit.py", "go_env/zobrist.py", "go_env/rules.py", "go_env/coords.py", "mcts/tree.py",
)  # fmt: skip


def kernel_sources(root: Path = _ROOT) -> list[Path]:
    """Return every source file whose text may end up inside a compiled kernel."""
    files = (path for floor in _FLOORS for path in sorted((root / floor).rglob("*.py")))
    return [path for path in files if b"jit import kernel" in path.read_bytes()] + [
        root / name for name in _CONSTANTS
    ]


def cache_name(sources: list[Path], options: str) -> str:
    """Return the name of the cache folder for these sources and compile options."""
    digest = hashlib.sha256(options.encode())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _base_folder() -> Path:
    """Return the first writable place for compiled kernels."""
    wanted = os.environ.get("HONTE_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(wanted) if wanted else Path(home) / "honte"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return private_folder(Path(tempfile.gettempdir()) / f"honte-{os.getuid()}")


def private_folder(folder: Path) -> Path:
    """Return this folder, made if need be; refuse one that somebody else may write to.

    Cached kernels are pickles: whoever writes them runs code in our name.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others_write:
            return folder
    raise HonteError(f"{folder} must be yours alone: remove it, or set HONTE_CACHE_DIR")


def use_folder(folder: Path) -> None:
    """Make a folder of kernels or mark it as used; a new one lets those go that nobody uses."""
    try:
        folder.mkdir()
    except FileExistsError:
        os.utime(folder)
        return
    for other in folder.parent.glob(f"kernels-{'[0-9a-f]' * 16}"):
        with suppress(FileNotFoundError):  # another process may be faster
            if time.time() - other.stat().st_mtime > _KEPT_UNUSED_S:
                shutil.rmtree(other, ignore_errors=True)


_OPTIONS = f"{numba.__version__} {np.__version__} boundscheck={numba_config.BOUNDSCHECK}"
CACHE_FOLDER = _base_folder() / f"kernels-{cache_name(kernel_sources(), _OPTIONS)}"
with suppress(OSError):  # the folder may be somebody else's
    use_folder(CACHE_FOLDER)


def _mangling_of_record(record: Any) -> tuple[str, tuple[int]]:
    """Return what names a record type in compiled symbols: a hash of all its fields."""
    digest = hashlib.sha256(record.name.encode()).digest()
    return "Record", (int.from_bytes(digest[:7], "big"),)


numba.types.Record.mangling_args = property(_mangling_of_record)


@contextmanager
def cache_lock() -> Iterator[None]:
    """Hold the one lock of the cache folder, across processes."""
    CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
    with open(CACHE_FOLDER / "lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class LockedCache(FunctionCache):  # type: ignore[misc]
    """numba's on-disk cache: one process at a time changes its index, and none fails by it."""

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError), cache_lock():  # a full disk, say: the kernel is there all the same
            super().save_overload(sig, data)


def kernel(
    function: Function | None = None, *, forceinline: bool = False, allocates: bool = False
) -> Any:
    """Compile a function of arrays: no GIL, no Python objects, cached on disk.

    Kernels do no bounds checks: the caller guarantees indices. `NUMBA_BOUNDSCHECK=1` turns checks
    on (the test suite runs that way too); `NUMBA_DISABLE_JIT=1` runs them as plain Python.

    Kernels borrow the arrays of their callers, so nothing is counted: reference counts are atomic
    and took more than half of the time of a playout. One that makes arrays itself says `allocates`.
    """
    if function is None:
        return lambda decorated: kernel(decorated, forceinline=forceinline, allocates=allocates)
    dispatcher = numba.njit(
        nogil=True, error_model="numpy", forceinline=forceinline, _nrt=allocates
    )(function)
    if not numba_config.DISABLE_JIT:
        before, numba_config.CACHE_DIR = numba_config.CACHE_DIR, str(CACHE_FOLDER)
        try:
            dispatcher._cache = LockedCache(function)
        finally:
            numba_config.CACHE_DIR = before
    return dispatcher
