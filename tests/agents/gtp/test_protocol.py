"""Lines to commands to responses, without any Go."""

import io
import threading
import time

import pytest

from agents.gtp.lines import MAX_LINE_BYTES, LineReader
from agents.gtp.protocol import Call, Engine, GtpError, Output, format_result, parse_command
from go_env.errors import HonteError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("name", ("", "name", ())),
        ("7 name", ("7", "name", ())),
        ("007 play b D4", ("007", "play", ("b", "D4"))),
        ("  12\tplay \t b   D4 ", ("12", "play", ("b", "D4"))),
        ("play b D4\r", ("", "play", ("b", "D4"))),
        ("na\x01m\x7fe\x00", ("", "name", ())),
        ("color\x02", ("", "color", ())),  # a control character takes no letter with it
        ("name # not this", ("", "name", ())),
        ("3 name#x", ("3", "name", ())),
        ("2147483648 name", ("2147483648", "name", ())),
        ("-1 name", ("", "-1", ("name",))),
        ("1name", ("", "1name", ())),
        ("\N{ARABIC-INDIC DIGIT ONE} name", ("", "\N{ARABIC-INDIC DIGIT ONE}", ("name",))),
        ("loadsgf a\N{NO-BREAK SPACE}b c", ("", "loadsgf", ("a\N{NO-BREAK SPACE}b", "c"))),
        ("5", ("5", "", ())),
    ],
)
def test_parse_command(line, expected):
    command = parse_command(line)
    assert command is not None
    assert (command.id, command.name, command.arguments) == expected


@pytest.mark.parametrize("line", ["", " ", "\t\r", "# 1 name", "  #", "\x01\x02"])
def test_nothing_left_of_a_line(line):
    assert parse_command(line) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\nb\n \n\nc\n\n", "a\nb\nc"),
        ("a\tb\r\x07", "a b"),
        ("\n\n X .\n O .", "\n X .\n O ."),
        ("", ""),
    ],
)
def test_results_hold_no_empty_line(text, expected):
    assert format_result(text) == expected


def test_a_command_in_the_queue_begins_when_its_forerunner_is_answered():
    asked, done = {}, {}

    def think(call):
        asked[call.arguments[0]] = call.asked_at
        done[call.arguments[0]] = time.monotonic()
        return ""

    def analyze(call):
        assert call.wait_for_input(60)
        time.sleep(0.01)  # the end of a slice: the next command waits for us
        done["analyze"] = time.monotonic()
        return ""

    run({"think": think, "analyze": analyze}, b"think a\nthink b\nanalyze\nthink c\n")
    assert asked["b"] >= done["a"]
    assert asked["c"] < done["analyze"]


def run(handlers, data, write=None, idle=None):
    written = io.BytesIO()
    reader = LineReader(io.BytesIO(data).read)
    Engine(handlers, reader, Output(write or written.write), idle).serve()
    return written.getvalue()


def fail(error):
    def handler(call):
        raise error

    return handler


def test_framing_is_exact():
    handlers = {
        "empty": lambda call: "",
        "two": lambda call: "one\ntwo",
        "bad": fail(GtpError("syntax error")),
        "worse": fail(HonteError("use\nanother")),
    }
    sent = b"empty\n3 empty\n4 two\nbad\n5 worse\n6 unheard\n\n# c\n7\n"
    assert run(handlers, sent) == (
        b"=\n\n=3\n\n=4 one\ntwo\n\n? syntax error\n\n?5 use another\n\n"
        b"?6 unknown command\n\n?7 unknown command\n\n"
    )


def test_a_crashing_command_is_an_error_and_the_engine_goes_on(capsys):
    answer = run({"crash": fail(ZeroDivisionError())}, b"1 crash\n2 protocol_version\n")
    assert answer == b"?1 internal error: ZeroDivisionError\n\n=2 2\n\n"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_quit_is_answered_and_ends():
    assert run({}, b"8 quit\n9 protocol_version\n") == b"=8\n\n"


def test_list_commands_begins_with_protocol_version():
    answer = run({"zzz": lambda call: ""}, b"list_commands\n").decode()
    assert answer.startswith("= protocol_version\n")
    assert "\nzzz\n" in answer and "\nquit\n" in answer


def test_known_command():
    sent = b"known_command x\nknown_command quit\nknown_command X\nknown_command\n"
    assert run({"x": lambda call: ""}, sent) == b"= true\n\n= true\n\n= false\n\n? syntax error\n\n"


def test_last_line_without_newline_is_answered():
    assert run({}, b"protocol_version") == b"= 2\n\n"


def test_overlong_lines_are_refused_with_their_id():
    sent = b"12 x " + b"y" * (MAX_LINE_BYTES + 100_000) + b"\n13 protocol_version\n"
    assert run({}, sent) == b"?12 line too long\n\n=13 2\n\n"


def test_closed_output_ends_quietly():
    def closed(data):
        raise BrokenPipeError

    assert run({}, b"protocol_version\nprotocol_version\n", write=closed) == b""


def test_streaming_frames():
    def stream(call: Call) -> str:
        call.stream("")
        call.stream("info one")
        call.stream("info\n\ntwo")
        return "play D4"

    def silent(call: Call) -> str:
        call.stream("")
        return ""

    def broken(call: Call) -> str:
        call.stream("info one")
        raise GtpError("too late")

    answer = run({"s": stream, "n": silent, "b": broken}, b"1 s\n2 n\n3 b\n")
    assert answer == b"=1\ninfo one\ninfo\ntwo\nplay D4\n\n=2\n\n=3\ninfo one\n\n"


class Pipe:
    """Bytes that arrive when the test says so."""

    def __init__(self):
        self._data = bytearray()
        self._changed = threading.Condition()
        self._closed = False

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._data += data
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def read(self, count: int) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._closed, 10)
            taken = bytes(self._data[:count])
            del self._data[:count]
            return taken


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.001)


def test_waiting_input_is_seen_and_taken_in_order():
    pipe = Pipe()
    reader = LineReader(pipe.read)
    assert not reader.waiting and reader.next(0.01) is None
    pipe.feed(b"one\ntw")
    wait_until(lambda: reader.waiting)
    assert reader.next().text == "one"
    assert not reader.waiting
    pipe.feed(b"o\n")
    pipe.close()
    assert reader.next().text == "two"
    wait_until(lambda: reader.ended)
    assert reader.waiting and reader.next() is None


def test_interrupt_concerns_the_lines_before_it():
    pipe = Pipe()
    reader = LineReader(pipe.read)
    pipe.feed(b"genmove b\n# interrupt\ngenmove w\n")
    wait_until(lambda: reader.waiting)
    first, comment, second = reader.next(), reader.next(), reader.next()
    assert reader.interrupted(first) and not reader.interrupted(second)
    assert parse_command(comment.text) is None
    pipe.close()


def test_idle_time_is_used_until_input_comes():
    pipe, steps = Pipe(), []

    def idle() -> bool:
        steps.append(1)
        if len(steps) == 5:
            pipe.feed(b"protocol_version\nquit\n")
        return True

    written = io.BytesIO()
    Engine({}, LineReader(pipe.read), Output(written.write), idle).serve()
    assert written.getvalue() == b"= 2\n\n=\n\n" and len(steps) >= 5


def test_failing_idle_work_does_no_harm(capsys):
    assert run({}, b"protocol_version\n", idle=lambda: 1 // 0) == b"= 2\n\n"
