"""The whole loop in one process: reproducible to the bit, and hard to kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny_run
from agents.checkpoint import load_tensors, save_tensors
from agents.network import NetworkConfig
from agents.registry import make_agent
from go_env.position import Position
from go_env.rules import Rules
from run_dirs import chunks, events
from self_played import same
from tiny_run import tiny_config
from training.config import RunConfig
from training.gatekeeper import Verdict
from training.local_runner import run
from training.model_store import ModelStore
from training.run_files import open_run
from training.worker import RatingResult

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its end undisturbed."""
    run_dir = tmp_path_factory.mktemp("finished")
    run(tiny_config(), run_dir)
    return run_dir


def test_every_part_of_the_loop_happened(finished: Path) -> None:
    store = ModelStore.existing(finished)
    assert len(store.numbers()) >= 3
    assert store.champion() is not None
    assert len(events(finished, "gate")) >= 2
    assert len(events(finished, "rating")) >= 1
    assert not events(finished, "alarm")
    (done,) = events(finished, "done")
    assert done["games"] >= 150
    assert done["step"] >= 2 * 15
    assert sum(len(games) for games in chunks(finished).values()) == done["games"]


def test_learning_keeps_to_the_reuse_that_was_asked_for(finished: Path) -> None:
    rows = sum(len(g.policy_plies) for games in chunks(finished).values() for g in games)
    assert events(finished, "done")[0]["step"] == 2 * rows // 32


def test_the_same_seed_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    run(tiny_config(), tmp_path)
    for folder, pattern in (("checkpoints", "*.safetensors"), ("games", "*.npz")):
        names = [path.name for path in sorted((finished / folder).glob(pattern))]
        assert names == [path.name for path in sorted((tmp_path / folder).glob(pattern))]
        for name in names:
            one, other = ((root / folder / name).read_bytes() for root in (finished, tmp_path))
            if folder == "games":  # a zip file holds the time of day
                continue
            assert one == other, name
    for one_chunk, other_chunk in zip(
        chunks(finished).values(), chunks(tmp_path).values(), strict=True
    ):
        assert all(map(same, one_chunk, other_chunk))


def test_another_seed_gives_another_run(finished: Path, tmp_path: Path) -> None:
    run(tiny_config(games=40, seed=4), tmp_path)
    first, other = (next(iter(chunks(path).values()))[0] for path in (finished, tmp_path))
    assert list(first.moves) != list(other.moves)


