"""Commands over a session in this process: state, errors, files, thinking."""

import json

import numpy as np
import pytest

from agents.base import Decision
from agents.gtp.clock import MIN_LAG_S
from agents.gtp.options import GtpOptions
from agents.mcts_agent import MctsAgent
from agents.registry import PLAY_SEARCH
from go_env.coords import BLACK, WHITE, action_from_vertex
from go_env.errors import HonteError
from gtp_talk import Talk, no_player, policy_of, random_player, scripted
from mcts.rollout import RolloutEvaluator


def searching(simulations=40):
    return lambda size, seed: MctsAgent(RolloutEvaluator(seed), PLAY_SEARCH, simulations, "mcts")


@pytest.fixture
def talk():
    return Talk(searching())


def always(vertex, value=0.0, resign=False):
    def decide(position):
        action = action_from_vertex(vertex, position.size)
        return Decision(action, value, policy_of(position, action), resign=resign)

    return scripted(decide)


def snapshot(talk):
    """Return all of the state that commands can change."""
    state = talk.session.state
    position = state.position
    return (
        position.moves,
        position.record.tobytes(),
        position.history.tobytes(),
        position.rules,
        state.game.komi,
        state.game.handicap,
        state.clock.left(BLACK) if state.clock.running else None,
        state.clock.left(WHITE) if state.clock.running else None,
        state.options,
    )


FAILING = """\
boardsize|syntax error
boardsize nine|syntax error
boardsize 1|unacceptable size
boardsize 26|unacceptable size
boardsize -5|unacceptable size
boardsize 9 13|unacceptable size
komi|syntax error
komi seven|syntax error
komi nan|syntax error
komi inf|syntax error
komi 6,5|syntax error
komi 1_0|syntax error
play|syntax error
play b|syntax error
play D5|syntax error
play green D5|syntax error
play b I5|syntax error
play b D4D4|syntax error
play b D|syntax error
play b 4D|syntax error
play b D0|syntax error
play b D10|illegal move
play b K1|illegal move
play w C3|illegal move
play w B1|illegal move
genmove|syntax error
genmove x|syntax error
reg_genmove|syntax error
fixed_handicap|syntax error
fixed_handicap two|syntax error
fixed_handicap 1|invalid number of stones
fixed_handicap 10|invalid number of stones
fixed_handicap 2|board not empty
place_free_handicap 1|invalid number of stones
place_free_handicap 81|invalid number of stones
place_free_handicap 3|board not empty
set_free_handicap|bad vertex list
set_free_handicap A1|bad vertex list
set_free_handicap A1 A1|bad vertex list
set_free_handicap A1 pass|bad vertex list
set_free_handicap A1 Z99|bad vertex list
set_free_handicap A1 J9|board not empty
time_settings|syntax error
time_settings 1 2|syntax error
time_settings 1 2 x|syntax error
time_settings -1 2 3|syntax error
kgs-time_settings|syntax error
kgs-time_settings byoyomi 30 5|syntax error
kgs-time_settings hourglass 3|syntax error
time_left|syntax error
time_left b 10|syntax error
time_left b 10 -1|syntax error
time_left x 10 0|syntax error
final_status_list|syntax error
final_status_list sleepy|syntax error
final_status|syntax error
final_status A5|no stone there
final_status pass|no stone there
loadsgf|syntax error
loadsgf /nonexistent/file.sgf|cannot load file: not a readable file
loadsgf /dev/zero|cannot load file: not a readable file
loadsgf / 3|cannot load file: not a readable file
printsgf /nonexistent/folder/file.sgf|cannot save file:
is_legal b|syntax error
is_legal x D4|syntax error
all_legal|syntax error
list_stones|syntax error
captures|syntax error
color|syntax error
color pass|syntax error
gg-undo -1|syntax error
gg-undo 99|cannot undo
gogui-play_sequence b|syntax error
gogui-play_sequence b D5 w D5|illegal move
kata-set-rules|syntax error
kata-set-rules poker|unknown rules
kata-set-rules japanese|unsupported rules
kgs-rules|syntax error
kata-get-param x|unknown parameter
kata-set-param maxVisits|syntax error
kata-set-param maxVisits 0|syntax error
kata-set-param x 1|unknown parameter
kata-set-param analysisWideRootNoise 0.04|analysisWideRootNoise can only be 0.0 here
kata-raw-nn|syntax error
kata-raw-nn 8|syntax error
kata-analyze x|syntax error
lz-analyze b ten|syntax error
lz-analyze b 10 avoid b D4|syntax error
lz-genmove_analyze b 10 maxmoves|syntax error
set_random_seed|syntax error
analyze b 10|unknown command
BOARDSIZE 9|unknown command
Play b D5|unknown command""".splitlines()


