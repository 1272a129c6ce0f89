"""The scripts beside the package: their commands are valid, and what they write can be used."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.checkpoint import save_checkpoint
from agents.network import new_network
from benchmarks import families, learners, openings, runners
from go_env.errors import HonteError
from go_env.rules import Rules
from self_played import made_games
from tiny_run import tiny_config
from training.baselines.config import load_baseline
from training.config import load_config, provenance
from training.local_runner import run
from training.matches.openings import book_openings
from training.model_store import ModelStore


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


def test_both_runners_train_the_same() -> None:
    configs = []
    for runner in runners.RUNNERS:
        command = runners.training("7x7", 300, runner, workers=2, seed=5)
        overrides = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
        assert command[:4] == ["train", "7x7", "--runner", runner]
        configs.append(load_config(command[1], overrides))
    assert configs[0] == configs[1]
    assert (configs[0].loop.games, configs[0].loop.workers, configs[0].seed) == (300, 2, 5)


def test_learners_make_the_steps_that_their_games_pay_for() -> None:
    games = made_games()
    rows = sum(len(game.policy_plies) for game in games)
    config = tiny_config(size=5)
    for reuse in (1.0, 2.0):
        again = replace(config, replay=replace(config.replay, reuse=reuse, first_reuse=0.5))
        learner = learners.learn(again, games)
        assert learner.samples == int(reuse * rows) // config.learner.batch * config.learner.batch
        assert learner.steps == learner.samples // config.learner.batch > 0


def test_learners_are_given_the_games_that_were_asked_for(tmp_path: Path) -> None:
    config = tiny_config(games=40, size=5)
    run(config, tmp_path)
    store = ModelStore.existing(tmp_path)
    variant = learners.Variant("few", 30, ())
    assert len(learners.games_of(store, config, variant)) == 30
    with pytest.raises(HonteError, match="games, too few for few:3000"):
        learners.games_of(store, config, replace(variant, games=3000))
    with pytest.raises(HonteError, match="was played on 5x5: give its --preset"):
        learners.games_of(store, tiny_config(size=4), variant)


def test_a_learner_of_other_settings_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path, config = tmp_path / "fast.safetensors", tiny_config()
    facts = {"run": "here", "games": 60, **provenance(config)}
    save_checkpoint(path, new_network(config.network, 1), config.rules, facts)
    learners.refuse_another(path, facts)
    other = {**facts, "games": 70, **provenance(replace(config, seed=2))}
    with pytest.raises(HonteError, match="has another games, config_hash: give another name"):
        learners.refuse_another(path, other)


def test_a_learner_is_read_from_its_text() -> None:
    read = learners.Variant.parse("fast:300,replay.reuse=2,learner.batch=64")
    assert read == learners.Variant("fast", 300, ("replay.reuse=2", "learner.batch=64"))
    for text in ("fast", "fast:", "fast:many", ":300", "fast:0"):
        with pytest.raises(HonteError, match="is no learner: write NAME:GAMES"):
            learners.Variant.parse(text)


def test_models_are_evenly_spread_over_the_games(tmp_path: Path) -> None:
    stamps = {"time_s": 0.0, "elapsed_s": 0.0}
    events = [
        {"kind": "publish", "model": m, "games": 10 * (m - 1), **stamps} for m in range(1, 41)
    ]
    lines = [json.dumps(event) for event in events]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    chosen = runners.models(tmp_path)
    assert len(chosen) == runners.MODELS
    assert (min(chosen), max(chosen)) == (1, 40)
    assert all(games == 10 * (model - 1) for model, games in chosen.items())
    gaps = np.diff(list(chosen.values()))
    assert gaps.max() - gaps.min() <= 10


def run_openings(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["openings.py", *words])
    openings.main()


def test_a_book_holds_what_the_judge_calls_even(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = ["--size", "5", "--komi", "25", "--even", "0.5"]
    board += ["--out", str(tmp_path / "book.txt")]
    run_openings(monkeypatch, "rollout?sims=50", *board, "--count", "3")
    told = [float(line.split()[-3]) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 3
    assert all(abs(value) <= 0.5 for value in told)
    book = book_openings(str(tmp_path / "book.txt"), Rules(5, 25.0))
    assert [len(opening.moves) for opening in book] == [2, 2, 2]
    with pytest.raises(HonteError, match="tells no values"):
        run_openings(monkeypatch, "random", *board)