def start(run_dir: Path, games: int) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(ROOT), str(Path(tiny_run.__file__).parent)])
    return subprocess.Popen(
        [sys.executable, tiny_run.__file__, str(run_dir), str(games)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_after(process: subprocess.Popen[bytes], run_dir: Path, more: int, delay_s: float) -> None:
    """Kill without warning some time after `more` further chunks have been written."""
    folder = run_dir / "games"
    before = len(list(folder.glob("games-*.npz"))) if folder.exists() else 0
    while process.poll() is None:
        if folder.exists() and len(list(folder.glob("games-*.npz"))) >= before + more:
            break
        time.sleep(0.02)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    _, complaint = process.communicate()
    assert process.returncode == -signal.SIGKILL, complaint.decode()


def assert_sound(run_dir: Path) -> int:
    """Check what lies in a run directory; return the number of games."""
    next_number, ids = 1, set()
    for number, games in chunks(run_dir).items():
        assert number == next_number
        next_number += len(games)
        ids |= {game.game_id for game in games}
    assert len(ids) == next_number - 1, "a game number was used twice"
    for kind, key in (("publish", "model"), ("publish", "games"), ("gate", "candidate")):
        numbers = [event[key] for event in events(run_dir, kind)]
        assert numbers == sorted(numbers)
    return next_number - 1


def test_killed_runs_go_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    total = 0
    for more in (1, 6, 3):
        kill_after(start(tmp_path, 10**6), tmp_path, more, float(rng.uniform(0, 0.3)))
        games = assert_sound(tmp_path)
        assert games > total
        total = games
    with open_run(tiny_config(10**6), tmp_path, None, "", "local", 1) as trainer:
        written = [game for games in chunks(tmp_path).values() for game in games]
        assert trainer.window.games_made == len(written)
        assert trainer.window.rows_made == sum(len(game.policy_plies) for game in written)
        limit = trainer.config.replay.window_rows(trainer.window.rows_made)
        kept = written[len(written) - trainer.window.games :]
        assert sum(len(game.policy_plies) for game in kept) >= min(limit, trainer.window.rows_made)
        newest = trainer.window.newest(trainer.window.rows)
        expected = [
            (1 if ply % 2 == 0 else -1) * game.score for game in kept for ply in game.policy_plies
        ]
        assert newest is not None
        np.testing.assert_allclose(newest.score, expected)
        assert trainer.starts == 4
    run(tiny_config(total + 40), tmp_path)
    assert assert_sound(tmp_path) >= total + 40
    assert len(events(tmp_path, "done")) == 1


def test_a_start_that_made_nothing_still_counts(tmp_path: Path) -> None:
    run(tiny_config(games=30), tmp_path)
    starts = []
    for _ in range(3):
        with open_run(tiny_config(games=30), tmp_path, None, "", "local", 1) as trainer:
            starts.append(trainer.starts)
    assert starts == [2, 3, 4]


def test_a_damaged_chunk_is_set_aside(tmp_path: Path) -> None:
    run(tiny_config(games=60), tmp_path)
    paths = sorted((tmp_path / "games").glob("games-*.npz"))
    data = bytearray(paths[-1].read_bytes())
    data[len(data) // 2 :] = b"\0" * (len(data) - len(data) // 2)
    paths[-1].write_bytes(bytes(data))
    with open_run(tiny_config(games=60), tmp_path, None, "", "local", 1) as trainer:
        assert trainer.window.rows > 0
    assert not paths[-1].exists()
    assert events(tmp_path, "alarm")


def test_games_from_elsewhere_pay_for_what_the_window_holds(finished: Path, tmp_path: Path) -> None:
    """A new run may begin with another's games; it learns from them as often as from its own."""
    shutil.copytree(finished / "games", tmp_path / "games")
    config = tiny_config(games=200)
    config = replace(config, replay=replace(config.replay, first_rows=50, growth=0.01))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.window.rows < trainer.window.rows_made / 2, "else nothing is shown"
        wanted = config.replay.reuse * trainer.window.rows / config.learner.batch
        assert abs(trainer.due_steps - wanted) <= 1


def test_a_candidate_is_kept_until_its_verdict(tmp_path: Path) -> None:
    config = tiny_config(games=60)
    config = replace(config, loop=replace(config.loop, keep_last=1))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        candidate = trainer.publish()
        trainer.candidates.add(candidate)
        for _ in range(3):
            trainer.publish()
        trainer.take_verdict(candidate, verdict(promoted=True), 1.0)
        champion = trainer.store.champion()
        assert champion is not None
        assert champion.number == candidate
        assert not trainer.candidates
        assert trainer.store.numbers() == [1, 2, 5]


def verdict(promoted: bool) -> Verdict:
    return Verdict(promoted, False, 2, 0, 0, 1.0, 100.0, "two wins")


def test_a_clear_loss_sends_self_play_back_to_the_champion(tmp_path: Path) -> None:
    with open_run(tiny_config(games=60), tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        candidate = trainer.publish()
        assert trainer.playing == candidate
        trainer.take_verdict(candidate, replace(verdict(promoted=False), lost=True), 1.0)
        assert trainer.playing == 1
        assert trainer.publish() == trainer.playing == 3


def test_games_of_gates_do_not_count_in_ratings(tmp_path: Path) -> None:
    """Those that were promoted are those that were lucky there."""
    with open_run(tiny_config(games=60), tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        for promoted in (False, True, False):
            trainer.take_verdict(trainer.publish(), verdict(promoted), 1.0)
        trainer.take_ratings(3, RatingResult([("random", True, 1.0), ("random", False, 0.5)]), 1.0)
    with open_run(tiny_config(games=60), tmp_path, None, "", "local", 1) as trainer:
        trainer.take_ratings(3, RatingResult([("model 1", False, 0.0)]), 1.0)
    tables = [event["table"] for event in events(tmp_path, "rating")]
    assert [{row["player"]: row["games"] for row in table} for table in tables] == [
        {"model 3": 2, "random": 2},
        {"model 3": 3, "random": 2, "model 1": 1},
    ]


def test_a_short_run_beats_random_moves(tmp_path: Path) -> None:
    config = tiny_config(games=500, size=5, simulations=12, seed=1)
    config = replace(
        config,
        network=NetworkConfig.sized(2, 16, "lean", 1, 15),
        rules=Rules(5, 0.5),
        self_play=replace(config.self_play, games=64, first_simulations=12),
        replay=replace(config.replay, first_rows=4000, start_rows=500, reuse=3.0),
        learner=replace(config.learner, batch=64, learning_rate=5e-3),
        loop=replace(config.loop, publish_steps=60, gate_every=100, rate_games=0),
    )
    run(config, tmp_path)
    newest = ModelStore.existing(tmp_path).numbers()[-1]
    path = tmp_path / "checkpoints" / f"model-{newest:06d}.safetensors"
    player = make_agent(f"honte:{path}?sims=16&backend=torch", size=5, seed=0)
    score = 0
    for seed in range(10):
        arena_random = make_agent("random", size=5, seed=seed)
        position = Position.initial(Rules(5, 0.5, move_limit=75))
        while not position.ended:
            mine = (position.to_play == 1) == (seed % 2 == 0)
            mover = player if mine else arena_random
            position = position.play(mover.choose([position])[0].action)
        score += position.outcome(1 if seed % 2 == 0 else 2)
    assert score >= 8  # at least 9 of 10 games


def test_a_finished_run_ends_at_once_and_more_budget_goes_on(
    finished: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished, run_dir)
    numbers = ModelStore.existing(run_dir).numbers()
    for _ in range(2):
        run(tiny_config(), run_dir)
    assert ModelStore.existing(run_dir).numbers() == numbers
    ends = events(run_dir, "done")
    assert "--hours" in ends[-1]["reason"]
    assert ends[-1]["games"] == ends[0]["games"]
    run(tiny_config(games=ends[0]["games"] + 30), run_dir)
    assert events(run_dir, "done")[-1]["games"] >= ends[0]["games"] + 30
    assert ModelStore.existing(run_dir).numbers() > numbers
    assert events(run_dir, "config")[-1]["changed"] == ["loop.games"]


def test_hours_plan_the_whole_run(tmp_path: Path) -> None:
    """The learning rate follows the budget: low at its end, warm again when it has grown.

    So do the searches of the next task.
    """
    now = [0.0]
    config = tiny_config(simulations=102)
    config = replace(config, self_play=replace(config.self_play, first_considered=16))
    with open_run(config, tmp_path, 1.0, "", "local", 1, clock=lambda: now[0]) as trainer:
        assert trainer.config.loop.games == 0
        now[0] = 3600 * 0.99
        assert trainer.progress == pytest.approx(0.99)
        low = trainer.config.learner.rate(1000, trainer.progress)
        assert trainer.next_task().plan.considered == 4
        trainer.finish("enough")
    with open_run(config, tmp_path, 2.0, "", "local", 1, clock=lambda: now[0]) as trainer:
        assert trainer.progress == pytest.approx(0.495, abs=1e-3)
        assert not trainer.finished
        assert trainer.config.learner.rate(1000, trainer.progress) > 10 * low
        plan = trainer.next_task().plan
        assert (plan.simulations, plan.considered) == (52, 8)
    assert events(tmp_path, "config")[-1]["changed"] == ["loop.hours"]


def test_games_from_elsewhere_owe_no_more_than_self_play_may_wait_for(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "games", tmp_path / "games")
    config = tiny_config(games=200)
    config = replace(config, loop=replace(config.loop, most_due_steps=3))
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.window.rows * config.replay.reuse > 10 * 3 * config.learner.batch
        assert 2 <= trainer.due_steps <= 3


def test_runs_of_older_versions_go_on(finished: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished, run_dir)
    config_path = run_dir / "config.toml"
    text = config_path.read_text().replace("[replay]", "[replay]\nchunk_games = 256")
    config_path.write_text(text)
    path = run_dir / "state" / "learner.safetensors"
    tensors, state = load_tensors(path)
    del state["finished"]
    save_tensors(path, tensors, state)
    with open_run(tiny_config(), run_dir, None, "", "local", 1) as trainer:
        assert trainer.learner.steps > 0
        assert trainer.due_steps == 0


def test_anchors_that_are_not_installed_are_left_out(tmp_path: Path) -> None:
    config = tiny_config(games=30)
    anchors = ("random", "gtp:no-such-engine --level 1")
    config = replace(config, loop=replace(config.loop, anchors=anchors))
    run(config, tmp_path)
    (notice,) = events(tmp_path, "notice")
    assert "no-such-engine" in notice["message"]
    players = {row["player"] for row in events(tmp_path, "rating")[-1]["table"]}
    assert "random" in players
    assert not any("no-such" in player for player in players)


def test_the_last_anchor_is_the_zero_of_the_scale(finished: Path) -> None:
    for event in events(finished, "rating"):
        rows = {row["player"]: row for row in event["table"]}
        assert rows["random"]["elo"] == 0
        assert all(row["low"] < row["elo"] < row["high"] for row in rows.values())


def test_no_model_is_its_own_yardstick(tmp_path: Path) -> None:
    """Under Ray a rating may wait until further champions have been promoted."""
    with open_run(tiny_config(games=60), tmp_path, None, "", "local", 1) as trainer:
        trainer.crown_first()
        for _ in range(4):
            trainer.take_verdict(trainer.publish(), verdict(promoted=True), 0.0)
        assert list(trainer.yardsticks(5)) == [2, 3]
        assert list(trainer.yardsticks(3)) == [2]


def by_the_clock(**loop: float) -> RunConfig:
    """Return a run of an hour with these settings of the loop."""
    config = tiny_config(games=0)
    return replace(config, loop=replace(config.loop, hours=1.0, **loop))  # type: ignore[arg-type]


def test_ratings_wait_while_they_have_taken_their_share_of_time(tmp_path: Path) -> None:
    """However long they took, they keep no candidate from its gate; the end is always rated."""
    config = by_the_clock(rate_share=0.1)
    now = 0.0
    with open_run(config, tmp_path, None, "", "local", 1, clock=lambda: now) as trainer:
        trainer.crown_first()
        assert trainer.unrated == 1
        now = 100.0
        trainer.take_ratings(1, RatingResult(problems=["nobody there"]), 60.0)
        candidate = trainer.publish()
        assert trainer.gate_due
        trainer.take_verdict(candidate, verdict(promoted=True), 1.0)
        assert trainer.unrated == 0
    with open_run(config, tmp_path, None, "", "local", 1, clock=lambda: now) as trainer:
        now = 599.0
        assert trainer.unrated == 0
        now = 600.0
        assert trainer.unrated == 2
        trainer.take_ratings(2, RatingResult(problems=["nobody there"]), 900.0)
        trainer.take_verdict(trainer.publish(), verdict(promoted=True), 1.0)
        assert trainer.unrated == 0
        now = 3600.0
        assert trainer.unrated == 3


def test_gates_wait_while_they_have_taken_their_share_of_time(tmp_path: Path) -> None:
    config = by_the_clock(judge_share=0.1)
    now = 0.0
    with open_run(config, tmp_path, None, "", "local", 1, clock=lambda: now) as trainer:
        trainer.crown_first()
        now = 100.0
        candidate = trainer.publish()
        assert trainer.gate_due
        trainer.take_verdict(candidate, verdict(promoted=True), 15.0)
        trainer.publish()
        assert not trainer.gate_due
        now = 151.0
        assert trainer.gate_due
    with open_run(config, tmp_path, None, "", "local", 1, clock=lambda: now) as trainer:
        assert trainer._judgements.judged_s == 15.0
