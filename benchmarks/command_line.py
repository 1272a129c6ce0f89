"""What the command lines of the scripts beside have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from go_env.errors import HonteError


def run(main: Callable[[], None]) -> None:
    """Run a script; what is wrong with its input is one line that begins with its name."""
    try:
        main()
    except HonteError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


def counted(text: str, expected: str) -> tuple[str, int, tuple[str, ...]]:
    """Read NAME:COUNT[,KEY=VALUE]... as (name, count from 1, texts KEY=VALUE).

    expected: what it should have been, for the error: `learner: write NAME:GAMES[,KEY=VALUE]...`.
    """
    name, _, rest = text.partition(":")
    count, *overrides = rest.split(",")
    if not name or not count.isdecimal() or int(count) < 1:
        raise HonteError(f"'{text}' is no {expected}")
    return name, int(count), tuple(overrides)