@pytest.mark.parametrize("case", FAILING, ids=lambda case: case.split("|")[0] or "empty")
def test_failed_commands_say_why_and_change_nothing(talk, case):
    line, _, expected = case.partition("|")
    talk.play("b C3 w A1 b A2 w D4")  # White's last liberty at B1; playing there is ...
    talk.play("b C1 w pass b B2")  # ... suicide of two stones that repeats no position: legal
    talk.result("kata-set-rules chinese")  # ... but not under these rules
    talk.result("time_settings 60 10 5")
    before = snapshot(talk)
    assert talk.error(line).startswith(expected)
    assert snapshot(talk) == before


def test_players_that_cannot_be_had_change_nothing():
    talk = Talk(no_player)
    talk.play("b D4")
    for line in (
        "genmove w",
        "boardsize 13",
        "kata-raw-nn 0",
        "lz-genmove_analyze w",
        "stop",
    ):
        before = snapshot(talk)
        mark, text = talk.ask(line)
        assert mark == ("=" if line == "stop" else "?")
        assert snapshot(talk) == before, line
        if mark == "?":
            assert "there is no player" in text
    assert talk.error("boardsize 13").startswith("unacceptable size")


def test_a_player_that_fails_while_thinking_changes_nothing():
    def broken(position):
        if position.ply:
            raise HonteError("the player is broken")
        return Decision(0)

    talk = Talk(scripted(broken))
    talk.play("b D4")
    before = snapshot(talk)
    assert talk.error("genmove w") == "the player is broken"
    assert snapshot(talk) == before


class TestSetup:
    def test_komi_outlives_boardsize_and_clear_board(self, talk):
        talk.result("komi 5.5")  # Sabaki's order
        talk.result("boardsize 7")
        talk.result("clear_board")
        assert talk.result("get_komi") == "5.5"
        assert talk.position.komi == 5.5 and talk.result("query_boardsize") == "7"

    @pytest.mark.parametrize(("sent", "told"), [("6.7", "6.7"), ("-3", "-3"), ("1e4", "10000")])
    def test_any_number_is_a_komi(self, talk, sent, told):
        talk.result(f"komi {sent}")
        assert talk.result("get_komi") == told

    def test_square_boards_in_two_numbers(self, talk):
        talk.result("boardsize 7 7")
        assert talk.position.size == 7

    @pytest.mark.parametrize("size", range(2, 26))
    def test_all_sizes(self, size):
        talk = Talk()
        talk.result(f"boardsize {size}")
        corner = f"{'ABCDEFGHJKLMNOPQRSTUVWXYZ'[size - 1]}{size}"
        talk.result(f"play b {corner}")
        assert talk.result("list_stones black") == corner
        assert talk.position.board[0, size - 1] == BLACK

    def test_rules(self, talk):
        assert json.loads(talk.result("kata-get-rules"))["ko"] == "POSITIONAL"
        talk.result('kata-set-rules {"ko":"SIMPLE", "suicide":false}')
        assert talk.position.rules.ko == "simple"
        talk.result("kgs-rules chinese")
        assert talk.position.rules.ko == "positional" and not talk.position.rules.suicide

    def test_rules_that_forbid_the_game_so_far(self, talk):
        talk.result("kata-set-rules new-zealand")  # suicide is allowed
        talk.play("w A3 w B2 w C1 b A2 b B1 b A1")  # three stones take themselves off
        assert talk.result("list_stones b") == ""
        before = snapshot(talk)
        assert "illegal move" in talk.error("kata-set-rules chinese")
        assert snapshot(talk) == before


