"""Input lines, read by a thread of their own.

A command that runs for long (analysis, thinking) can so see that the next line has arrived. The
queue is bounded: a peer that writes faster than it is answered is made to wait, not buffered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MAX_LINE_BYTES = 32 << 20  # what is longer is answered with an error
_MAX_QUEUED_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 16
_LINE_OVERHEAD_BYTES = 200  # what a short queued line costs in memory, roughly
_KEPT_BYTES = 64  # of an overlong line: enough for its id
#: GoGui writes this comment to end a running command early. Source: GoGui, `gogui-interrupt`.
INTERRUPT = "# interrupt"


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    received_at: float  # time.monotonic()
    overlong: bool = False


class LineReader:
    """Splits a byte stream into lines in the background."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """Start reading: `read(count)` returns some bytes, or none at the end of the stream."""
        self._read = read
        self._lines: deque[Line] = deque()
        self._changed = threading.Condition()
        self._queued_bytes = 0
        self._count = 0
        self._ended = False
        self._interrupted = -1  # an interrupt concerns all lines up to this number
        threading.Thread(target=self._run, name="gtp-input", daemon=True).start()

    @property
    def waiting(self) -> bool:
        """Tell whether a line, or the end of the input, is there to be taken."""
        return bool(self._lines) or self._ended

    @property
    def ended(self) -> bool:
        """Tell whether all lines have been taken and no more can come."""
        return self._ended and not self._lines

    def interrupted(self, line: Line) -> bool:
        """Tell whether an interrupt was sent after this line."""
        return line.number <= self._interrupted

    def next(self, timeout_s: float | None = None) -> Line | None:
        """Take the next line; None at the end of the input or when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting, timeout_s)
            if not self._lines:
                return None
            line = self._lines.popleft()
            self._queued_bytes -= len(line.text) + _LINE_OVERHEAD_BYTES
            self._changed.notify_all()
            return line

    def wait(self, timeout_s: float) -> bool:
        """Wait until something can be taken; tell whether it can."""
        with self._changed:
            return self._changed.wait_for(lambda: self.waiting, timeout_s)

    def _run(self) -> None:
        partial = bytearray()
        overlong = False
        while chunk := self._read_some():
            *complete, rest = chunk.split(b"\n")
            for piece in complete:
                self._put(bytes(partial) + piece if partial else piece, overlong)
                partial.clear()
                overlong = False
            partial += rest
            if len(partial) > MAX_LINE_BYTES:
                del partial[_KEPT_BYTES:]
                overlong = True
        if partial:
            self._put(bytes(partial), overlong)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_some(self) -> bytes:
        try:
            return self._read(_CHUNK_BYTES)
        except (OSError, ValueError):  # the descriptor was closed under us
            return b""

    def _put(self, raw: bytes, overlong: bool) -> None:
        text = raw.decode("utf-8", "replace")
        with self._changed:
            self._changed.wait_for(lambda: self._queued_bytes < _MAX_QUEUED_BYTES)
            if text.strip() == INTERRUPT:
                self._interrupted = self._count - 1
            self._lines.append(Line(self._count, text, time.monotonic(), overlong))
            self._count += 1
            self._queued_bytes += len(text) + _LINE_OVERHEAD_BYTES
            self._changed.notify_all()
