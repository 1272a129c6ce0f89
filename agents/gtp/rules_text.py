"""Rules in KataGo's words: the JSON of `kata-get-rules` and the shorthand names.

Source: KataGo docs/GTP_Extensions.md. Honte scores by area and knows no button and no tax.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from go_env.errors import HonteError
from go_env.rules import Ko, Rules

#: (ko, suicide) of the shorthand names that score by area.
_AREA_RULES: dict[str, tuple[Ko, bool]] = {
    "tromp-taylor": ("positional", True),
    "chinese": ("simple", False),
    "chinese-ogs": ("positional", False),
    "chinese-kgs": ("positional", False),
    "cgos": ("positional", False),
    "aga": ("situational", False),
    "bga": ("situational", False),
    "french": ("situational", False),
    "new-zealand": ("situational", True),
    "nz": ("situational", True),
    "ing": ("positional", True),
    "goe": ("positional", True),
}
#: Rule sets that Honte can only approximate, by the nearest that it plays.
_NEAREST = {
    "japanese": "chinese",
    "korean": "chinese",
    "stone-scoring": "chinese",
    "ancient-area": "chinese",
    "aga-button": "aga",
}
_JOINTS = re.compile("[ _-]")
_KO_WORDS: dict[str, Ko] = {
    "SIMPLE": "simple",
    "POSITIONAL": "positional",
    "SITUATIONAL": "situational",
    "SPIGHT": "situational",
}


#: White's compensation per handicap stone, by shorthand; "0" for all others.
_BONUS = {
    "chinese": "N",
    "chinese-ogs": "N",
    "chinese-kgs": "N",
    "aga": "N-1",
    "bga": "N-1",
    "french": "N-1",
}


def bonus_of(value: Any) -> str:
    """Return White's compensation for handicap stones, "0", "N" or "N-1", under rules.

    value: as in `rules_from_value`. Raises HonteError if the field holds something else.
    """
    if isinstance(value, Mapping):
        bonus = str(value.get("whiteHandicapBonus", "0"))
        if bonus not in ("0", "N", "N-1"):
            raise HonteError("whiteHandicapBonus must be one of 0, N, N-1")
        return bonus
    name = _shorthand(str(value))
    return _BONUS.get(_NEAREST.get(name, name), "0")


def rules_to_json(rules: Rules, bonus: str) -> str:
    """Return the rules as `kata-get-rules` reports them."""
    return json.dumps(
        {
            "friendlyPassOk": False,
            "hasButton": False,
            "ko": rules.ko.upper(),
            "scoring": "AREA",
            "suicide": rules.suicide,
            "tax": "NONE",
            "whiteHandicapBonus": bonus,
        },
        separators=(",", ":"),
    )


def _shorthand(text: str) -> str:
    """Return the name as it is listed here, of `New Zealand` or `chinese_ogs` too."""
    plain = _JOINTS.sub("", text.strip().lower())
    names = (*_AREA_RULES, *_NEAREST)
    return next((name for name in names if _JOINTS.sub("", name) == plain), plain)


def parse_rules(value: Any, base: Rules) -> tuple[Rules, str, str | None]:
    """Read a shorthand name, fields or their JSON text; return rules, bonus and what is lost.

    See `rules_from_value` and `bonus_of`.
    """
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            raise HonteError("could not parse rules") from None
    rules, lost = rules_from_value(value, base)
    return rules, bonus_of(value), lost


def rules_from_value(value: Any, base: Rules) -> tuple[Rules, str | None]:
    """Return the nearest rules that Honte plays, and what is lost, if anything.

    Args:
        value: a shorthand name, or fields as in `kata-get-rules`.
        base: gives size, komi and the fields that are not named.
    """
    if isinstance(value, str):
        name = _shorthand(value)
        nearest = _NEAREST.get(name, name)
        if nearest not in _AREA_RULES:
            raise HonteError(f"unknown rules: use one of {', '.join(sorted(_AREA_RULES))}")
        ko, suicide = _AREA_RULES[nearest]
        lost = None if nearest == name else f"{name} rules are played as {nearest} (area scoring)"
        return replace(base, ko=ko, suicide=suicide), lost
    if isinstance(value, Mapping):
        return _from_fields(value, base)
    raise HonteError("could not parse rules")


def _from_fields(fields: Mapping[str, Any], base: Rules) -> tuple[Rules, str | None]:
    ko_word = str(fields.get("ko", base.ko)).upper()
    suicide = fields.get("suicide", fields.get("multiStoneSuicideLegal", base.suicide))
    if ko_word not in _KO_WORDS or not isinstance(suicide, bool):
        raise HonteError("could not parse rules")
    lost = [
        f"{name} {fields[name]}"
        for name, ours in (("scoring", "AREA"), ("tax", "NONE"), ("hasButton", False))
        if fields.get(name, ours) != ours
    ]
    rules = replace(base, ko=_KO_WORDS[ko_word], suicide=suicide)
    return rules, f"not supported: {', '.join(lost)}" if lost else None
