"""Runs that go on: with other settings, after a kill at a bad moment, with files missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.checkpoint import load_checkpoint, load_tensors, save_tensors
from go_env.errors import HonteError
from run_dirs import chunks, events, games_of
from tiny_run import tiny_config
from training import ray_runner, records
from training.baselines.config import load_baseline
from training.baselines.run_files import open_baseline
from training.config import RunConfig, config_toml
from training.gatekeeper import GateConfig
from training.local_runner import run
from training.model_store import ModelStore
from training.run_files import open_run
from training.worker import RatingResult, Worker


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its end undisturbed."""
    run_dir = tmp_path_factory.mktemp("finished")
    run(tiny_config(games=60), run_dir)
    return run_dir


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def with_reuse(reuse: float) -> RunConfig:
    config = tiny_config(games=200)
    return replace(config, replay=replace(config.replay, reuse=reuse))


def test_a_strict_gate_holds_for_a_run_that_began_without(tmp_path: Path) -> None:
    config = tiny_config(games=60)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        assert trainer.publish() == trainer.playing == 2
    config = replace(config, gate=GateConfig(mode="strict"))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.playing == 1


@pytest.mark.parametrize("reuse", [6.0, 1.0])
def test_another_reuse_holds_for_what_is_still_due(run_dir: Path, reuse: float) -> None:
    config = with_reuse(reuse)
    with open_run(config, run_dir, None, "", "local", 1) as trainer:
        before = trainer.window.rows_made
        assert trainer.due_steps <= reuse / 2  # a part of a step was due at reuse 2
        worker = Worker(config, 0, trainer.starts)
        while trainer.window.rows_made < before + 200:
            task = trainer.next_task()
            trainer.absorb(worker.play(task, trainer.weights(task.plan.model)))
        made = trainer.window.rows_made - before
        assert trainer.due_steps == pytest.approx(reuse * made / 32, abs=reuse / 2 + 1)
        due = trainer.due_steps
        trainer.save()
    with open_run(config, run_dir, None, "", "local", 1) as trainer:
        assert trainer.due_steps == due


def test_a_reuse_that_grows_is_that_of_the_hour_a_game_was_played(tmp_path: Path) -> None:
    config = tiny_config(games=120)
    config = replace(config, replay=replace(config.replay, first_reuse=1.0, reuse=3.0))
    owed = 0.0
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        worker = Worker(config, 0, trainer.starts)
        while trainer.progress < 1.0:
            task, before = trainer.next_task(), trainer.window.rows_made
            trainer.absorb(worker.play(task, trainer.weights(task.plan.model)))
            owed += (1 + 2 * trainer.progress) * (trainer.window.rows_made - before)
        assert trainer.due_steps == owed // 32
        assert 1.5 < owed / trainer.window.rows_made < 2.5


def test_games_after_the_last_saved_state_are_paid_for(tmp_path: Path) -> None:
    config = with_reuse(2.0)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        worker = Worker(config, 0, trainer.starts)
        trainer.save()
        while not trainer.window.is_filled:
            task = trainer.next_task()
            trainer.absorb(worker.play(task, trainer.weights(task.plan.model)))
        due, rows = trainer.due_steps, trainer.window.rows_made
    assert due == 2 * rows // 32 > 0
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.due_steps == due


def test_runs_of_before_debts_and_ratings_were_kept_go_on(run_dir: Path) -> None:
    path = run_dir / "state" / "learner.safetensors"
    tensors, state = load_tensors(path)
    del state["learner"]["owed"], state["rated"]
    save_tensors(path, tensors, state)
    with open_run(tiny_config(games=60), run_dir, None, "", "local", 1) as trainer:
        assert trainer.due_steps == trainer.unrated == 0


def test_a_run_that_lost_its_games_plays_before_it_learns(run_dir: Path) -> None:
    with open_run(tiny_config(games=200), run_dir, None, "", "local", 1) as trainer:
        trainer.learner.owed += 1000.0
        trainer.save()
    shutil.rmtree(run_dir / "games")
    with open_run(tiny_config(games=200), run_dir, None, "", "local", 1) as trainer:
        assert trainer.window.rows == trainer.due_steps == 0
    run(tiny_config(games=120), run_dir)
    assert events(run_dir, "done")[-1]["step"] > events(run_dir, "done")[0]["step"]


