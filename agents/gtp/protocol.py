"""The Go Text Protocol, version 2: lines to commands, results to responses. It knows no Go.

Source: Farneback, Specification of the Go Text Protocol, version 2, draft 2 (2002).
"""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.gtp.lines import Line, LineReader
from go_env.errors import HonteError

SYNTAX_ERROR = "syntax error"
PROTOCOL_VERSION = "2"

_CONTROL = {code: None for code in (*range(32), 127) if code not in (9, 10)} | {9: " "}
_BLANK_LINES = re.compile(r"\n[ \n]*(?=\n)")


class GtpError(Exception):
    """A command fails with this text; it has changed nothing."""


class OutputClosed(Exception):
    """Nobody reads the responses any more."""


@dataclass(frozen=True)
class Command:
    id: str  # as sent, or ""
    name: str
    arguments: tuple[str, ...]
    rest: str  # all arguments as one text


def parse_command(text: str) -> Command | None:
    """Preprocess and split one line; None when nothing is left of it.

    Source: specification, sections 2.2, 2.9 and 3.1.
    """
    clean = text.translate(_CONTROL).split("#", 1)[0].strip(" ")
    if not clean:
        return None
    first, _, rest = clean.partition(" ")
    command_id = ""
    if first.isascii() and first.isdigit():
        command_id = first
        first, _, rest = rest.lstrip(" ").partition(" ")
    rest = rest.strip(" ")
    return Command(command_id, first, tuple(rest.split()) if rest.isascii() else _split(rest), rest)


def _split(text: str) -> tuple[str, ...]:
    """Split at spaces only: other alphabets have white space that is none here."""
    return tuple(word for word in text.split(" ") if word)


def format_result(text: str) -> str:
    """Make a text fit into a response: no control characters, no empty lines."""
    return _BLANK_LINES.sub("", text.translate(_CONTROL)).rstrip(" \n")


class Call:
    """One command in progress, and the way to stream its response."""

    def __init__(
        self, command: Command, line: Line, output: Output, reader: LineReader, asked_at: float
    ) -> None:
        """Prepare to answer; `asked_at` (time.monotonic()) is when the waiting for us began."""
        self.name = command.name
        self.arguments = command.arguments
        self.rest = command.rest
        self.asked_at = asked_at
        self.streaming = False
        self.gave_way = False  # it looked for the next line and may have ended because of it
        self._id = command.id
        self._line = line
        self._output = output
        self._reader = reader

    @property
    def input_waiting(self) -> bool:
        """Tell whether the next line has arrived (or the input has ended)."""
        self.gave_way = True
        return self._reader.waiting

    @property
    def interrupted(self) -> bool:
        """Tell whether the client asked to come to an end."""
        return self._reader.interrupted(self._line)

    def wait_for_input(self, timeout_s: float) -> bool:
        self.gave_way = True
        return self._reader.wait(timeout_s)

    def stream(self, text: str) -> None:
        """Send one line of a response that is still growing; "" sends the opening only."""
        opening = "" if self.streaming else f"={self._id}\n"
        self.streaming = True
        line = format_result(text)
        self._output.write(opening + (line + "\n" if line else ""))

    def finish(self, mark: str, text: str) -> None:
        """Send the (rest of the) response; mark is = or ?."""
        result = format_result(text)
        if self.streaming:
            self._output.write((result + "\n\n") if result and mark == "=" else "\n")
        else:
            space = " " if result and not result.startswith("\n") else ""
            self._output.write(f"{mark}{self._id}{space}{result}\n\n")


class Output:
    """Writes responses; the peer may go away at any time."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """Wrap a function that writes (and flushes) all the bytes it is given."""
        self._write = write

    def write(self, text: str) -> None:
        try:
            self._write(text.encode("utf-8", "replace"))
        except (OSError, ValueError) as error:
            raise OutputClosed from error


Handler = Callable[[Call], str]


class Engine:
    """Answers commands until `quit`, the end of the input, or a closed output."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        reader: LineReader,
        output: Output,
        idle: Callable[[], bool] | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            handlers: what each command does; it returns the result or raises GtpError.
            reader: where commands come from.
            output: where responses go.
            idle: one short step of work while no command is there; returns whether more is left.
        """
        own: dict[str, Handler] = {
            "protocol_version": lambda _: PROTOCOL_VERSION,
            "known_command": self._known_command,
            "list_commands": lambda _: "\n".join(self._handlers),
            "quit": lambda _: "",
        }
        self._handlers: dict[str, Handler] = own | dict(handlers)
        self._reader = reader
        self._output = output
        self._idle = idle
        self._busy_until = 0.0  # when the newest command ended that nothing could end earlier

    def serve(self) -> None:
        try:
            while True:
                self._use_idle_time()
                line = self._reader.next()
                if line is None or not self._answer(line):
                    return
        except OutputClosed:
            return

    def _use_idle_time(self) -> None:
        try:
            while self._idle is not None and not self._reader.waiting and self._idle():
                pass
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self._idle = None

    def _answer(self, line: Line) -> bool:
        """Answer one line; tell whether to go on.

        A command that was sent before its forerunner was answered begins when that is done: the
        time of a search is its own. Only analyses end when a line comes, and what they are late
        counts.
        """
        command = parse_command(line.text)
        if command is None:
            return True
        asked_at = max(line.received_at, self._busy_until)
        call = Call(command, line, self._output, self._reader, asked_at)
        try:
            if line.overlong:
                raise GtpError("line too long")
            handler = self._handlers.get(command.name)
            if handler is None:
                raise GtpError("unknown command")
            call.finish("=", handler(call))
        except (GtpError, HonteError) as error:
            call.finish("?", " ".join(str(error).split()))
        except OutputClosed:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            call.finish("?", f"internal error: {type(error).__name__}")
        if not call.gave_way:
            self._busy_until = time.monotonic()
        return command.name != "quit"

    def _known_command(self, call: Call) -> str:
        if not call.arguments:
            raise GtpError(SYNTAX_ERROR)
        return "true" if call.arguments[0] in self._handlers else "false"
