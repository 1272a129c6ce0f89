"""Many games at once: the same games as one by one, and gymnasium's three ways of autoreset."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import go_env.gym_env  # noqa: F401 - registers honte/Go-v0
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError
from go_env.features import encode, feature_set
from go_env.position import Position
from go_env.vector_env import GoVectorEnv


def last_legal(position: Position) -> int:
    legal = np.flatnonzero(position.legal()[:-1])
    return int(legal[-1]) if position.ply < 6 and len(legal) else position.size**2


def random_actions(infos: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    mask = infos["action_mask"]
    return np.argmax(mask * (rng.random(mask.shape) + 1e-9), axis=1)


@pytest.mark.parametrize("mode", [None, "sync", "async", "vector_entry_point"])
def test_make_vec_makes_all_kinds(mode: str | None) -> None:
    envs = gymnasium.make_vec("honte/Go-v0", num_envs=3, vectorization_mode=mode, size=5)
    assert isinstance(envs, GoVectorEnv) == (mode in (None, "vector_entry_point"))
    observations, infos = envs.reset(seed=1)
    rng = np.random.default_rng(0)
    finished = 0
    for _ in range(60):
        assert observations.shape == (3, 15, 5, 5) and observations in envs.observation_space
        assert infos["action_mask"].shape == (3, 26)
        step = envs.step(random_actions(infos, rng))
        observations, rewards, over, truncated, infos = step
        assert rewards.shape == over.shape == (3,) and not truncated.any()
        assert (rewards[~over] == 0).all()
        finished += int(over.sum())
    assert finished > 0
    envs.close()


@pytest.mark.parametrize("opponent", ["random", None, last_legal])
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("features", ["lean", "zero"])
def test_each_game_is_what_its_position_says(
    opponent: Any, mode: AutoresetMode, features: str
) -> None:
    envs = GoVectorEnv(
        6, size=3, komi=0.0, opponent=opponent, features=features, autoreset_mode=mode
    )
    planes = feature_set(features)
    rng = np.random.default_rng(1)
    observations, infos = envs.reset(seed=4)
    over = np.zeros(6, np.bool_)
    outcomes = set()
    for _ in range(60):
        before = [envs.position(i) for i in range(6)]
        for i, position in enumerate(before):
            expected = np.zeros((1, planes.num_planes, 3, 3), np.float32)
            encode(PositionBatch.of([position]), planes, expected)
            if not over[i] or mode is AutoresetMode.SAME_STEP:
                assert np.array_equal(observations[i], expected[0])
                assert np.array_equal(infos["action_mask"][i], position.legal())
                assert infos["color"][i] in (0, position.to_play)
            assert infos["ply"][i] == position.ply
        if mode is AutoresetMode.DISABLED and over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
        was_over, old = over, infos
        observations, rewards, over, _, infos = envs.step(random_actions(infos, rng))
        for i in np.flatnonzero(over):
            ended = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
            assert ended["_winner"][i] and ended["_score"][i]
            color = ended["color"][i]
            if color:
                winner = ended["winner"][i]
                assert rewards[i] == (0 if winner == 0 else 1 if winner == color else -1)
            outcomes.add(int(rewards[i]))
        if mode is AutoresetMode.NEXT_STEP:
            assert (infos["ply"][was_over] <= 1).all() and not over[was_over].any()
        if mode is AutoresetMode.SAME_STEP and over.any():
            last = infos["final_obs"][np.flatnonzero(over)[0]]
            assert last.shape == (planes.num_planes, 3, 3) and (infos["ply"][over] <= 1).all()
            assert old["ply"][over].max() < infos["final_info"]["ply"][over].max()
    assert len(outcomes) >= 2


def test_agrees_with_the_single_environment() -> None:
    """One game, all colors fixed, no randomness outside: both environments say the same."""
    options: dict[str, Any] = {"size": 5, "opponent": last_legal, "color": "white"}
    single = gymnasium.make("honte/Go-v0", **options)
    many = GoVectorEnv(1, **options)
    one, info = single.reset(seed=0)
    all_, infos = many.reset(seed=0)
    over = False
    while not over:
        assert np.array_equal(one, all_[0])
        action = int(np.flatnonzero(info["action_mask"])[0])
        one, reward, over, _, info = single.step(action)
        all_, rewards, overs, _, infos = many.step(np.array([action]))
        assert (reward, over) == (rewards[0], overs[0])
    assert info["score"] == infos["score"][0]


def test_seeds_reproduce_games_and_games_differ() -> None:
    def moves(seed: int) -> list[Any]:
        envs = GoVectorEnv(4, size=5)
        _, infos = envs.reset(seed=seed)
        for _ in range(3):
            infos = envs.step(infos["action_mask"].argmax(axis=1))[4]
        return [envs.position(i).moves for i in range(4)]

    assert moves(3) == moves(3)
    assert moves(3) != moves(4) and len({str(game) for game in moves(3)}) == 4


def test_illegal_actions_lose_their_own_game_only() -> None:
    envs = GoVectorEnv(3, size=5, color="black")
    envs.reset(seed=0)
    envs.step(np.array([12, 12, 12]))
    _, rewards, over, _, infos = envs.step(np.array([25, 12, 99]))
    assert over.tolist() == [False, True, True] == infos["illegal"].tolist()
    assert rewards.tolist() == [0, -1, -1] and infos["winner"].tolist()[1:] == [WHITE, WHITE]


def test_without_copies_two_buffers_take_turns() -> None:
    envs = GoVectorEnv(2, size=5, copy=False, color="black")
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    second = envs.step(np.array([0, 0]))[0]
    assert np.array_equal(first, kept) and second is not first
    assert envs.step(np.array([1, 1]))[0] is first


def test_renders_every_game() -> None:
    envs = GoVectorEnv(2, size=5, render_mode="rgb_array")
    envs.reset(seed=0)
    frames = envs.render()
    assert frames is not None and len(frames) == 2 and frames[0].shape[2] == 3


def test_colors_are_drawn_per_game() -> None:
    _, infos = GoVectorEnv(64, size=5).reset(seed=0)
    assert {BLACK, WHITE} == set(infos["color"].tolist())
    assert np.array_equal(infos["ply"], infos["color"] - 1)


def test_a_color_is_chosen_for_the_games_that_begin_now() -> None:
    envs = GoVectorEnv(3, size=5, color="black")
    envs.reset(seed=0)
    first = np.array([True, False, False])
    _, infos = envs.reset(options={"color": "white", "reset_mask": first})
    assert infos["color"].tolist() == [WHITE, BLACK, BLACK]
    envs.step(np.full(3, 99))  # illegal: all games are over
    infos = envs.step(np.zeros(3, np.int64))[4]
    assert infos["color"].tolist() == [BLACK] * 3


def test_a_seed_is_for_the_games_that_begin_now() -> None:
    def replies(seed: int) -> tuple[int, int]:
        envs = GoVectorEnv(2, size=9, color="black", autoreset_mode=AutoresetMode.DISABLED)
        envs.reset(seed=0)
        envs.reset(seed=seed, options={"reset_mask": np.array([False, True])})
        envs.step(np.array([40, 40]))
        running, begun = (envs.position(i).moves[1][1] for i in (0, 1))
        return running, begun

    found = [replies(seed) for seed in range(1, 6)]
    assert len({running for running, _ in found}) == 1
    assert len({begun for _, begun in found}) > 1


def test_misuse_is_refused_in_one_line() -> None:
    envs = GoVectorEnv(2, size=5, autoreset_mode="Disabled", color="black")
    with pytest.raises(HonteError, match="call reset"):
        envs.step(np.array([0, 0]))
    envs.reset(seed=0)
    with pytest.raises(HonteError, match="actions have shape"):
        envs.step(np.array([0]))
    envs.step(np.array([0, 99]))
    with pytest.raises(HonteError, match="reset_mask"):
        envs.step(np.array([1, 1]))
    with pytest.raises(HonteError, match="num_envs is 0"):
        GoVectorEnv(0)


@pytest.mark.parametrize("mask", [np.ones(1, bool), np.ones(3, bool), np.ones(20000, bool), [0, 1]])
def test_a_reset_mask_that_is_none_changes_nothing(mask: Any) -> None:
    envs = GoVectorEnv(2, size=5, autoreset_mode=AutoresetMode.DISABLED, color="black")
    envs.reset(seed=0)
    envs.step(np.array([0, 0]))
    with pytest.raises(HonteError, match=r"reset_mask must be bool \[2\]"):
        envs.reset(seed=1, options={"reset_mask": mask})
    assert [envs.position(i).ply for i in (0, 1)] == [2, 2]
