"""An external GTP engine as a process: one command, one answer, and never a zombie.

The engine runs in its own process group, which is killed as a whole: on close, on any failure, when
this process exits and (where `setpriv` exists) when this process is killed. The last is bound to
the thread that starts the engine: start it in one that lives as long as the engine shall.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
import weakref
from collections import deque
from pathlib import Path
from typing import IO

from go_env.errors import HonteError

_QUIT_S = 1.0
_MAX_NOISE_BYTES = (
    1 << 20
)  # output before an answer starts, or in one answer, that is still patience
_KEPT_LINES = 2000
_CHUNK_BYTES = 1 << 16
_GAMES_PATH = "/usr/games:/usr/local/games"  # where Debian puts gnugo, and not always on PATH


class EngineFailure(HonteError):
    """The engine is gone or cannot be understood: crashed, silent or garbled. It was killed."""


class EngineRefusal(HonteError):
    """The engine answered `?`: it lives, but does not do what it was asked."""


class GtpProcess:
    """A running engine.

    `transcript` holds the latest lines: `>` what was sent, `<` answers, `!` standard error.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.transcript: deque[str] = deque(maxlen=_KEPT_LINES)
        self._log: IO[str] | None = None
        self._number = 0
        self._errors = b""
        self._process = _start(command)
        self._finalizer = weakref.finalize(self, _kill, self._process)
        self._selector = selectors.DefaultSelector()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def alive(self) -> bool:
        return self._finalizer.alive and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def log_to(self, path: Path) -> None:
        """Append the transcript, from here on, to a file."""
        self._log = path.open("a", encoding="utf-8", errors="replace", buffering=1)

    def send(self, command: str, timeout_s: float) -> str:
        """Send one command and return the text of its answer."""
        self._number += 1
        line = f"{self._number} {command}"
        self._note(">", line)
        deadline_s = time.monotonic() + timeout_s
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._fail(f"crashed before '{command}'") from None
        return self._answer(command, deadline_s, timeout_s)

    def close(self) -> None:
        """Ask the engine to quit and kill it if it does not."""
        if self.alive:
            with contextlib.suppress(HonteError):
                self.send("quit", _QUIT_S)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_QUIT_S)
        self._finalizer()
        self._selector.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _answer(self, command: str, deadline_s: float, timeout_s: float) -> str:
        buffer = b""
        while True:
            text, buffer = self._parse(buffer)
            if text is not None:
                return self._check(command, text)
            if len(buffer) > _MAX_NOISE_BYTES:
                raise self._fail(f"answered '{command}' with garbage")
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                heard = "nothing" if not buffer.strip() else "no complete answer"
                raise self._fail(f"gave {heard} to '{command}' in {timeout_s:g} s")
            chunk = self._read(left_s)
            if chunk is None:
                raise self._fail(f"crashed at '{command}'")
            buffer += chunk

    def _parse(self, buffer: bytes) -> tuple[str | None, bytes]:
        """Split off a complete answer: from a line with `=` or `?` to an empty line."""
        lines = buffer.replace(b"\r", b"").split(b"\n")
        start = 0
        while start < len(lines) - 1 and lines[start][:1] not in (b"=", b"?"):
            start += 1
        for end in range(start + 1, len(lines) - 1):
            if not lines[end].strip():
                for noise in lines[:start]:
                    if noise.strip():
                        self._note("~", noise.decode("utf-8", "replace"))
                return b"\n".join(lines[start:end]).decode("utf-8", "replace"), b""
        return None, buffer

    def _check(self, command: str, text: str) -> str:
        for line in text.split("\n"):
            self._note("<", line)
        digits = len(text) - len(text[1:].lstrip("0123456789")) - 1
        number, answer = text[1 : 1 + digits], text[1 + digits :].strip()
        if number and number.lstrip("0") != str(self._number):
            raise self._fail(f"answered command {number[:20]} instead of '{command}'")
        if text[0] == "?":
            raise EngineRefusal(
                f"{self.command}: '{command}' refused: {answer or 'no reason given'}"
            )
        return answer

    def _read(self, timeout_s: float) -> bytes | None:
        """Wait for output; None at the end of the engine's life."""
        for key, _ in self._selector.select(timeout_s):
            chunk = os.read(key.fd, _CHUNK_BYTES)
            if key.fileobj is self._process.stdout:
                return chunk or None
            if chunk:
                self._note_errors(chunk)
            else:
                self._selector.unregister(key.fileobj)
        return b""

    def _note_errors(self, chunk: bytes) -> None:
        *lines, self._errors = (self._errors + chunk).split(b"\n")
        self._errors = self._errors[-_CHUNK_BYTES:]
        for line in lines:
            self._note("!", line.decode("utf-8", "replace"))

    def _note(self, mark: str, line: str) -> None:
        self.transcript.append(f"{mark} {line}")
        if self._log is not None:
            self._log.write(f"{time.strftime('%H:%M:%S')} {mark} {line}\n")

    def _fail(self, what: str) -> EngineFailure:
        self._note("*", what)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a crash is reaped a moment later
            self._process.wait(0.1)
        status = self._process.poll()
        self._finalizer()
        detail = "" if status is None else f" (exit status {status})"
        return EngineFailure(f"{self.command}: {what}{detail}")


def engine_words(command: str) -> list[str]:
    """Split an engine's command into words; the program is looked for on PATH and among games."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise HonteError(f"engine command {command!r} cannot be parsed: {error}") from None
    if not words:
        raise HonteError("no engine given: write gtp:COMMAND, as in gtp:gnugo --mode gtp")
    program = shutil.which(words[0]) or shutil.which(words[0], path=_GAMES_PATH)
    if program is None:
        advice = "apt-get install gnugo" if words[0] == "gnugo" else f"check gtp:{command}"
        raise HonteError(f"{words[0]}: not found; {advice}")
    return [program, *words[1:]]


def _start(command: str) -> subprocess.Popen[bytes]:
    words = engine_words(command)
    guard = shutil.which("setpriv")
    if guard is not None:
        words = [guard, "--pdeathsig", "KILL", "--", *words]
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
