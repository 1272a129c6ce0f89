"""Arguments of commands: text to numbers, colors and vertices, or `syntax error`."""

from __future__ import annotations

import re

from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError
from go_env.coords import action_from_vertex, color_from_letter
from go_env.errors import HonteError

_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")
_VERTEX = re.compile(r"[A-HJ-Za-hj-z][1-9][0-9]?")


def text_argument(call: Call, index: int) -> str:
    if index >= len(call.arguments):
        raise GtpError(SYNTAX_ERROR)
    return call.arguments[index]


def parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise GtpError(SYNTAX_ERROR)
    return int(text)


def parse_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise GtpError(SYNTAX_ERROR)
    return float(text)


def parse_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise GtpError(SYNTAX_ERROR)
    return text.lower() in ("true", "1")


def parse_color(text: str) -> int:
    try:
        return color_from_letter(text)
    except HonteError:
        raise GtpError(SYNTAX_ERROR) from None


def parse_vertex(text: str, size: int) -> int:
    """Return the action; a well-formed vertex off the board is an illegal move."""
    try:
        return action_from_vertex(text, size)
    except HonteError:
        problem = "illegal move" if _VERTEX.fullmatch(text) else SYNTAX_ERROR
        raise GtpError(problem) from None


def integer_argument(call: Call, index: int) -> int:
    return parse_integer(text_argument(call, index))


def number_argument(call: Call, index: int) -> float:
    return parse_number(text_argument(call, index))


def color_argument(call: Call, index: int) -> int:
    return parse_color(text_argument(call, index))
