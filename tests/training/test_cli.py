"""The command line: quick to answer, and one line for each mistake of the user's."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training import cli
from training.cli import main

COMMANDS = ("train", "gtp", "analysis", "match", "rate", "report")


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `honte arguments` in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["honte", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_help_names_every_command_and_is_quick() -> None:
    start = time.process_time()
    children = os.times().children_user
    command = [sys.executable, "-m", "training.cli", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"\n  {name} " in run.stdout
    assert "demo" not in run.stdout
    spent = os.times().children_user - children + time.process_time() - start
    assert spent < 1.0, "0.1 s on a free machine"


LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "9x8"], "unknown preset '9x8'; did you mean '9x9'?"),
        (["train", "none.toml"], "no such config file: none.toml"),
        (["train", "5x5", "--set", "sead=2"], "unknown config key 'sead'; did you mean 'seed'?"),
        (["train", "5x5", "--set", "seed"], "cannot read '--set seed'"),
        (["train", "5x5", "--set", "rules.size=99"], "board size 99"),
        (["train", "5x5", "--runner", "local", "--address", "auto"], "--address needs"),
        (["report", "nowhere"], "nowhere is not a run directory"),
        (["train", f"{LONG}.toml"], f"{LONG}.toml: File name too long; give the name of a file"),
        (["rate", LONG], f"{LONG}: File name too long; give the name of a file or folder"),
        (["match", "random", "random", "--openings", "C3 D4 " * 50], "File name too long; give"),
        (["match", "random", f"honte:{LONG}"], f"{LONG}: File name too long; give the name of"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x/state")

    monkeypatch.setattr(cli, "app", full)
    assert run_main(monkeypatch, "train", "5x5") == 2
    says = "honte: runs/x/state: No space left on device; the same command goes on afterwards\n"
    assert capsys.readouterr().err == says


def test_unwritable_run_directory_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    run = str(tmp_path / "file" / "run")
    assert run_main(monkeypatch, "train", "5x5", "--runner", "local", "--run", run) == 2
    err = capsys.readouterr().err
    assert "cannot write to run directory" in err
    assert len(err.splitlines()) == 1


def test_unknown_command_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "trian") == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err
