"""What one process does of the loop: play, judge, rate, on the device that is its own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny_run
from agents.inference import NetworkEvaluator
from agents.inference_config import InferenceConfig
from agents.network import new_network
from go_env.batch import PositionBatch
from mcts.evaluator import Evaluation
from tiny_run import tiny_config
from training.model_store import Champion
from training.run_files import open_run
from training.worker import Worker, spread


@pytest.mark.parametrize("playouts", [0, 50])
def test_first_games_may_be_judged_by_playouts(
    playouts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []
    evaluate = NetworkEvaluator.evaluate

    def note(self: NetworkEvaluator, batch: PositionBatch) -> Evaluation:
        judged.append(len(batch))
        return evaluate(self, batch)

    monkeypatch.setattr(NetworkEvaluator, "evaluate", note)
    config = tiny_config(games=60)
    first = replace(config.self_play, bootstrap_games=20, bootstrap_simulations=playouts)
    config = replace(config, self_play=first)
    with open_run(config, tmp_path, None, "", "local", 1) as trainer:
        worker = Worker(config, 0, 1)
        while trainer.window.games_made < 20:
            task = trainer.next_task()
            assert task.plan.rollouts
            assert task.plan.considered == (5 if playouts else config.search.considered)
            assert (task.plan.simulations == 50) == (playouts == 50)
            trainer.absorb(worker.play(task, trainer.weights(1)))
        assert not judged
        assert trainer.evaluations == 0, "playouts are no evaluations"
        task = trainer.next_task()
        assert not task.plan.rollouts
        assert task.plan.simulations < 10
        trainer.absorb(worker.play(task, trainer.weights(1)))
        assert judged
        assert trainer.evaluations == sum(judged)


@pytest.mark.parametrize(("fault", "games"), [("none", 4), ("crash-always", 2)])
def test_games_that_an_engine_loses_by_its_conduct_are_not_rated(fault: str, games: int) -> None:
    engine = f"gtp:{sys.executable} {Path(tiny_run.__file__).with_name('fake_engine.py')} {fault}"
    config = tiny_config(size=5)
    config = replace(config, loop=replace(config.loop, anchors=("random", engine), rate_games=2))
    weights = new_network(config.network, 0).state_dict()
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    result = Worker(config, 0, 1).rate(arrays, seed=1)
    assert len(result.games) == games
    assert bool(result.problems) == (fault != "none")


def test_champions_are_rated_against_older_ones_too() -> None:
    assert Champion(1).yardsticks == ()
    assert Champion(2, previous=(1,)).yardsticks == (1,)
    assert Champion(3, previous=(1, 2)).yardsticks == (1,)
    assert Champion(9, previous=tuple(range(1, 9))).yardsticks == (4, 6)
    config = tiny_config(size=5)
    config = replace(config, loop=replace(config.loop, anchors=("random",), rate_games=2))
    weights = new_network(config.network, 0).state_dict()
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    result = Worker(config, 0, 1).rate(arrays, seed=1, earlier={4: arrays, 6: arrays})
    met = [(opponent, black) for opponent, black, _ in result.games]
    players = ("random", "model 4", "model 6")
    assert sorted(met) == sorted((player, black) for player in players for black in (True, False))


def test_workers_share_the_gpus_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one GPU, or with a device that was named, all keep to what the run says."""
    auto = InferenceConfig()
    for gpus, devices in (
        (0, ["auto"] * 3),
        (1, ["auto"] * 3),
        (2, ["cuda:0", "cuda:1", "cuda:0"]),
    ):
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert [spread(auto, index).device for index in range(3)] == devices
    for named in (InferenceConfig(device="cuda:0"), InferenceConfig(backend="openvino")):
        assert spread(named, 1) == named
