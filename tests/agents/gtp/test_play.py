"""What a game over GTP comes to: clocks kept, handicap paid for, results written."""

import re
import time

import pytest

from agents.gtp.options import GtpOptions
from agents.mcts_agent import MctsAgent
from agents.registry import PLAY_SEARCH, make_agent
from go_env.coords import vertex_from_action
from go_env.diagram import parse_position
from gtp_talk import WITH_DEAD_STONE, Talk
from mcts.rollout import RolloutEvaluator


def player(spec):
    return lambda size, seed: make_agent(spec, size=size, seed=seed)


def searching(size, seed):
    return MctsAgent(RolloutEvaluator(seed), PLAY_SEARCH, 30, "mcts")


def set_up(talk, diagram, komi):
    """Play the stones of a diagram, Black's first."""
    position = parse_position(diagram)
    talk.result(f"boardsize {position.size}")
    talk.result(f"komi {komi}")
    for action in range(position.size**2):
        stone = int(position.board.ravel()[action])
        if stone:
            talk.result(f"play {' bw'[stone]} {vertex_from_action(action, position.size)}")


@pytest.mark.parametrize("setting", ["kata-set-param maxTime 4", None])
def test_a_limit_per_move_leaves_an_exhausted_clock_alone(setting):
    options = GtpOptions() if setting else GtpOptions(move_time_s=4.0)
    talk = Talk(searching, options)
    talk.result("boardsize 9")
    if setting:
        talk.result(setting)
    talk.result("time_settings 10 0 0")
    talk.result("time_left b 1 0")
    started = time.monotonic()
    talk.result("genmove b")
    assert time.monotonic() - started < 3.0  # 4 if the limit had its way; a move takes no time


def test_simulations_that_a_player_names_are_not_exceeded_under_a_clock():
    talk = Talk(player("rollout?sims=2e1"), GtpOptions(size=5))
    talk.result("time_settings 600 0 0")
    lines = talk.result("kata-genmove_analyze b rootInfo true").splitlines()
    assert " rootInfo visits 36 " in lines[-2]  # with 16 that warmed it up


def test_a_player_that_resigns_does_so_over_gtp():
    talk = Talk(player("rollout?sims=60&resign=0.5"), GtpOptions(komi=-60.0, size=5))
    assert talk.result("genmove w") == "resign"


def test_openings_vary_where_that_is_asked_for():
    def openings(spec):
        found = set()
        for seed in range(6):
            talk = Talk(player(spec), GtpOptions(size=5, komi=0.5, seed=seed))
            found.add(" ".join(talk.result(f"genmove {c}") for c in "bwb"))
        return found

    assert len(openings("rollout?sims=40&temperature_moves=3")) >= 5


@pytest.mark.parametrize(
    ("rules", "bonus"),
    [("chinese", 4), ("aga", 3), ("tromp-taylor", 0), ('{"whiteHandicapBonus":"N"}', 4)],
)
@pytest.mark.parametrize("rules_first", [True, False])
def test_handicap_stones_are_paid_for_as_the_rules_say(rules, bonus, rules_first):
    talk = Talk()
    talk.result("komi 0.5")
    words = [f"kata-set-rules {rules}", "fixed_handicap 4"]
    for word in words if rules_first else reversed(words):
        talk.result(word)
    assert talk.position.komi == 0.5 + bonus
    assert talk.result("get_komi") == "0.5"
    assert talk.result("final_score") == f"B+{80.5 - bonus:g}"
    talk.result("komi 7")
    assert talk.position.komi == 7 + bonus
    talk.result("clear_board")
    assert talk.position.komi == 7


def test_printed_games_say_the_result_and_the_rules_that_were_played_by():
    talk = Talk()
    set_up(talk, WITH_DEAD_STONE, 0)
    talk.result("kata-set-rules aga")
    assert "RE[" not in talk.result("printsgf")
    talk.play("b pass w pass")
    score = talk.result("final_score")
    text = talk.result("printsgf")
    assert re.search(r"RE\[(.*?)\]", text)[1] == score
    assert "RU[AGA]" in text


def test_no_limit_of_time_is_not_a_number_of_simulations():
    talk = Talk(searching)
    assert float(talk.result("kata-get-param maxTime")) > 1e9
    assert talk.result("kata-get-param maxVisits") == "30"
    talk.result("kata-set-param maxTime 3")
    assert float(talk.result("kata-get-param maxTime")) == 3
    talk.result("kata-set-param maxTime 1e+20")  # as it was answered: clients put it back
    assert talk.result("kata-get-param maxTime") == "1e+20"
    assert talk.result("genmove b")


@pytest.mark.parametrize("command", ["set_random_seed 7", "clear_cache"])
def test_what_drops_the_player_loads_it_again_before_a_clock_runs(command):
    talk = Talk(searching)
    talk.result("time_settings 0 1 1")
    talk.result(command)
    assert talk.session.state.seat.agent is not None


@pytest.mark.parametrize("command", ["stop", "kata-set-param ponderingEnabled false"])
def test_pondering_can_be_stopped(command):
    talk = Talk(searching, GtpOptions(ponder=True))
    talk.result("genmove b")
    assert talk.session.idle()
    talk.result(command)
    assert not talk.session.idle()
