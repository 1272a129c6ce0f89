"""Searches find what they found when the golden trees were recorded (tests/regenerate.py)."""

from __future__ import annotations

import json

import pytest

from golden import FOLDER, search_trees


def test_trees_are_as_recorded() -> None:
    recorded = json.loads((FOLDER / "search_trees.json").read_text(encoding="utf-8"))
    found = search_trees()
    assert len(found) == len(recorded) == 30
    for tree, golden in zip(found, recorded, strict=True):
        for name, value in golden.items():
            assert tree[name] == pytest.approx(value, abs=2e-3), (golden["search"], name)
