"""Commands over a session in this process: state, errors, files, thinking."""

import json

import numpy as np
import pytest

from agents.base import Decision
from agents.gtp.options import GtpOptions
from go_env.coords import BLACK, WHITE
from gtp_talk import Talk, always, policy_of, scripted, snapshot


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

    def test_friendly_passes_are_a_parameter_and_a_rule(self, talk):
        assert json.loads(talk.result("kata-get-rules"))["friendlyPassOk"] is False
        talk.result('kata-set-rules {"friendlyPassOk":true}')
        assert talk.result("kata-get-param friendlyPassOk") == "true"
        talk.result("kata-set-rules aga")  # a name says nothing about it
        assert json.loads(talk.result("kata-get-rules"))["friendlyPassOk"] is True
        assert "true or false" in talk.error('kata-set-rules {"friendlyPassOk":1}')

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
        assert json.loads(talk.result("kata-get-rules"))["ko"] == "SIMPLE"
        talk.result("clear_board")
        assert json.loads(talk.result("kata-get-rules"))["ko"] == "POSITIONAL"


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
