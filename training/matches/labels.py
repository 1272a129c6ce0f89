"""Short names for the players of a table: what tells them apart, not how they are started."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

_KEPT = 20  # names up to this length are labels as they are
_WIDTH = 24  # leaves room for the numbers beside it in 80 columns
_REPEATED = re.compile(r"(.*?)( #\d+)?", re.DOTALL)
_SPEC = re.compile(r"\w+[:?]")
_STRENGTH = re.compile(r"level \S+|\d+ sims|-t \S+")  # told of every player that has it


def short_labels(names: Sequence[str]) -> dict[str, str]:
    """Return a label for each name, no two alike; in any order of the names the same ones.

    Names that people gave stay as they are. A SPEC becomes its program or network and the settings
    that set its strength or differ between players of the same one, as in `gnugo level 10`.
    """
    names = sorted(names)
    parts = {name: _parts(name) for name in names if len(name) > _KEPT and _SPEC.match(name)}
    shared: dict[str, set[str]] = {}
    kinds = Counter(base for base, _, _ in parts.values())
    for base, settings, _ in parts.values():
        shared[base] = shared.get(base, set(settings)) & set(settings)
    labels = {name: name for name in names if name not in parts}
    wanted: dict[str, list[str]] = defaultdict(list)
    for name, (base, settings, number) in parts.items():
        common = shared[base] if kinds[base] > 1 else set(settings)
        told = [text for text in settings if text not in common or _STRENGTH.fullmatch(text)]
        wanted[_fit(" ".join([base, *told])) + number].append(name)
    taken = set(labels.values())
    for label, alike in wanted.items():
        for name in alike:
            labels[name] = _unused(label, taken)
            taken.add(labels[name])
    return labels


def labelled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of a rating table with the `label` of their `player` in each."""
    labels = short_labels([row["player"] for row in rows])
    return [{**row, "label": labels[row["player"]]} for row in rows]


def file_slug(name: str, most: int) -> str:
    """Return the first `most` characters of a name as they can stand in a file's name."""
    return re.sub(r"[^\w.-]+", "_", name)[:most]


def resolve_label(text: str, names: Sequence[str]) -> str | None:
    """Return the name that a person means who types a name or its label."""
    if text in names:
        return text
    return next((name for name, label in short_labels(names).items() if label == text), None)


def _parts(name: str) -> tuple[str, tuple[str, ...], str]:
    """Return the base of a SPEC's label, its settings, and the number of a repeated SPEC."""
    match = _REPEATED.fullmatch(name)
    assert match is not None  # it matches everything
    spec, number = match[1], match[2] or ""
    kind, _, rest = spec.partition(":")
    if kind == "gtp":
        program, *words = rest.split() or [kind]
        return PurePath(program).name, _flags(words), number
    body, _, query = spec.partition("?")
    kind, _, target = body.partition(":")
    path = PurePath(target)
    base = f"{kind} {path.name.removesuffix('.safetensors')}" if target else kind
    pairs = (part.partition("=") for part in query.split("&") if part)
    forms = {"sims": "{} sims", "search": "{}"}
    settings = (forms.get(key, f"{key} {{}}").format(value) for key, _, value in pairs)
    return base, tuple(settings), number


def _flags(words: Sequence[str]) -> tuple[str, ...]:
    """Join the flags of a command line to their values: `--level 10` is one setting."""
    flags: list[str] = []
    for word in words:
        if flags and flags[-1].startswith("-") and " " not in flags[-1] and word[0] != "-":
            flags[-1] += f" {word}"
        else:
            flags.append(word)
    return tuple(flag.removeprefix("--") for flag in flags)


def _fit(label: str) -> str:
    return label if len(label) <= _WIDTH else f"{label[: _WIDTH // 2]}…{label[1 - _WIDTH // 2 :]}"


def _unused(label: str, taken: set[str]) -> str:
    """Return the label, or the first of `label (2)`, `label (3)`, .. that is free."""
    free, number = label, 2
    while free in taken:
        free, number = f"{label} ({number})", number + 1
    return free
