"""The gymnasium environment: its checker, its contract, its speed path and its opponents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import go_env.gym_env  # noqa: F401 - registers honte/Go-v0
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE, action_from_vertex
from go_env.errors import HonteError, IllegalMove
from go_env.features import encode, feature_set
from go_env.gym_env import GoEnv
from go_env.position import Position
from go_env.rules import Rules


def first_legal(position: Position) -> int:
    return int(np.flatnonzero(position.legal())[0])


class Resigner:
    """A player like those of `agents`: an object with decisions; gives up at its third move."""

    def __init__(self, from_ply: int = 5) -> None:
        self.from_ply = from_ply

    def choose(self, positions: list[Position]) -> list[Any]:
        return [
            SimpleNamespace(action=first_legal(position), resign=position.ply >= self.from_ply)
            for position in positions
        ]


def play_randomly(env: GoEnv, seed: int) -> list[tuple[Any, ...]]:
    """Play one game; return what step returned each time."""
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed)
    steps: list[tuple[Any, ...]] = []
    while not steps or not steps[-1][2]:
        action = int(rng.choice(np.flatnonzero(info["action_mask"])))
        steps.append(env.step(action))
        info = steps[-1][4]
    return steps


@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 5, "features": "zero", "color": "white"},
        {"size": 4, "opponent": None},
        {"size": 3, "opponent": first_legal, "rules": "chinese", "komi": 0.5},
    ],
)
def test_passes_gymnasiums_checker_without_a_warning(
    options: dict[str, Any], render_mode: str | None
) -> None:
    env = gymnasium.make("honte/Go-v0", render_mode=render_mode, **options)
    check_env(env.unwrapped)  # warnings are errors in this test suite


@pytest.mark.parametrize("opponent", ["random", None, first_legal])
@pytest.mark.parametrize("features", ["lean", "zero"])
@pytest.mark.parametrize("rules", ["tromp-taylor", "cgos", "chinese"])
def test_observation_and_mask_are_those_of_the_position(
    opponent: Any, features: str, rules: str
) -> None:
    env = GoEnv(size=5, komi=1.0, opponent=opponent, features=features, rules=rules)
    planes = feature_set(features)
    rng = np.random.default_rng(3)
    for game in range(3):
        observation, info = env.reset(seed=game)
        over = False
        while not over:
            position = env.position
            expected = np.zeros((1, planes.num_planes, 5, 5), np.float32)
            encode(PositionBatch.of([position]), planes, expected)
            assert np.array_equal(observation, expected[0])
            assert np.array_equal(info["action_mask"], position.legal())
            assert observation in env.observation_space
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            observation, _, over, truncated, info = env.step(action)
            assert not truncated
        assert info["score"] == env.position.score()
        assert info["winner"] == env.position.winner()
        assert info["action_mask"].tolist() == [0] * 25 + [1]


@pytest.mark.parametrize("color", [BLACK, WHITE])
def test_the_reward_is_the_agents(color: int) -> None:
    name = {BLACK: "black", WHITE: "white"}[color]
    seen = set()
    for komi in (-30.0, 0.0, 30.0):
        env = GoEnv(size=5, komi=komi, color=name)
        for seed in range(8):
            *before, (_, reward, _, _, info) = play_randomly(env, seed)
            assert all(step[1] == 0 for step in before)
            assert info["color"] == color
            assert reward == env.position.outcome(color)
            seen.add(reward)
    assert seen >= {-1.0, 1.0}


def test_in_self_play_the_reward_is_the_last_movers() -> None:
    for seed in range(8):
        env = GoEnv(size=3, komi=0.0, opponent=None)
        *_, (_, reward, _, _, info) = play_randomly(env, seed)
        position = env.position
        assert info["color"] == 0
        assert reward == position.outcome(position.moves[-1][0])


def test_a_draw_is_zero() -> None:
    env = GoEnv(size=2, komi=0.0, opponent=None)
    env.reset(seed=0)
    env.step(4)
    _, reward, over, _, info = env.step(4)
    assert (reward, over, info["winner"], info["score"]) == (0.0, True, 0, 0.0)


@pytest.mark.parametrize("action", ["occupied", -1, 82, 10**6])
def test_an_illegal_action_loses(action: int | str) -> None:
    env = GoEnv(color="black")
    env.reset(seed=1)
    env.step(40)
    illegal = 40 if action == "occupied" else int(action)
    _, reward, over, truncated, info = env.step(illegal)
    assert (reward, over, truncated) == (-1.0, True, False)
    assert info["illegal"] and info["winner"] == WHITE
    with pytest.raises(HonteError, match=r"call reset"):
        env.step(0)


def test_the_move_limit_terminates_and_is_scored() -> None:
    env = GoEnv(size=9, move_limit=6, color="black")
    steps = play_randomly(env, 0)
    assert len(steps) == 3 and steps[-1][2] and not steps[-1][3]
    assert steps[-1][4]["ply"] == 6 and "score" in steps[-1][4]


def test_the_same_seed_gives_the_same_game_and_another_another() -> None:
    def game(seed: int) -> tuple[tuple[int, int], ...]:
        env = GoEnv(size=5)
        play_randomly(env, seed)
        return env.position.moves

    assert game(7) == game(7)
    assert game(7) != game(8)


def test_colors_are_drawn_fixed_or_chosen_at_reset() -> None:
    env = GoEnv(size=5)
    colors = [env.reset(seed=seed)[1]["color"] for seed in range(40)]
    assert 8 < colors.count(BLACK) < 32
    _, info = env.reset(options={"color": "white"})
    assert info["color"] == WHITE and info["ply"] == 1  # the opponent has opened
    black = GoEnv(size=5, color="black")
    assert {black.reset()[1]["ply"] for _ in range(9)} == {0}


def test_opponents_outside_of_the_kernels() -> None:
    env = GoEnv(size=5, opponent=Resigner(), color="black")
    env.reset(seed=0)
    env.step(24)
    env.step(23)
    _, reward, over, _, info = env.step(22)
    assert (reward, over, info["winner"]) == (1.0, True, BLACK)
    cheat = GoEnv(size=5, opponent=lambda position: 24, color="black")
    cheat.reset(seed=0)
    with pytest.raises(IllegalMove, match="opponent's move is illegal: E1 is occupied"):
        cheat.step(24)


def test_a_game_is_not_given_up_before_its_first_move() -> None:
    env = GoEnv(size=5, opponent=Resigner(from_ply=0), color="white")
    _, info = env.reset(seed=0)
    assert info["ply"] == 1 and "winner" not in info and info["action_mask"].sum() > 1
    _, reward, over, _, info = env.step(12)
    assert (reward, over, info["winner"]) == (1.0, True, WHITE)


def test_nobody_plays_for_an_opponent_that_has_failed() -> None:
    failures = iter([True, False])

    def failing(position: Position) -> int:
        if next(failures, False):
            raise RuntimeError("out of order")
        return first_legal(position)

    env = GoEnv(size=5, opponent=failing, color="black")
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="out of order"):
        env.step(12)
    with pytest.raises(HonteError, match=r"failed to answer: call reset"):
        env.step(13)
    env.reset()
    env.step(12)
    assert env.position.moves == ((BLACK, 12), (WHITE, 0))


def test_position_follows_the_game() -> None:
    env = GoEnv(size=9, opponent=first_legal, color="black")
    env.reset(seed=0)
    env.step(action_from_vertex("E5", 9))
    assert env.position.moves == ((BLACK, 40), (WHITE, 0))
    env.step(41)
    assert [action for _, action in env.position.moves] == [40, 0, 41, 1]
    env.reset(seed=1)
    assert env.position.moves == ()


def test_renders_text_and_images() -> None:
    env = GoEnv(size=9, render_mode="ansi", opponent=first_legal, color="black")
    env.reset(seed=0)
    env.step(40)
    assert "(O)" in env.render() and "5 . . . . X . . . . 5" in env.render()
    image = GoEnv(size=9, render_mode="rgb_array")
    image.reset(seed=0)
    assert image.render().shape[2] == 3 and image.render().dtype == np.uint8


def test_human_mode_prints(capsys: pytest.CaptureFixture[str]) -> None:
    env = GoEnv(size=5, render_mode="human", color="black")
    env.reset(seed=0)
    assert "A B C D E" in capsys.readouterr().out


def test_action_masks_as_maskable_ppo_asks_for_them() -> None:
    env = GoEnv(size=5)
    _, info = env.reset(seed=0)
    assert env.action_masks().dtype == np.bool_
    assert np.array_equal(env.action_masks(), info["action_mask"])


def test_a_rules_object_says_everything() -> None:
    rules = Rules(size=7, komi=9.0, ko="situational", suicide=False)
    env = GoEnv(rules=rules)
    env.reset(seed=0)
    assert env.observation_space.shape == (15, 7, 7)
    assert env.position.rules == Rules(7, 9.0, "situational", False, move_limit=147)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "board size 1"),
        ({"opponent": "gnugo"}, "unknown opponent 'gnugo'"),
        ({"color": "green"}, "unknown color"),
        ({"features": "many"}, "unknown feature set"),
        ({"rules": "japanese"}, "unknown rules"),
        ({"render_mode": "3d"}, "unknown render mode"),
        ({"move_limit": 0}, "move limit 0"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(HonteError, match=message) as error:
        GoEnv(**options)
    assert "\n" not in str(error.value)