class TestBoard:
    def test_case_and_names_of_colors(self, talk):
        talk.play("B d4 w E5 Black f6 WHITE PASS b Pass")
        assert talk.result("list_stones black") == "F6 D4"
        assert talk.result("move_history") == (
            "black pass\nwhite pass\nblack F6\nwhite E5\nblack D4"
        )
        assert talk.result("last_move") == "black pass"

    def test_same_color_twice_and_play_after_two_passes(self, talk):
        talk.play("b D4 b D5 w pass b pass b D6")
        assert talk.result("list_stones b") == "D6 D5 D4"

    def test_capture_and_undo_to_the_start(self, talk):
        talk.play("b A1 w A2 w B1")
        assert talk.result("list_stones b") == "" and talk.result("captures white") == "1"
        assert "White (O) has captured 1" in talk.result("showboard")
        for _ in range(3):
            talk.result("undo")
        assert talk.error("undo") == "cannot undo"
        assert talk.position.moves == () and talk.result("captures w") == "0"

    def test_superko(self, talk):
        talk.play("b B1 b A2 b B3 w C1 w C3 w D2 b C2 w B2")  # White takes the ko
        assert talk.result("is_legal b C2") == "0" and talk.error("play b C2") == "illegal move"
        talk.play("b H9 w J1")
        talk.result("play b C2")

    def test_all_legal_and_is_legal_agree(self, talk):
        talk.play("b A2 b B1 w E5")
        legal = talk.result("all_legal w").split()
        assert "A1" not in legal and "E5" not in legal and len(legal) == 81 - 3 - 1
        for vertex in ("A1", "A2", "D4"):
            assert talk.result(f"is_legal w {vertex}") == str(int(vertex in legal))
        assert talk.result("is_legal w pass") == "1" and talk.result("is_legal w T19") == "0"

    def test_play_sequence(self, talk):
        talk.result("gogui-play_sequence b D4 w E5 b pass")
        assert len(talk.position.moves) == 3
        talk.result("gg-undo 2")
        assert len(talk.position.moves) == 1
        talk.result("gogui-play_sequence")

    def test_color(self, talk):
        talk.play("b D4")
        assert [talk.result(f"color {v}") for v in ("D4", "D5")] == ["black", "empty"]

    def test_handicap_stones_are_not_undone(self, talk):
        assert talk.result("fixed_handicap 4") == "C3 G7 C7 G3"
        assert talk.error("undo") == "cannot undo"
        assert talk.position.to_play == WHITE and talk.result("move_history") == ""

    def test_free_handicap(self, talk):
        chosen = talk.result("place_free_handicap 12").split()
        assert 2 <= len(chosen) <= 12
        assert sorted(talk.result("list_stones b").split()) == sorted(chosen)
        talk.result("clear_board")
        assert talk.result("set_free_handicap A1 J9 e5") == ""
        assert talk.result("list_stones b") == "J9 E5 A1"


class TestFiles:
    def test_a_game_survives_printing_and_loading(self, talk, tmp_path):
        path = tmp_path / "game.sgf"
        talk.result("komi 6.5")
        talk.result("fixed_handicap 2")
        talk.play("w E5 b pass w D4")
        before = talk.result("showboard")
        talk.result(f"printsgf {path}")
        assert talk.result("printsgf").strip() == path.read_text().strip()
        talk.result("boardsize 5")
        talk.result("komi 0")
        talk.result(f"loadsgf {path}")
        assert talk.result("showboard") == before and talk.result("get_komi") == "6.5"
        assert "HA[2]" in path.read_text()

    def test_load_up_to_a_move(self, talk, tmp_path):
        path = tmp_path / "game.sgf"
        path.write_text("(;GM[1]SZ[9]KM[7];B[dd];W[ee];B[ff])")
        for number, count in ((1, 0), (2, 1), (4, 3), (99, 3)):
            talk.result(f"loadsgf {path} {number}")
            assert len(talk.position.moves) == count

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"hello", b"(", b"(;SZ[9];B[zz])", b"(;SZ[9]" + b"(" * 5000, b"\x00\xff" * 99,
            b"(;SZ[99])", b"(;SZ[9];B[aa];W[aa])", b"(;SZ[9]KM[x])",
        ],
    )  # fmt: skip
    def test_bad_files(self, talk, tmp_path, content):
        path = tmp_path / "bad.sgf"
        path.write_bytes(content)
        talk.play("b D4")
        before = snapshot(talk)
        assert talk.error(f"loadsgf {path}").startswith("cannot load file")
        assert snapshot(talk) == before

    def test_games_under_other_rules_load(self, talk, tmp_path):
        """A whole-board repetition that positional superko forbids."""
        path = tmp_path / "ko.sgf"
        path.write_text(
            "(;SZ[5]KM[0];B[ba];W[ca];B[ab];W[db];B[bc];W[cc];B[cb];W[bb];B[];W[];B[cb])"
        )
        talk.result(f"loadsgf {path}")
        assert len(talk.position.moves) == 11


