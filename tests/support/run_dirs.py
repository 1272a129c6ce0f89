"""Reads what lies in a run directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.records import GameRecord, load_games


def events(run_dir: Path, kind: str) -> list[dict[str, Any]]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def chunks(run_dir: Path) -> dict[int, list[GameRecord]]:
    """Return the games of each chunk by the number of its first game."""
    paths = sorted((run_dir / "games").glob("games-*.npz"))
    return {int(path.stem.removeprefix("games-")): load_games(path) for path in paths}


def games_of(run_dir: Path) -> list[GameRecord]:
    return [game for games in chunks(run_dir).values() for game in games]
