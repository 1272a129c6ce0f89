"""A GTP controller for tests that shares no code with the engine: a process and its pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HONTE = [sys.executable, "-m", "agents.gtp", "--player"]


@dataclass(frozen=True)
class Response:
    mark: str  # = or ?
    id: str
    text: str

    @property
    def ok(self) -> bool:
        return self.mark == "="


def _take_interrupts() -> None:
    """Undo what a shell does to its background jobs, the tests' own process among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class GtpClient:
    """Runs an engine; every wait ends after `timeout_s` with the engine killed."""

    def __init__(self, command: list[str], timeout_s: float = 200.0) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            preexec_fn=_take_interrupts,
        )
        self._timeout_s = timeout_s
        self._errors: list[bytes] = []
        threading.Thread(target=self._drain, daemon=True).start()

    def __enter__(self) -> GtpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stderr(self) -> str:
        return b"".join(self._errors).decode("utf-8", "replace")

    def send(self, data: str | bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.flush()

    def read_line(self) -> str:
        """Return one line with its end; "" at the end of the output."""
        assert self.process.stdout is not None
        guard = threading.Timer(self._timeout_s, self.process.kill)
        guard.start()
        try:
            return self.process.stdout.readline().decode()
        finally:
            guard.cancel()

    def read_response(self) -> Response:
        """Read up to the empty line; anything else than a response is an error."""
        lines = []
        while (line := self.read_line()) != "\n":
            assert line.endswith("\n"), f"output ended in {line!r} after {lines}: {self.stderr}"
            lines.append(line[:-1])
        assert lines and lines[0][:1] in "=?", f"not a response: {lines}"
        head, _, rest = lines[0].partition(" ")
        return Response(head[0], head[1:], "\n".join([rest, *lines[1:]]))

    def ask(self, line: str) -> Response:
        self.send(line + "\n")
        return self.read_response()

    def result(self, line: str) -> str:
        """Return the result of a command that must succeed."""
        response = self.ask(line)
        assert response.ok, f"{line!r} failed: {response.text}"
        return response.text

    def finish(self) -> tuple[str, int]:
        """Close the input; return the rest of the output and the exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        guard = threading.Timer(self._timeout_s, self.process.kill)
        guard.start()
        rest = self.process.stdout.read().decode("utf-8", "replace")
        status = self.process.wait()
        guard.cancel()
        return rest, status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        try:
            while chunk := self.process.stderr.read1():
                self._errors.append(chunk)
        except ValueError:  # closed
            return