class TestGenmove:
    def test_plays_what_it_answers(self, talk):
        vertex = talk.result("genmove b")
        assert talk.result("last_move") == f"black {vertex}"
        assert talk.result("genmove b") and talk.result("genmove w")
        assert [color for color, _ in talk.position.moves] == [BLACK, BLACK, WHITE]

    def test_reg_genmove_changes_nothing(self, talk):
        before = snapshot(talk)
        vertex = talk.result("reg_genmove w")
        assert snapshot(talk) == before and vertex
        assert not talk.session.state.thinking_s

    def test_after_two_passes_the_game_goes_on(self):
        talk = Talk(always("D4"))
        talk.play("b pass w pass")
        assert talk.result("genmove b") == "D4"

    def test_whole_games_end(self):
        talk = Talk(random_player)
        talk.result("boardsize 5")
        for ply in range(300):
            talk.result(f"genmove {'bw'[ply % 2]}")
            if talk.position.ended:
                break
        assert talk.position.ended
        assert talk.result("final_score")[0] in "BW0"

    def test_illegal_choices_are_not_played(self):
        talk = Talk(always("D4"))
        talk.result("genmove b")
        assert talk.result("genmove w") == "pass"  # D4 is taken, and nothing else was looked at

    def test_resigns_when_hopeless(self):
        talk = Talk(always("pass", -0.999), GtpOptions(resign_after=0.0))
        talk.play("b E5")
        assert [talk.result("genmove w") for _ in range(2)] == ["pass", "pass"]
        assert talk.result("genmove w") == "resign"
        assert len(talk.position.moves) == 3  # a resignation is no move

    def test_never_resigns_when_told(self):
        talk = Talk(always("pass", -1.0, resign=True))
        talk.result("kata-set-param allowResignation false")
        assert all(talk.result("genmove b") == "pass" for _ in range(5))

    def test_interrupt_ends_thinking(self):
        talk = Talk(searching(10**8))
        answer = talk.raw(b"1 genmove b\n# interrupt\n2 name\n")
        assert answer.startswith("=1 ") and answer.endswith("=2 Honte\n\n")

    def test_time_is_kept_and_counted(self):
        talk = Talk(searching(10**8))
        talk.result("boardsize 9")  # makes the player, which is not on the clock
        talk.result("time_settings 4 0 0")
        talk.result("genmove b")
        left = talk.session.state.clock.left(BLACK)
        assert 2 < left.main_s < 4  # a quarter at most is meant; the rest is for busy machines
        assert float(talk.result("cputime")) == pytest.approx(4 - MIN_LAG_S - left.main_s, abs=1e-3)
        talk.result("time_left b 0 0")
        talk.result("genmove b")

    def test_simulations_of_the_spec_count(self):
        talk = Talk(searching(123))
        talk.result("genmove b")
        talk.result("undo")
        assert talk.result("kata-get-param maxVisits") == "123"
        talk.result("kata-set-param maxVisits 50")
        assert talk.result("kata-get-param maxVisits") == "50"

    def test_seeds_repeat_games(self):
        def game(seed):
            talk = Talk(searching(30))
            talk.result(f"set_random_seed {seed}")
            return [talk.result(f"genmove {c}") for c in "bwbwbw"]

        assert game(5) == game(5) != game(6)

    def test_replayed_games_keep_the_tree(self, talk):
        talk.play("b D4 w E5")
        talk.result("genmove b")
        moves = talk.position.moves
        visits = talk.session.state.seat.search(talk.position).root_visits
        talk.result("clear_board")  # as Sabaki does
        for color, action in moves:
            column, row = "ABCDEFGHJ"[action % 9], 9 - action // 9
            talk.result(f"play {'bw'[color - 1]} {column}{row}")
        assert talk.session.state.seat.search(talk.position).root_visits == visits > 0

    def test_pondering_searches_the_opponents_turn(self):
        talk = Talk(searching(20), GtpOptions(ponder=True))
        assert not talk.session.idle()
        talk.result("genmove b")
        assert talk.session.idle()
        visits = talk.session.state.seat.search(talk.position).root_visits
        assert talk.session.idle()
        assert talk.session.state.seat.search(talk.position).root_visits > visits
        talk.result("undo")
        assert not talk.session.idle()


