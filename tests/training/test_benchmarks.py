"""The scripts beside the package: their commands are valid, and what they write can be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import families, openings
from go_env.errors import HonteError
from go_env.rules import Rules
from training.baseline_config import load_baseline
from training.config import load_config
from training.openings import book_openings


@pytest.mark.parametrize("preset", ["5x5", "7x7"])
def test_every_family_has_a_configuration_of_equal_time(preset: str) -> None:
    for name, command in families.families(preset, 3.0).items():
        overrides = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
        if name == "alphazero":
            assert load_config(command[1], overrides).loop.hours == pytest.approx(0.05)
        else:
            algorithm = "q-learning" if command[1] == "q-learning" else "policy-gradient"
            config = load_baseline(algorithm, command[2], overrides)
            assert config.loop.minutes == 3.0
            assert config.rules.komi == float(families.KOMI[preset])


def run_openings(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["openings.py", *words])
    openings.main()


def test_a_book_holds_what_the_judge_calls_even(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = ["--size", "5", "--komi", "25", "--even", "0.5", "--out", str(tmp_path)]
    run_openings(monkeypatch, "rollout?sims=50", *board, "--count", "3")
    told = [float(line.split()[-3]) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 3
    assert all(abs(value) <= 0.5 for value in told)
    book = book_openings(tmp_path, Rules(5, 25.0))
    assert [len(opening.moves) for opening in book] == [2, 2, 2]
    with pytest.raises(HonteError, match="tells no values"):
        run_openings(monkeypatch, "random", *board)
