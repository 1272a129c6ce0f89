"""Runs that begin with a trained player's weights, as they are or in a larger network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.checkpoint import load_checkpoint
from go_env.errors import HonteError
from tiny_run import tiny_config
from training.config import RunConfig
from training.local_runner import run
from training.run_files import open_run
from training.trainer import Trainer


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of the player that the others begin with."""
    run_dir = tmp_path_factory.mktemp("parent")
    run(tiny_config(games=60), run_dir)
    return run_dir


def child_of(parent: Path, blocks: int = 0) -> RunConfig:
    config = tiny_config(games=60)
    network = replace(config.network, blocks=blocks or config.network.blocks)
    return replace(config, start_from=str(parent), network=network)


def test_the_first_model_is_the_champion_of_the_other_run(parent: Path, tmp_path: Path) -> None:
    with open_run(child_of(parent), tmp_path, None, "", "local", 1) as trainer:
        first = load_checkpoint(trainer.store.checkpoint_path(1))
        assert trainer.store.champions() == (1,)
    with open_run(tiny_config(games=60), parent, None, "", "local", 1) as trainer:
        champion = trainer.store.champion()
        assert champion is not None
        source = load_checkpoint(trainer.store.checkpoint_path(champion.number))
    for name, tensor in source.weights.items():
        assert torch.equal(first.weights[name], tensor)
    made = first.provenance["parent"]
    assert made["player"] == str(parent)
    assert made["games"] == source.provenance["games"] > 0
    assert first.provenance["games"] == 0


def test_a_larger_network_learns_on_from_it(parent: Path, tmp_path: Path) -> None:
    config = child_of(parent, blocks=tiny_config(games=60).network.blocks + 1)
    run(config, tmp_path)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.model > 1
        last = load_checkpoint(trainer.store.checkpoint_path(trainer.model))
        assert trainer.learner.steps > 0
    assert last.network == config.network
    assert last.provenance["parent"]["player"] == str(parent)  # remembered over the restart
    first = load_checkpoint(tmp_path / "checkpoints" / "model-000001.safetensors")
    assert not torch.equal(first.weights["stem.weight"], last.weights["stem.weight"])


def test_what_cannot_be_started_from_is_said_before_anything_is_played(tmp_path: Path) -> None:
    config = replace(tiny_config(games=60), start_from=str(tmp_path / "nowhere"))
    with pytest.raises(HonteError, match="nowhere: no such weights file or run directory"):
        run(config, tmp_path / "run")


def test_the_first_games_are_even_for_a_trained_player(parent: Path, tmp_path: Path) -> None:
    """Komi 0 is even between players that move at random, and only there."""
    for config, even in ((child_of(parent), 9.0), (tiny_config(games=60), 0.0)):
        config = replace(config, self_play=replace(config.self_play, bootstrap_games=10))
        with open_run(config, tmp_path / str(even), None, "", "local", 1) as trainer:
            plan = trainer.next_task().plan
        assert (plan.even_komi, plan.fair_komi) == (even, 9.0)
        assert plan.rollouts == (not config.start_from), "it knows more than playouts"


def test_what_it_began_with_is_champion_although_it_was_killed_before(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "crown_first", lambda trainer: 1 / 0)  # killed here
        with (
            pytest.raises(ZeroDivisionError),
            open_run(child_of(parent), tmp_path, None, "", "local", 1),
        ):
            pass
    with open_run(child_of(parent), tmp_path, None, "", "local", 1) as trainer:
        assert trainer.model == 1
        assert trainer.store.champions() == (1,)


def test_a_network_that_was_too_small_is_corrected_in_the_same_directory(
    parent: Path, tmp_path: Path
) -> None:
    larger = child_of(parent, blocks=2)
    small = replace(larger, network=replace(larger.network, channels=4))
    with pytest.raises(HonteError, match="set it to that or more, not 4"):
        run(small, tmp_path)
    with open_run(larger, tmp_path, None, "", "local", 1) as trainer:
        assert trainer.model == 1
    with pytest.raises(HonteError, match=r"begun with another network\.channels"):
        run(replace(larger, network=replace(larger.network, channels=16)), tmp_path)


def test_whom_a_run_began_with_holds_for_good(parent: Path, tmp_path: Path) -> None:
    begun = child_of(parent)
    with open_run(begun, tmp_path / "child", None, "", "local", 1):
        pass
    unsaid = replace(begun, start_from="")
    with open_run(unsaid, tmp_path / "child", None, "", "local", 1) as trainer:
        assert trainer.config.start_from == str(parent)
    with pytest.raises(HonteError, match="begun with another start_from: use a new --run"):
        run(replace(begun, start_from="honte"), tmp_path / "child")
    run(unsaid, tmp_path / "from nothing")
    with pytest.raises(HonteError, match="begun with another start_from: use a new --run"):
        run(begun, tmp_path / "from nothing")
