"""Players by text, and the weakest of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from agents import registry
from agents.inference import Symmetry
from agents.mcts_agent import MctsAgent
from agents.random_agent import RandomAgent
from agents.registry import check_spec, is_engine, make_agent, parse_spec, with_weights
from games import random_positions
from go_env.diagram import parse_position
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from mcts.cache import CachedEvaluator

ROOT = Path(__file__).parents[2]


def test_every_way_of_showing_positions_can_be_asked_for() -> None:
    assert get_args(Symmetry) == registry._SYMMETRIES


def test_specs_are_taken_apart() -> None:
    spec = parse_spec(" honte:runs/a b?sims=200&search=puct ")
    assert (spec.kind, spec.target) == ("honte", "runs/a b")
    assert spec.options == {"sims": "200", "search": "puct"}
    assert parse_spec("random") == parse_spec(" random")
    command = parse_spec("gtp:gnugo --mode gtp?x=1&y")
    assert (command.kind, command.target, command.options) == ("gtp", "gnugo --mode gtp?x=1&y", {})
    assert parse_spec("honte:a%20b?x=%26").options == {"x": "&"}


def test_a_path_may_have_a_question_mark_where_another_follows() -> None:
    for text, options in (("honte:a?/b?", {}), ("honte:a?/b?sims=9", {"sims": "9"})):
        spec = parse_spec(text)
        assert (spec.target, spec.options) == ("a?/b", options)
    assert with_weights("honte:run", "/a?/b") == "honte:/a?/b?"
    assert with_weights("honte:run?sims=9", "/a?/b") == "honte:/a?/b?sims=9"
    assert with_weights("policy", "/a/b") == "policy:/a/b"
    assert parse_spec("honte?x=a:b").options == {"x": "a:b"}


def test_engines_that_are_known_by_name() -> None:
    gnugo = "gnugo --mode gtp --level {} --chinese-rules --capture-all-dead --positional-superko"
    for spec, command in (
        ("gnugo", gnugo.format(10)),
        ("gnugo?level=3", gnugo.format(3)),
        ("pachi?playouts=200", "pachi -d 0 -t =200 threads=1,pass_all_alive"),
    ):
        read = parse_spec(spec)
        assert (read.text, read.kind, read.target) == (spec, "gtp", command)
        assert is_engine(spec)
        assert is_engine(f"gtp:{command}")
    assert not is_engine("rollout?sims=5")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("randm", "did you mean 'random'"),
        ("rollout?sim=9", "did you mean 'sims'"),
        ("rollout?sims=many", "not a number"),
        ("rollout?sims=0", "at least 1"),
        ("rollout?sims", "key=value"),
        ("honte?sims=", "'sims=' is not an option of the form key=value"),
        ("honte?sims=5&sims=7", "'sims' is given twice"),
        ("rollout?search=alphabeta", "puct or gumbel"),
        ("rollout?leaves=0", "leaves must be .* at least 1"),
        ("honte:/nowhere/at/all", "no such weights"),
        ("honte?reuse=yes", "not a number"),
        ("rollout?sims=nan", "not a number"),
        ("rollout?leaves=inf", "not a number"),
        ("rollout?sims=1.5", "whole number"),
        ("honte?cache=1e9", "at most"),
        ("rollout?rollouts=0", "at least 1"),
        ("rollout?fpu=9", "fpu_reduction"),
        ("rollout:sims=5000", "takes no file; options follow a question mark"),
        ("random:file", "takes no file"),
        ("honte?backend=foo", "unknown backend"),
        ("honte?precision=fp16", "unknown precision"),
        ("honte?device=gpu", "unknown device"),
        ("policy?symmetry=foo", "unknown symmetry"),
        ("random?sims=3", "unknown option"),
        ("honte?sim=3", "did you mean 'sims'"),
        ("policy?temperature=-1", "must not be negative"),
        ("gtp:no-such-engine --mode gtp", "not found"),
        ("gnugo?levle=3", "did you mean 'level'"),
        ("gnugo?level=high", "not a number"),
        ("pachi:/opt/pachi", "takes no file"),
        ("gnugoo", "did you mean 'gnugo'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(spec: str, complaint: str) -> None:
    with pytest.raises(HonteError, match=complaint) as error:
        check_spec(spec)
    assert "\n" not in str(error.value)
    with pytest.raises(HonteError, match=complaint):
        make_agent(spec, size=5)


def test_a_check_loads_nothing() -> None:
    code = "import sys; from agents.registry import check_spec; check_spec(sys.argv[1]);"
    code += "print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "honte?sims=3"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == ["False"]


def test_a_cache_answers_as_the_network_does() -> None:
    position = Position.initial(Rules(5))
    plain, cached = (make_agent(f"honte?sims=40{more}", size=5) for more in ("", "&cache=500"))
    (expected,) = plain.choose([position])
    for _ in range(2):
        (found,) = cached.choose([position])
        assert found.action == expected.action
        assert found.value == pytest.approx(expected.value, abs=0.02)
    assert isinstance(cached, MctsAgent)
    assert isinstance(cached.evaluator, CachedEvaluator)
    assert cached.evaluator.hits >= 40  # the second time nothing is new


def test_simulations_are_a_limit_under_a_clock_where_they_are_named() -> None:
    named, default = (make_agent(spec, size=5) for spec in ("rollout?sims=1e3", "rollout"))
    assert isinstance(named, MctsAgent)
    assert isinstance(default, MctsAgent)
    assert named.simulations == default.simulations == named.limit == 1000
    assert default.limit is None


def test_players_keep_their_name_and_seed() -> None:
    positions = random_positions(Rules(5), 10, seed=1)
    for spec in ("random", "rollout?sims=8"):
        one, again, other = (make_agent(spec, size=5, seed=seed) for seed in (1, 1, 2))
        assert one.name == spec
        moves = [[d.action for d in player.choose(positions)] for player in (one, again, other)]
        assert moves[0] == moves[1]
        assert moves[0] != moves[2]


def test_rollouts_beat_random_moves() -> None:
    players = (make_agent("rollout?sims=60", size=5, seed=3), make_agent("random", size=5, seed=4))
    wins = 0
    for game in range(6):
        position = Position.initial(Rules(5, 0.5, move_limit=80))
        while not position.ended:
            mover = players[(position.to_play == 2) ^ (game % 2)]
            position = position.play(mover.choose([position])[0].action)
        wins += position.outcome(1 + game % 2) == 1
    assert wins >= 5


def test_random_moves_are_legal_and_leave_the_position_alone() -> None:
    player = RandomAgent(5)
    for position in random_positions(Rules(5, 0.5), 60, seed=9):
        before = position.record.tobytes()
        (decision,) = player.choose([position])
        assert position.is_legal(decision.action)
        assert position.record.tobytes() == before


def test_random_moves_fill_no_eye_and_are_otherwise_uniform() -> None:
    eyes = ". X X . X\nX X X X X\nO O O O O\n. O O O .\nO O . . ."
    player, seen = RandomAgent(1), np.zeros(26, int)
    position = parse_position(eyes, Rules(5, 0.5), to_play=1)
    for _ in range(900):
        seen[player.choose([position])[0].action] += 1
    # Black's eyes at A5 and D5 stay open; suicide at A2 is legal here, and so is the rest.
    assert seen[[0, 3, 25]].sum() == 0
    tried = np.flatnonzero(seen)
    assert set(tried) <= set(np.flatnonzero(position.legal()))
    assert seen[tried].min() > 900 / len(tried) / 2


def test_random_passes_when_only_eyes_are_left() -> None:
    full = ". X . X\nX X X X\nX X X X\nX X X ."
    (decision,) = RandomAgent(0).choose([parse_position(full, Rules(4, 0.5), to_play=1)])
    assert decision.action == 16
