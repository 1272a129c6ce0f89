"""Many techniques from one set of trainings: the design, its arithmetic, and a small run of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import screening, trainings
from benchmarks.screening import TECHNIQUES, design, effects, hadamard
from benchmarks.trainings import Plan
from go_env.errors import HonteError
from tiny_run import tiny_config
from training.config import config_toml


@pytest.mark.parametrize(("techniques", "order"), [(3, 4), (8, 8), (9, 12), (24, 24), (25, 32)])
def test_columns_are_balanced_and_independent_of_each_other(techniques: int, order: int) -> None:
    matrix = hadamard(techniques)
    assert (matrix @ matrix.T == order * np.eye(order)).all()
    signs = design(techniques)
    assert signs.shape == (2 * order, techniques)
    assert (signs.sum(axis=0) == 0).all()
    assert (signs.T @ signs == 2 * order * np.eye(techniques)).all()


def test_an_interaction_of_two_is_not_taken_for_the_effect_of_one() -> None:
    signs = design(8)
    elo = 30.0 * signs[:, 2] + 50.0 * signs[:, 0] * signs[:, 5]
    gains, half_width = effects(elo, signs)
    assert gains == pytest.approx([0, 0, 60, 0, 0, 0, 0, 0])
    assert half_width > 0  # it is noise instead


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, signs = np.random.default_rng(3), design(12)
    truth = rng.normal(0, 50, 12)
    held = []
    for _ in range(1000):
        gains, half_width = effects(signs @ truth / 2 + rng.normal(0, 80, len(signs)), signs)
        held.append(np.abs(gains - truth) < half_width)
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_no_error_bar_without_trainings_to_spare() -> None:
    with pytest.raises(HonteError, match="too few trainings"):
        effects(np.zeros(4), hadamard(4)[:, 1:])
    with pytest.raises(HonteError, match="no design for 33 techniques"):
        design(33)


@pytest.mark.parametrize(("preset", "left_out"), [("5x5", {"small_sizes"}), ("9x9", set())])
def test_every_training_of_a_design_is_a_configuration_of_its_own(
    preset: str, left_out: set[str], tmp_path: Path
) -> None:
    plan = Plan(preset, 60.0, 32, 8, tmp_path)
    names = list(trainings.applicable(plan, "technique", TECHNIQUES, list(TECHNIQUES)))
    assert set(TECHNIQUES) - set(names) == left_out
    signs = design(len(names))
    configs = {repr(plan.config(screening.settings(names, row), 1)) for row in signs}
    assert len(configs) == len(signs)


def test_each_training_meets_as_many_others() -> None:
    players = [str(i) for i in range(48)]
    met = [player for pair in screening.pairings(players) for player in pair]
    assert {met.count(player) for player in players} == {2 * len(screening.OPPONENTS)}
    assert len({frozenset(pair) for pair in screening.pairings(players[:8])}) == len(
        list(screening.pairings(players[:8]))
    )


@pytest.fixture
def tiny_preset(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(replace(tiny_config(size=5), seed=1)))
    return path


def test_a_screening_goes_on_and_tells_what_it_found(
    tiny_preset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(screening, "OPPONENTS", (1,))
    words = ["--seconds", "0.2", "--simulations", "2", "--pairs", "2", "--out", str(tmp_path)]
    words += ["--only", "ownership,forks", "--set", "loop.games=0"]
    monkeypatch.setattr(sys, "argv", ["screening.py", str(tiny_preset), *words])
    screening.main()
    told = capsys.readouterr().out
    assert told.count("training 0") == 8
    table = (tmp_path / "tiny-0.2s" / "screening.md").read_text()
    assert table in told
    assert {line.split()[1] for line in table.splitlines()[4:]} == {"ownership", "forks"}
    screening.main()
    assert "training 0" not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--seed", "2"])
    with pytest.raises(HonteError, match="holds another configuration"):
        screening.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-2], "--only", "ownersip"])
    with pytest.raises(HonteError, match="unknown technique 'ownersip'"):
        screening.main()


def test_half_of_a_match_is_played_where_nothing_is_drawn(
    tiny_preset: Path, tmp_path: Path
) -> None:
    scored = "search.score_weight=0.2"  # needs an evaluator that tells scores
    plan = Plan(str(tiny_preset), 0.2, 2, 2, tmp_path, ("loop.games=0", scored))
    for seed, player in enumerate(("one", "two"), 1):
        trainings.train(plan, player, (), seed)
    trainings.play(plan, "one", "two")
    games = json.loads(plan.match_path("one", "two").read_text())
    assert [game[:2] for game in games] == [["one", "two"], ["two", "one"]] * 2
    assert all(score in (0, 1) for _, _, score in games[2:])
    assert trainings.played(plan, [("one", "two")]) == [tuple(game) for game in games]
