"""Moves that the player makes over GTP: played, judged, timed, repeated."""

import pytest

from agents.gtp.clock import MIN_LAG_S
from agents.gtp.options import GtpOptions
from go_env.coords import BLACK, WHITE
from gtp_talk import Talk, always, random_player, searching, snapshot


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
