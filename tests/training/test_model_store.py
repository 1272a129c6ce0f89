"""A run directory: published whole, pruned with care, used by one trainer at a time."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.champion import champion_of_run
from agents.checkpoint import save_checkpoint
from agents.network import NetworkConfig, new_network
from go_env.errors import HonteError
from go_env.rules import Rules
from training.files import publish, publish_text, remove_leftovers
from training.model_store import Champion, ModelStore

HOLD_LOCK = """
import sys, time
from pathlib import Path
from training.model_store import ModelStore
with ModelStore(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def store_with(root: Path, *numbers: int) -> ModelStore:
    store = ModelStore(root)
    with store:
        for number in numbers:
            store.publish(number, lambda path: path.write_bytes(b"weights"))
    return store


def hold_lock(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD_LOCK, str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_publish_and_promote(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2, 10)
    assert store.numbers() == [1, 2, 10]
    assert store.champion() is None
    store.promote(1, {"games": 40})
    first = store.champion()
    assert first is not None
    assert (first.number, first.details, first.previous) == (1, {"games": 40}, ())
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first.since)) < timedelta(minutes=5)
    store.promote(10)
    champion = store.champion()
    assert champion is not None
    assert champion == Champion(10, champion.since, previous=(1,))
    assert champion_of_run(tmp_path) == store.checkpoint_path(10)


def test_promoting_again_after_a_restart_changes_nothing(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2)
    store.promote(1)
    store.promote(2)
    store.promote(2)
    champion = store.champion()
    assert champion is not None
    assert champion.previous == (1,)


def test_promoting_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HonteError, match="cannot promote model 3"):
        store_with(tmp_path, 1).promote(3)


def test_failed_write_publishes_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    store = store_with(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.publish(1, fail)
    assert store.numbers() == []
    with store:  # the next trainer clears what the killed one left
        assert list(store.checkpoints_dir.iterdir()) == []


def test_publish_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    publish_text(path, "old")

    def check(temporary: Path) -> None:
        assert path.read_text() == "old"
        temporary.write_text("new")

    publish(path, check)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_prune_keeps_last_each_nth_and_champions(tmp_path: Path) -> None:
    store = store_with(tmp_path, *range(1, 13))
    store.promote(3)
    store.promote(7)
    assert store.prune(keep_last=2, keep_every=5) == [1, 2, 4, 6, 8, 9]
    assert store.numbers() == [3, 5, 7, 10, 11, 12]
    assert store.prune(keep_last=100, keep_every=0) == []


def test_prune_keeps_all_while_there_are_few(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2, 3, 4)
    assert store.prune(keep_last=5, keep_every=0) == []
    assert store.numbers() == [1, 2, 3, 4]


def test_a_champion_without_history_is_pruned_once_another_follows(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2, 3)
    store.promote(1)
    for number in (2, 3):
        store.promote(number, history=False)
    champion = store.champion()
    assert champion is not None
    assert champion == Champion(3, champion.since)
    assert store.prune(keep_last=1, keep_every=0) == [1, 2]


def test_a_strange_name_among_the_games_is_one_line(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    store.chunk_path(12).touch()
    store.chunk_path(1).touch()
    assert [first for first, _ in store.chunks()] == [1, 12]
    (store.games_dir / "games-abc.npz").touch()
    with pytest.raises(HonteError, match=r"games-abc\.npz is no chunk .* move it away"):
        store.chunks()


def test_second_trainer_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    process = hold_lock(tmp_path)
    try:
        with pytest.raises(HonteError, match=f"in use by process {process.pid} on"):
            ModelStore(tmp_path).__enter__()
    finally:
        end(process)


def test_lock_of_a_killed_trainer_is_free(tmp_path: Path) -> None:
    end(hold_lock(tmp_path))
    with ModelStore(tmp_path):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_unwritable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HonteError, match=r"cannot write to run directory .*--run DIR"):
        ModelStore(tmp_path / "file" / "run").__enter__()


def test_damaged_champion_pointer_is_one_line(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1)
    (tmp_path / "champion.json").write_text('{"number": 1')
    with pytest.raises(HonteError, match=r"champion\.json is damaged .*: write \{.number"):
        store.champion()
    (tmp_path / "champion.json").write_text('{"number": 1}')  # as the message says
    assert store.champions() == (1,)


def test_not_a_run_directory(tmp_path: Path) -> None:
    with pytest.raises(HonteError, match="is not a run directory"):
        ModelStore.existing(tmp_path)


def test_what_a_kill_leaves_of_a_checkpoint_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(os, "unlink", lambda path: None)  # who is killed cleans nothing up
    network = new_network(NetworkConfig(blocks=1, channels=4), seed=0)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "model-000001.safetensors", network, Rules(size=5), {})
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
