"""Rules in KataGo's words: the JSON of `kata-get-rules` and the shorthand names.

Source: KataGo docs/GTP_Extensions.md. Honte scores by area and knows no button and no tax.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from go_env.errors import HonteError
from go_env.rules import NEAREST, PRESETS, Ko, Rules, preset_name

_KO_WORDS: dict[str, Ko] = {
    "SIMPLE": "simple",
    "POSITIONAL": "positional",
    "SITUATIONAL": "situational",
    "SPIGHT": "situational",
}


#: What Honte plays where KataGo has a choice.
_OURS = (("scoring", "AREA"), ("score", "AREA"), ("tax", "NONE"), ("hasButton", False))
_FIELDS = {name for name, _ in _OURS} | {
    "ko", "suicide", "multiStoneSuicideLegal", "whiteHandicapBonus", "friendlyPassOk",
}  # fmt: skip
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
    name = preset_name(str(value))
    return _BONUS.get(NEAREST.get(name, name), "0")


def rules_to_json(rules: Rules, bonus: str, friendly_pass: bool) -> str:
    """Return the rules as `kata-get-rules` reports them."""
    return json.dumps(
        {
            "friendlyPassOk": friendly_pass,
            "hasButton": False,
            "ko": rules.ko.upper(),
            "scoring": "AREA",
            "suicide": rules.suicide,
            "tax": "NONE",
            "whiteHandicapBonus": bonus,
        },
        separators=(",", ":"),
    )


def parse_rules(value: Any, base: Rules, bonus: str = "0") -> tuple[Rules, str, str | None]:
    """Read a shorthand name, fields or their JSON text; return rules, bonus and what is lost.

    See `rules_from_value` and `bonus_of`; `bonus` stays where only other fields are named.
    """
    value = _parsed(value)
    rules, lost = rules_from_value(value, base)
    if isinstance(value, Mapping) and "whiteHandicapBonus" not in value:
        return rules, bonus, lost
    return rules, bonus_of(value), lost


def friendly_pass_of(text: str) -> bool | None:
    """Return whether dead stones may be left on the board before a pass; None: rules say nothing.

    text: as in `parse_rules`. Raises HonteError if the field holds something else.
    """
    value = _parsed(text)
    found = value.get("friendlyPassOk") if isinstance(value, Mapping) else None
    if not (found is None or isinstance(found, bool)):
        raise HonteError("friendlyPassOk must be true or false")
    return found


def _parsed(value: Any) -> Any:
    """Return the fields of a JSON text, and anything else as it is."""
    if not (isinstance(value, str) and value.strip().startswith("{")):
        return value
    try:
        return json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        raise HonteError("could not parse rules") from None


def rules_from_value(value: Any, base: Rules) -> tuple[Rules, str | None]:
    """Return the nearest rules that Honte plays, and what is lost, if anything.

    Args:
        value: a shorthand name, or fields as in `kata-get-rules`.
        base: gives size, komi and the fields that are not named.
    """
    if isinstance(value, str):
        name = preset_name(value)
        nearest = NEAREST.get(name, name)
        if nearest not in PRESETS:
            raise HonteError(f"unknown rules: use one of {', '.join(sorted(PRESETS))}")
        ko, suicide = PRESETS[nearest]
        lost = None if nearest == name else f"{name} rules are played as {nearest} (area scoring)"
        return replace(base, ko=ko, suicide=suicide), lost
    if isinstance(value, Mapping):
        return _from_fields(value, base)
    raise HonteError("could not parse rules")


def _from_fields(fields: Mapping[str, Any], base: Rules) -> tuple[Rules, str | None]:
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise HonteError(f"unknown rules option {unknown[0]}")
    ko_word = str(fields.get("ko", base.ko)).upper()
    suicide = fields.get("suicide", fields.get("multiStoneSuicideLegal", base.suicide))
    if ko_word not in _KO_WORDS or not isinstance(suicide, bool):
        raise HonteError("could not parse rules")
    lost = [f"{name} {fields[name]}" for name, ours in _OURS if fields.get(name, ours) != ours]
    rules = replace(base, ko=_KO_WORDS[ko_word], suicide=suicide)
    return rules, f"not supported: {', '.join(lost)}" if lost else None
