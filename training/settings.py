"""Frozen dataclasses <-> TOML and `section.key=value` text, types checked by annotations.

Knows no section by name: the dataclasses live beside the code that reads them, and
`training.config` composes them.
"""

import difflib
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from go_env.errors import HonteError

T = TypeVar("T")

# TOML has no null; both files and the command line spell "no value" with this word.
NONE_WORD = "none"


def build(cls: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """Build dataclass `cls` from nested `values`; absent keys keep their defaults."""
    hints = get_type_hints(cls)
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    converted = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if key not in known:
            raise HonteError(
                f"unknown config key '{where}'{nearest(where, dotted_keys(cls, path))}"
            )
        converted[key] = convert(hints[key], value, where)
    try:
        return cls(**converted)
    except HonteError as error:
        raise HonteError(f"[{path}] {error}" if path else str(error)) from None


def without_unknown(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys that dataclass `cls` does not have: those of another version."""
    hints = get_type_hints(cls)
    return {
        key: without_unknown(hints[key], value)
        if is_dataclass(hints[key]) and isinstance(value, Mapping)
        else value
        for key, value in values.items()
        if key in hints
    }


def convert(annotation: Any, value: Any, path: str) -> Any:
    """Check `value` (as TOML knows it) against `annotation` and return it as that type."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        if not isinstance(value, Mapping):
            raise HonteError(f"config section '{path}' must be a table, not {value!r}")
        return build(annotation, value, path)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(annotation), value, path)
    if origin is Literal:
        return _convert_literal(get_args(annotation), value, path)
    if origin is tuple:
        return _convert_tuple(get_args(annotation), value, path)
    return _convert_scalar(annotation, value, path)


def parse_overrides(texts: Iterable[str]) -> dict[str, Any]:
    """Turn `["learner.batch_size=64", ...]` into nested values; later texts win."""
    values: dict[str, Any] = {}
    for text in texts:
        key, separator, literal = text.partition("=")
        parts = key.strip().split(".")
        if not separator or not all(parts):
            raise HonteError(f"cannot read '--set {text}'; write --set section.key=value")
        table = values
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise HonteError(f"'--set {text}' sets a key below the plain value '{part}'")
        table[parts[-1]] = _parse_literal(literal.strip())
    return values


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` on `base`, table by table."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(below, value) if both_tables else value  # type: ignore[arg-type]
    return merged


def to_mapping(config: Any) -> dict[str, Any]:
    """Nested plain values of a dataclass, as JSON knows them (tuples become lists)."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def to_toml(values: Mapping[str, Any]) -> str:
    """Write nested plain values as TOML; `build` reads the same values back."""
    return "\n".join(_toml_lines(values, "")).strip() + "\n"


def dotted_keys(cls: Any, path: str = "") -> list[str]:
    """All settable keys below `cls`, as `section.key`."""
    keys = []
    for name, hint in get_type_hints(cls).items():
        where = f"{path}.{name}" if path else name
        keys += dotted_keys(hint, where) if is_dataclass(hint) else [where]
    return keys


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint to append to an error: "; did you mean 'x'?", or what there is to choose from."""
    names = list(known)
    tails = [name.rpartition(".")[2] for name in names]
    tail = word.rpartition(".")[2]
    matches = [name for name in names if name.endswith(f".{tail}")]  # right key, wrong section
    if not matches:
        matches = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if not matches:
        near = difflib.get_close_matches(tail, tails, n=1, cutoff=0.7)
        matches = [name for name, its_tail in zip(names, tails, strict=True) if its_tail in near]
    if matches:
        return "; did you mean " + " or ".join(f"'{match}'" for match in matches) + "?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _convert_union(options: tuple[Any, ...], value: Any, path: str) -> Any:
    if type(None) in options and (value is None or value == NONE_WORD):
        return None
    errors = []
    for option in options:
        if option is not type(None):
            try:
                return convert(option, value, path)
            except HonteError as error:
                errors.append(error)
    raise errors[0]


def _convert_literal(options: tuple[Any, ...], value: Any, path: str) -> Any:
    for option in options:
        if type(option) is type(value) and option == value:
            return option
    choices = " | ".join(str(option) for option in options)
    hint = nearest(str(value), [str(option) for option in options])
    hint = hint if hint.startswith("; did") else ""
    raise HonteError(f"'{path}' must be one of {choices}, not {value!r}{hint}")


def _convert_tuple(items: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if value == NONE_WORD:
        value = []
    elif isinstance(value, str):
        value = [_parse_literal(part.strip()) for part in value.split(",") if part.strip()]
    elif not isinstance(value, list | tuple):
        value = [value]
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise HonteError(f"'{path}' must have {len(items)} values, not {len(value)}")
    pairs = zip(items, value, strict=True)
    return tuple(convert(item, v, f"{path}[{i}]") for i, (item, v) in enumerate(pairs))


def _convert_scalar(annotation: Any, value: Any, path: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_number = is_number and abs(value) < math.inf  # nor NaN
    if annotation is float and is_number:
        return float(value)
    if annotation is int and is_number and value == value // 1:  # 1e6 is a fine integer
        return int(value)
    if annotation in (bool, str) and isinstance(value, annotation):
        return value
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if annotation not in wanted:
        raise TypeError(f"config field '{path}' has the unsupported type {annotation!r}")
    raise HonteError(f"'{path}' must be {wanted[annotation]}, not {value!r}")


def _parse_literal(text: str) -> Any:
    """Read command-line text as a TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _toml_lines(values: Mapping[str, Any], path: str) -> list[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {_toml_value(v)}" for key, v in values.items() if key not in tables]
    if lines and path:
        lines.insert(0, f"[{path}]")
    for key, table in tables.items():
        lines += ["", *_toml_lines(table, f"{path}.{key}" if path else key)]
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    # JSON's integers and booleans are TOML's, and its strings but for one unprintable character.
    text = json.dumps(NONE_WORD if value is None else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