def test_a_state_without_a_value_is_one_line(run_dir: Path) -> None:
    path = run_dir / "state" / "learner.safetensors"
    tensors, state = load_tensors(path)
    del state["rng"]
    save_tensors(path, tensors, state)
    opened = open_run(tiny_config(games=60), run_dir, None, "", "local", 1)
    with pytest.raises(HonteError, match=r"cannot be used \('rng'\): move it away"), opened:
        pass


def test_a_damaged_state_is_moved_away_and_nothing_else_is_lost(run_dir: Path) -> None:
    path = run_dir / "state" / "learner.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    opened = open_run(tiny_config(games=60), run_dir, None, "", "local", 1)
    with pytest.raises(HonteError, match=r"truncated .*: move it away"), opened:
        pass
    path.unlink()
    store = ModelStore(run_dir)
    newest, games = store.numbers()[-1], len(games_of(run_dir))
    with open_run(tiny_config(games=120), run_dir, None, "", "local", 1) as trainer:
        assert (trainer.model, trainer.window.games_made) == (newest, games)
        assert trainer.evaluations == sum(game.evaluations for game in games_of(run_dir))
        assert trainer.publish() == newest + 1
        before, after = (load_checkpoint(store.checkpoint_path(newest + i)) for i in (0, 1))
    for name, tensor in before.weights.items():
        assert torch.equal(after.weights[name], tensor)
    run(tiny_config(games=120), run_dir)
    assert events(run_dir, "done")[-1]["games"] >= 120


def test_a_directory_of_another_kind_of_run_is_left_alone(run_dir: Path, tmp_path: Path) -> None:
    baseline = load_baseline("policy-gradient", "5x5")
    opened = open_baseline(baseline, run_dir, None, "", "local", 1)
    with pytest.raises(HonteError, match=r"another kind \(config.toml has 'gate'\)"), opened:
        pass
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "config.toml").write_text(config_toml(baseline))
    again = open_run(tiny_config(games=60), tmp_path / "pg", None, "", "local", 1)
    with pytest.raises(HonteError, match=r"has 'policy_gradient'\): use a new --run"), again:
        pass


def test_a_last_gate_that_was_cut_short_publishes_nothing_again(run_dir: Path) -> None:
    path = run_dir / "state" / "learner.safetensors"
    numbers, gates = ModelStore(run_dir).numbers(), events(run_dir, "gate")
    for judged in (numbers[-1], 0):
        tensors, state = load_tensors(path)
        save_tensors(path, tensors, {**state, "finished": False, "judged": judged})
        run(tiny_config(games=60), run_dir)
        assert ModelStore(run_dir).numbers() == numbers
    champion, seen = gates[-1]["candidate"], [gate["candidate"] for gate in gates]
    assert champion == numbers[-1]  # it was judged, won or lost
    later = [gate["candidate"] for gate in events(run_dir, "gate")[len(seen) :]]
    assert later == ([] if gates[-1]["promoted"] else [numbers[-1]])


def test_a_champion_whose_rating_was_cut_short_is_rated_at_the_start(tmp_path: Path) -> None:
    config = tiny_config(games=30)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.unrated == 0  # no champion
        trainer.crown_first()
        assert trainer.unrated == 1
    run(config, tmp_path)
    rated = [event["model"] for event in events(tmp_path, "rating")]
    assert rated[0] == 1
    assert rated == sorted(set(rated))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.unrated == 0


def test_a_candidate_whose_verdict_was_cut_short_is_judged_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Actor:
        def remote(self, *_: object) -> None: ...

    config = tiny_config(games=1)
    config = replace(config, loop=replace(config.loop, keep_last=1, rate_games=0))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        trainer.put_forward(trainer.publish())
        trainer.publish()
    monkeypatch.setattr(ray_runner, "actor_class", lambda kind, workers: Actor())
    with open_run(config, tmp_path, None, "", "ray", 1) as trainer:
        assert ray_runner._Crew(trainer, 1)._waiting == [("gate", 2)]
        trainer.publish()
        assert trainer.store.numbers() == [1, 2, 4]
    run(config, tmp_path)
    assert events(tmp_path, "gate")[0]["candidate"] == 4
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert not trainer.candidates


