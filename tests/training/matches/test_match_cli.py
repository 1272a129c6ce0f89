"""`honte match` and `honte rate` as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from go_env.errors import HonteError
from training.matches.cli import match, rate


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(match)
    app.command()(rate)

    def invoke(*words: object):
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)

    return invoke


def test_a_match_prints_tables_and_json_and_can_be_rated(run, tmp_path):
    words = ["match", "random", "b=random", "--games", 4, "--size", 5, "--komi", 0.5]
    words += ["--workers", 0, "--out", tmp_path / "m"]
    shown = run(*words)
    assert shown.exit_code == 0, shown.output
    assert "Black" in shown.output
    assert str(tmp_path / "m") in shown.output.replace("\n", "")
    again = run(*words, "--json")
    data = json.loads(again.stdout)
    assert data["games"] == 4
    assert data["match"]["komi"] == 0.5
    rated = run("rate", tmp_path / "m", "--anchor", "b", "--json", "--png", tmp_path / "l.png")
    assert json.loads(rated.stdout)["ratings"]["anchor"] == "b"
    assert (tmp_path / "l.png").exists()
    assert "player" in run("rate", tmp_path / "m").output


def test_a_sequential_test_from_the_command_line(run, tmp_path):
    result = run(
        "match", "rollout?sims=40", "random", "--games", 200, "--size", 5, "--komi", 0.5,
        "--sprt", 0, 200, "--workers", 0, "--out", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "SPRT accepted" in result.output.replace("\n", " ")


def test_errors_reach_the_command_as_one_line(run, tmp_path):
    result = run("match", "random", "--out", tmp_path)
    assert "at least two players" in str(result.exception)
    result = run("match", "random", "b=random", "--address", "auto", "--out", tmp_path)
    assert "--address needs --runner ray" in str(result.exception)
    assert "cannot read" in str(run("rate", tmp_path / "nothing").exception)
    refused = str(run("rate", tmp_path, "--prior", "1e400").exception)
    assert refused == "--prior must be a finite number of draws, 0 or more (given inf)"
    result = run("match", "random", "b=random", "--seed", -1, "--out", tmp_path)
    assert result.exit_code == 2
    assert "--seed" in result.output


def test_a_ladder_that_cannot_be_written_is_one_line(run, tmp_path):
    words = ["match", "random", "b=random", "--games", 4, "--size", 4, "--workers", 0]
    run(*words, "--out", tmp_path / "m")
    result = run("rate", tmp_path / "m", "--png", tmp_path / "none" / "x.png")
    assert isinstance(result.exception, HonteError)
    assert "x.png: No such file" in str(result.exception)
