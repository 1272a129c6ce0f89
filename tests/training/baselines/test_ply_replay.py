"""The memory of deep Q-learning: what is in it, and when it is large enough to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from agents.network import NetworkConfig
from go_env.features import feature_set
from go_env.rules import Rules
from training.baselines.collectors import Plies, QCollector, QTask, go_games, unload
from training.baselines.config import DqnConfig, QRunConfig
from training.baselines.dqn import DqnLearner
from training.baselines.ply_replay import PlyReplay

NETWORK = NetworkConfig.sized(1, 8, "lean", 1, feature_set("lean").num_planes)


def collected(games: int, plies: int, seed: int = 3) -> Plies:
    env = go_games(Rules(3, 0.5, move_limit=9), "lean", games)
    collector = QCollector(env, NETWORK, mask=True, seed=seed)
    network = DqnLearner(QRunConfig(network=NETWORK)).network
    return collector.collect(QTask(unload(network), 1.0, plies))


def test_replay_spans_plies_of_one_game_only() -> None:
    plies = collected(games=4, plies=30)
    assert plies.over.any()
    assert (plies.rewards[~plies.over] == 0).all()
    replay = PlyReplay(1000, carry=-1.0, steps=3, symmetries=False)
    replay.add(plies)
    batch = replay.sample(500, np.random.default_rng(0))
    assert set(np.unique(batch.discounts)) <= {0.0, 1.0, -1.0}
    assert set(np.unique(np.abs(batch.returns[batch.discounts != 0]))) <= {0.0}


@pytest.mark.parametrize("replay", [True, False])
def test_what_several_collectors_bring_is_learned_from(replay: bool) -> None:
    """Without a replay: from all of it, and from nothing older."""
    dqn = DqnConfig(games=4, plies=8, replay=replay, capacity=1000, warmup=32, batch=16, reuse=1.0)
    learner = DqnLearner(QRunConfig(network=NETWORK, dqn=dqn))
    for rounds in (1, 2):
        results = [collected(games=4, plies=8, seed=seed) for seed in (1, 2)]
        assert "loss" in learner.absorb(results, 0.0)[1]
        assert len(learner.replay) == (64 * rounds if replay else 64)


def test_a_replay_that_never_holds_the_warm_up_learns_once_it_is_full() -> None:
    dqn = DqnConfig(games=4, plies=8, capacity=100, warmup=100, batch=16)
    learner = DqnLearner(QRunConfig(network=NETWORK, dqn=dqn))
    told = [learner.absorb([collected(games=4, plies=8)], 0.0)[1] for _ in range(4)]
    assert ["loss" in each for each in told] == [False, False, True, True]
    assert len(learner.replay) == 96
