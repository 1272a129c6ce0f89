"""Commands that fail say why in one line and change nothing."""

import pytest

from agents.base import Decision
from go_env.errors import HonteError
from gtp_talk import Talk, no_player, scripted, snapshot

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
