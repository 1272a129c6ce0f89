"""Typed settings from TOML values and command-line text; errors name what was meant."""

import tomllib
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_env.errors import HonteError
from training.settings import build, merge, nearest, parse_overrides, to_mapping, to_toml


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    steps: int = 10
    mode: Literal["slow", "fast"] = "slow"
    limit: int | None = 5
    milestones: tuple[float, ...] = (0.5, 0.9)
    pair: tuple[int, str] = (1, "a")
    active: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise HonteError("steps must be at least 1")


@dataclass(frozen=True)
class Outer:
    seed: int = 1
    inner: Inner = field(default_factory=Inner)


def from_texts(*texts: str) -> Outer:
    return build(Outer, parse_overrides(texts))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("inner.rate=3", "rate", 3.0),
        ("inner.rate=1e-3", "rate", 0.001),
        ("inner.steps=1e6", "steps", 1_000_000),
        ("inner.steps=10_000", "steps", 10_000),
        ("inner.mode=fast", "mode", "fast"),
        ("inner.limit=none", "limit", None),
        ("inner.limit=7", "limit", 7),
        ("inner.milestones=0.1,0.2,1", "milestones", (0.1, 0.2, 1.0)),
        ("inner.milestones=[]", "milestones", ()),
        ("inner.pair=2,b", "pair", (2, "b")),
        ("inner.active=true", "active", True),
        ("inner.note=a=b c", "note", "a=b c"),
    ],
)
def test_override_takes_the_type_of_its_annotation(text: str, name: str, value: object) -> None:
    built = getattr(from_texts(text).inner, name)
    assert built == value
    assert type(built) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner.stpes=3", "unknown config key 'inner.stpes'; did you mean 'inner.steps'?"),
        ("stepz=3", "unknown config key 'stepz'; did you mean 'inner.steps'?"),
        ("inner.steps=2.5", "'inner.steps' must be a whole number, not 2.5"),
        ("inner.steps=true", "'inner.steps' must be a whole number, not True"),
        ("inner.rate=quick", "'inner.rate' must be a number, not 'quick'"),
        ("inner.active=1", "'inner.active' must be true or false, not 1"),
        ("inner.mode=fats", "'inner.mode' must be one of slow | fast, not 'fats'; did you mean"),
        ("inner.pair=1", "'inner.pair' must have 2 values, not 1"),
        ("inner=3", "config section 'inner' must be a table, not 3"),
        ("inner.steps=0", "[inner] steps must be at least 1"),
        ("inner.steps", "cannot read '--set inner.steps'"),
        ("inner..steps=1", "cannot read '--set inner..steps=1'"),
    ],
)
def test_bad_override_is_one_helpful_line(text: str, message: str) -> None:
    with pytest.raises(HonteError) as error:
        from_texts(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_later_override_wins() -> None:
    assert from_texts("seed=2", "seed=3").seed == 3


def test_override_below_a_plain_value_is_refused() -> None:
    with pytest.raises(HonteError, match="below the plain value"):
        parse_overrides(["seed=1", "seed.x=2"])


@given(
    rate=st.floats(allow_nan=False, allow_infinity=False),
    steps=st.integers(1, 10**12),
    limit=st.none() | st.integers(),
    milestones=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4).map(tuple),
    note=st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "none"),
    active=st.booleans(),
)
def test_toml_round_trip(**values: object) -> None:
    config = Outer(inner=Inner(**values))  # type: ignore[arg-type]
    text = to_toml(to_mapping(config))
    assert build(Outer, tomllib.loads(text)) == config


def test_merge_replaces_values_and_keeps_the_rest() -> None:
    base = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merge(base, {"a": {"y": 5}, "c": 6}) == {"a": {"x": 1, "y": 5}, "b": 3, "c": 6}


def test_nearest_lists_a_short_choice_when_nothing_is_near() -> None:
    assert nearest("zzz", ["5x5", "9x9"]) == "; known: 5x5, 9x9"
