"""The rules of one game as plain values; the kernels read them from the board record."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from go_env.errors import HonteError

Ko = Literal["positional", "situational", "simple"]

MIN_SIZE, MAX_SIZE = 2, 25

#: Komi at which perfect play is solved (up to 5x5) or believed to be a draw under area scoring.
#: Source: van der Werf & Winands 2009 (up to 5x5); katagobooks.org opening books (6x6 to 9x9).
FAIR_KOMI = {2: 1.0, 3: 9.0, 4: 2.0, 5: 25.0, 6: 4.0, 7: 9.0, 8: 10.0, 9: 7.0}
_KOMI_ABOVE_9 = 7.0
_KOMI_LIMIT = 2.0 * MAX_SIZE**2


def fair_komi(size: int) -> float:
    """Return the komi that makes the game even on a board of this side."""
    return FAIR_KOMI.get(size, _KOMI_ABOVE_9)


@dataclass(frozen=True)
class Rules:
    """Rules of a game; the default is Tromp-Taylor. Scoring is always by area.

    Source: https://tromp.github.io/go.html. Ko by its literal text: `positional` forbids to repeat
    any earlier board, `situational` any earlier board with the same player to move, `simple` only
    to retake the single stone that was just taken in a ko. With `suicide` the stones that are left
    without a liberty are removed and *then* the ko rule is applied, so that a single-stone suicide
    is illegal under positional superko (it repeats the board) and legal otherwise.
    """

    size: int = 9
    komi: float = 7.0
    ko: Ko = "positional"
    suicide: bool = True
    move_limit: int | None = None  # the game ends after so many moves (passes count); None: never

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise HonteError(
                f"board size {self.size} is not supported: use {MIN_SIZE} to {MAX_SIZE}"
            )
        if self.ko not in get_args(Ko):
            raise HonteError(f"unknown ko rule {self.ko!r}: use one of {', '.join(get_args(Ko))}")
        if not abs(self.komi) <= 2 * MAX_SIZE**2 or self.komi * 2 != int(self.komi * 2):
            raise HonteError(
                f"komi {self.komi} is not usable: give a whole or half number of points"
            )
        if self.move_limit is not None and not 1 <= self.move_limit < 2**31:
            raise HonteError(f"move limit {self.move_limit} must be 1 to {2**31 - 1} (or none)")

    @staticmethod
    def preset(name: str, size: int = 9, komi: float = 7.0, move_limit: int | None = None) -> Rules:
        """Return a rule set of PRESETS; raises HonteError for other names."""
        if name not in PRESETS:
            raise HonteError(f"unknown rules {name!r}: use one of {', '.join(PRESETS)}")
        ko, suicide = PRESETS[name]
        return Rules(size=size, komi=komi, ko=ko, suicide=suicide, move_limit=move_limit)


def usable_komi(komi: float) -> float:
    """Return the whole or half number that decides every game as this komi does.

    Area scores are whole numbers: 6.7 and 6.5 have the same winner, and so have 10,000 and 1,250.
    """
    limited = min(max(float(komi), -_KOMI_LIMIT), _KOMI_LIMIT)
    return limited if (limited * 2).is_integer() else math.floor(limited) + 0.5


#: Rule sets that score by area. `chinese` is the one that programs play: no suicide, simple
#: ko (its superko clause is not enforced in practice). `cgos` is the computer Go server's.
#: Source: KataGo docs/GTP_Extensions.md for the names and what they stand for.
PRESETS: dict[str, tuple[Ko, bool]] = {
    "tromp-taylor": ("positional", True),
    "chinese": ("simple", False),
    "cgos": ("positional", False),
    "chinese-ogs": ("positional", False),
    "chinese-kgs": ("positional", False),
    "aga": ("situational", False),
    "bga": ("situational", False),
    "french": ("situational", False),
    "new-zealand": ("situational", True),
    "nz": ("situational", True),
    "ing": ("positional", True),
    "goe": ("positional", True),
}
#: Rule sets that can only be approximated, and the nearest preset.
NEAREST = {
    "japanese": "chinese",
    "korean": "chinese",
    "stone-scoring": "chinese",
    "ancient-area": "chinese",
    "aga-button": "aga",
}
_JOINTS = re.compile("[ _-]")


def preset_name(text: str) -> str:
    """Return the name in PRESETS or NEAREST that is meant by `New Zealand` or `chinese_ogs` too.

    A name that is in neither comes back in lower case without its joints.
    """
    plain = _JOINTS.sub("", text.strip().lower())
    names = (*PRESETS, *NEAREST)
    return next((name for name in names if _JOINTS.sub("", name) == plain), plain)