DEAD_STONE = """b B1 b B2 b B3 b B4 b B5 b D1 b D2 b D3 b D4 b D5 b A3 b C3 w E1
""".strip()


class TestScore:
    def test_empty_board(self, talk):
        assert talk.result("final_score") == "W+7"
        talk.result("komi 0")
        assert talk.result("final_score") == "0"
        talk.result("komi -0.3")
        assert talk.result("final_score") == "B+0.3"

    def test_dead_stones_are_removed(self, talk):
        talk.result("boardsize 5")
        talk.result("komi 2.5")
        talk.play(DEAD_STONE)
        assert talk.result("final_status_list dead") == "E1"
        assert (
            talk.result("final_status E1") == "dead" and talk.result("final_status B1") == "alive"
        )
        assert talk.result("final_status_list seki") == ""
        assert "B1 B2" in " ".join(sorted(talk.result("final_status_list alive").split()))
        assert talk.result("final_score") == "B+22.5"

    def test_cleanup_plays_until_dead_stones_are_gone(self):
        talk = Talk(always("pass"))
        talk.result("boardsize 5")
        talk.play(DEAD_STONE)
        talk.play("b pass w pass")
        assert talk.result("kgs-genmove_cleanup w") == "pass"  # White's own dead stone
        talk = Talk(scripted(lambda p: Decision(25, 0.9, policy_of(p, 25, 23, 19))))
        talk.result("boardsize 5")
        talk.play(DEAD_STONE + " w pass")
        assert talk.result("kgs-genmove_cleanup b") == "E2"
        assert talk.result("list_stones w") == ""
        assert talk.result("kgs-genmove_cleanup b") == "pass"

    @pytest.mark.parametrize(("friendly", "answer"), [(False, "E2"), (True, "pass")])
    def test_friendly_pass_counts_the_dead_as_dead(self, friendly, answer):
        player = scripted(lambda p: Decision(25, 0.9, policy_of(p, 25, 19)))
        talk = Talk(player, GtpOptions(friendly_pass=friendly))
        talk.result("boardsize 5")
        talk.result("komi 20")  # Black leads by 19 as it stands, by 25 without the dead stone
        talk.play(DEAD_STONE + " w pass")
        assert talk.position.score() == 19 - 20
        assert talk.result("genmove b") == answer


class TestAdministration:
    def test_names(self, talk):
        assert talk.result("name") == "Honte"
        assert Talk(options=GtpOptions(name="KataGo")).result("name") == "KataGo"
        major, minor = talk.result("version").split(".")[:2]
        assert int(major) >= 0 and int(minor) >= 15  # or Lizzie complains

    def test_list_commands(self, talk):
        commands = talk.result("list_commands").splitlines()
        assert commands[0] == "protocol_version" and len(commands) == len(set(commands))
        assert "analyze" not in commands and "genmove_analyze" not in commands
        for command in commands:
            assert talk.result(f"known_command {command}") == "true"

    def test_chat_is_not_answered(self, talk):
        assert talk.result("kgs-chat game somebody hello # there") == ""
        assert talk.result("kgs-game_over") == ""

    def test_raw_evaluation(self, talk):
        talk.play("b D4")
        words = talk.result("kata-raw-nn all").split()
        assert words.count("symmetry") == 8
        start = words.index("policy")
        policy = words[start + 1 : start + 82]
        assert [i for i, word in enumerate(policy) if word == "NAN"] == [5 * 9 + 3]
        total = sum(float(p) for p in policy if p != "NAN") + float(words[start + 83])
        assert total == pytest.approx(1.0, abs=1e-3)

    def test_gogui_commands(self, talk):
        menu = [line.split("/") for line in talk.result("gogui-analyze_commands").splitlines()]
        talk.play("b D4")
        for kind, _, command in menu:
            answer = talk.result(command.replace("%c", "w"))
            if kind == "dboard":
                rows = [[float(x) for x in line.split()] for line in answer.splitlines()]
                assert np.array(rows).shape == (9, 9)
        assert talk.result("honte-moves").startswith("LABEL ")
        assert talk.result("honte-variation").startswith("VAR w ")
