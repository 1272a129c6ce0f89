"""Tests measure backends afresh: what this machine's user measured before is out of reach."""

from pathlib import Path

import pytest

from agents import backend_memory


@pytest.fixture(autouse=True)
def fresh_backend_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_memory, "_path", lambda: tmp_path / "backends.json")
