"""The engine as a process: clean standard streams, exit codes, closed pipes."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator

from agents.gtp.json_analysis import AnalysisEngine, AnalysisOptions
from agents.gtp.lines import LineReader
from agents.gtp.options import GtpOptions
from agents.gtp.protocol import Engine, Output
from agents.gtp.searcher import PlayerFactory
from agents.gtp.session import Session

Read = Callable[[int], bytes]
Write = Callable[[bytes], object]

_INTERRUPTED = 130  # as shells report Ctrl-C


def serve_gtp(make_player: PlayerFactory, read: Read, write: Write, options: GtpOptions) -> int:
    """Speak GTP until `quit` or the end of the input; return the exit status."""
    session = Session(make_player, options)
    try:
        Engine(session.handlers, LineReader(read), Output(write), session.idle).serve()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        session.close()
    return 0


def serve_analysis(
    make_player: PlayerFactory, read: Read, write: Write, options: AnalysisOptions
) -> int:
    """Speak KataGo's JSON analysis protocol until the end of the input; return the exit status."""
    try:
        AnalysisEngine(make_player, LineReader(read), Output(write), options).serve()
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


@contextlib.contextmanager
def standard_streams() -> Iterator[tuple[Read, Write]]:
    """Give the real standard output to the protocol alone.

    Whatever else prints, libraries in C included, ends up on standard error.
    """
    if sys.stdout is not None:  # None: closed before we began
        sys.stdout.flush()
    answers = _duplicate(1)
    elsewhere = _duplicate(2)
    os.dup2(elsewhere, 1)
    os.close(elsewhere)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield (lambda count: _read(0, count)), (lambda data: _write(answers, data))
    finally:
        os.dup2(answers, 1)
        os.close(answers)


def _duplicate(descriptor: int) -> int:
    """Return a copy of a descriptor; of a closed one, an end of a pipe that nobody reads."""
    try:
        return os.dup(descriptor)
    except OSError:
        unread, copy = os.pipe()
        os.close(unread)
        return copy


def _read(descriptor: int, count: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, count)
        except BlockingIOError:  # the other end made the pipe non-blocking
            select.select([descriptor], [], [])


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
