"""The PettingZoo facade: its own tests, and the contract that learners rely on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import api_test, render_test, seed_test

from go_env import aec_env
from go_env.coords import WHITE
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.rules import Rules

#: PettingZoo's test warns about every dictionary of observations, but for its own games by name.
_ITS_WARNINGS = pytest.mark.filterwarnings(
    "ignore:Observation space for each agent probably should be",
    "ignore:Observation is not a NumPy array",
    # White's view after a first move that is a pass; the test draws its moves without a seed.
    "ignore:Observation numpy array is all zeros",
)


def play_randomly(env: Any, seed: int) -> Iterator[tuple[str, Any, float, bool, dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    for agent in env.agent_iter():
        observation, reward, over, _, info = env.last()
        yield agent, observation, reward, over, info
        action = None if over else int(rng.choice(np.flatnonzero(observation["action_mask"])))
        env.step(action)


@_ITS_WARNINGS
@pytest.mark.parametrize("make", [aec_env.env, aec_env.raw_env])
@pytest.mark.parametrize("options", [{}, {"size": 5, "features": "zero"}, {"size": 19}])
def test_passes_pettingzoos_tests_without_a_warning(make: Any, options: dict[str, Any]) -> None:
    api_test(make(**options), num_cycles=300)
    seed_test(lambda: make(**options), num_cycles=50)


def test_passes_the_render_test(capsys: pytest.CaptureFixture[str]) -> None:
    render_test(lambda render_mode: aec_env.env(size=5, render_mode=render_mode))
    assert "A B C D E" in capsys.readouterr().out  # "human" prints the board


@pytest.mark.parametrize("size", [3, 5])
def test_rewards_masks_and_views(size: int) -> None:
    env = aec_env.env(size=size, komi=0.5)
    for seed in range(6):
        rewards: dict[str, float] = {}
        for agent, observation, reward, over, info in play_randomly(env, seed):
            color = 1 + aec_env.AGENTS.index(agent)
            if over:
                rewards[agent] = reward
                assert info["winner"] == env.position.winner()
                assert info["score"] == env.position.score()
                assert reward == env.position.outcome(color)
            else:
                assert reward == 0
                assert np.array_equal(observation["action_mask"], env.position.legal())
                other = env.observe(aec_env.AGENTS[2 - color])
                assert not other["action_mask"].any()
                # Planes 1-3 are one's own stones, 4-6 the enemy's: the two views mirror each other.
                assert np.array_equal(observation["observation"][1:4], other["observation"][4:7])
        assert sorted(rewards.values()) == [-1.0, 1.0]


@pytest.mark.parametrize("move_limit", [8, 30])
def test_a_ban_by_ko_is_seen_by_whom_it_binds(move_limit: int) -> None:
    """After White has taken the ko, the last move of the game or not."""
    env = aec_env.env(rules=Rules(5, 0.5, ko="simple"), move_limit=move_limit)
    env.reset()
    for row, column in ((0, 1), (0, 2), (1, 0), (1, 3), (2, 1), (2, 2), (1, 2), (1, 1)):
        env.step(row * 5 + column)
    seen = [np.argwhere(env.observe(name)["observation"][7]).tolist() for name in aec_env.AGENTS]
    assert seen == [[[1, 2]], []]


def test_a_drawn_game_pays_nobody() -> None:
    env = aec_env.env(size=2, komi=0.0)
    env.reset()
    env.step(4)
    env.step(4)
    assert env.rewards == {"black_0": 0.0, "white_0": 0.0} and all(env.terminations.values())


def test_boards_of_different_sizes_live_side_by_side() -> None:
    games = [play_randomly(aec_env.env(size=size), 1) for size in (3, 9, 19, 5)]
    for _ in range(4):
        shapes = [next(game)[1]["observation"].shape[1] for game in games]
        assert shapes == [3, 9, 19, 5]


@pytest.mark.parametrize("action", [40, 99])
def test_an_illegal_action_loses(action: int) -> None:
    env = aec_env.env()
    env.reset()
    env.step(41)
    env.step(40)
    env.step(action)
    assert env.rewards == {"black_0": -1.0, "white_0": 1.0}
    assert env.infos["black_0"]["illegal"] and not env.infos["white_0"]["illegal"]
    assert env.infos["black_0"]["winner"] == WHITE


def test_observations_belong_to_the_caller() -> None:
    env = aec_env.env(size=5)
    env.reset()
    env.observe("black_0")["action_mask"][:] = 0
    assert env.observe("black_0")["action_mask"].all()


def test_after_the_end_both_see_a_pass_alone() -> None:
    env = aec_env.env(size=5)
    env.reset()
    env.step(25)
    env.step(25)
    for agent in aec_env.AGENTS:
        assert np.flatnonzero(env.observe(agent)["action_mask"]).tolist() == [25]


def test_misuse_is_refused_in_one_line() -> None:
    env = aec_env.env(size=5)
    with pytest.raises(HonteError, match="call reset"):
        env.step(0)
    env.reset()
    with pytest.raises(HonteError, match="black_0 is to move"):
        env.step(None)
    with pytest.raises(HonteError, match="unknown agent 'red_0'"):
        env.observe("red_0")


def test_who_waits_does_not_see_the_bans_of_the_other() -> None:
    """On 4x4 after these moves Black may not retake at once; White does not see that as hers."""
    env = aec_env.raw_env(size=4)
    env.reset()
    for action in (1, 2, 4, 7, 9, 10, 6, 5):
        env.step(action)
    plane = feature_set("lean").planes.index("forbidden by ko or superko")
    bans = {agent: env.observe(agent)["observation"][plane].ravel() for agent in env.agents}
    assert env.agent_selection == "black_0"
    assert np.flatnonzero(bans["black_0"]).tolist() == [3, 6]
    assert not bans["white_0"].any()