def test_games_after_the_last_save_count_with_their_evaluations(run_dir: Path) -> None:
    path = run_dir / "state" / "learner.safetensors"
    tensors, state = load_tensors(path)
    last, games = max(chunks(run_dir).items())
    state["games_made"], total = last - 1, state["evaluations"]
    save_tensors(path, tensors, state)
    with open_run(tiny_config(games=200), run_dir, None, "", "local", 1) as trainer:
        assert trainer.evaluations == total + sum(game.evaluations for game in games)


def test_a_rating_without_games_is_not_asked_for_again(tmp_path: Path) -> None:
    config = tiny_config(games=30)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        trainer.take_ratings(1, RatingResult(problems=["no engine answered"]), 1.0)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.unrated == 0
    off = replace(config, loop=replace(config.loop, rate_games=0))
    with open_run(off, tmp_path, None, "", "local", 1) as trainer:
        trainer.store.promote(trainer.publish())
        assert trainer.unrated == 0


def test_the_crew_on_ray_asks_for_a_missing_rating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Actor:
        def remote(self, *_: object) -> None: ...

    monkeypatch.setattr(ray_runner, "actor_class", lambda kind, workers: Actor())
    with open_run(tiny_config(games=30), tmp_path, None, "", "ray", 1) as trainer:
        assert ray_runner._Crew(trainer, 1)._waiting == []
        trainer.crown_first()
        assert ray_runner._Crew(trainer, 1)._waiting == [("rate", 1)]


@pytest.mark.parametrize(
    ("seconds_a_step", "due", "publish_after", "expected"),
    [(0.03, 99, 99, 4), (0.5, 99, 99, 1), (0.03, 2, 99, 2), (0.03, 99, 3, 3), (0.03, 0, 99, 0)],
)
def test_the_crew_on_ray_looks_at_its_workers_every_tenth_of_a_second(
    seconds_a_step: float,
    due: int,
    publish_after: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless a step takes longer, nothing is due, or a model is to be published."""

    class Busy:
        candidates = ()
        unrated = steps = 0

        @property
        def publish_due(self) -> bool:
            return self.steps >= publish_after

        def learn(self, most_steps: int) -> int:
            made = min(most_steps, due - self.steps)
            self.steps += made
            return made

    trainer = Busy()
    monkeypatch.setattr(ray_runner.time, "monotonic", lambda: trainer.steps * seconds_a_step)
    crew = ray_runner._Crew(trainer, 0)  # type: ignore[arg-type]
    assert (crew._learn(), trainer.steps) == (expected > 0, expected)


def test_games_of_another_version_end_the_start_and_stay(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path: path.read_bytes() for path in (run_dir / "games").iterdir()}
    monkeypatch.setattr(records, "FORMAT_VERSION", records.FORMAT_VERSION + 1)
    with pytest.raises(HonteError, match="go on with the version that wrote it"):
        run(tiny_config(games=70), run_dir)
    assert {path: path.read_bytes() for path in (run_dir / "games").iterdir()} == files


@pytest.mark.parametrize("with_state", [True, False])
def test_no_chunk_is_overwritten_where_one_is_missing(run_dir: Path, with_state: bool) -> None:
    path = run_dir / "state" / "learner.safetensors"
    tensors, state = load_tensors(path)
    state["games_made"] = state["rows_made"] = 0  # as if it had been killed long after `save`
    save_tensors(path, tensors, state)
    if not with_state:
        path.unlink()
        shutil.rmtree(run_dir / "checkpoints")
    files = sorted((run_dir / "games").iterdir())
    files.pop(1).unlink()
    contents = {file.name: file.read_bytes() for file in files}
    last, games = max(chunks(run_dir).items())
    config = tiny_config(games=200)
    with open_run(config, run_dir, None, "", "local", 1) as trainer:
        assert trainer.window.games_made == last + len(games) - 1
        worker = Worker(config, 0, trainer.starts)
        while len(chunks(run_dir)) < len(files) + 3:
            task = trainer.next_task()
            trainer.absorb(worker.play(task, trainer.weights(task.plan.model)))
    assert {name: (run_dir / "games" / name).read_bytes() for name in contents} == contents
