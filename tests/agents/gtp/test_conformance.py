"""Conformance with GTP version 2, from outside: a real process and its pipes.

The table says what the specification (or, where it is silent, its reference implementation) does;
it shares nothing with the engine. GNU Go 3.8 is run through the same table where it is installed,
so that a wrong row of the table is noticed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gtp_client import HONTE, ROOT, GtpClient

GNUGO = "/usr/games/gnugo"
COMMANDS = {
    "honte": [*HONTE, "rollout?sims=30"],
    "gnugo": [GNUGO, "--mode", "gtp", "--level", "0"],
}


@pytest.fixture(scope="module", params=list(COMMANDS))
def engine(request):
    if request.param == "gnugo" and not Path(GNUGO).exists():
        pytest.skip("GNU Go is not installed")
    with GtpClient(COMMANDS[request.param]) as client:
        client.name = request.param
        yield client


VERTEX = "([A-HJ-T]([1-9]|1[0-9])|pass|PASS|resign)"

# Each case is a dialog on an empty 9x9 board with komi 7: a line, then what must match its response
# (mark and text). "?" alone accepts any error; the texts of Honte's are in test_commands.py.
CASES = {
    "A01 protocol version": ["protocol_version", "=2"],
    "A02 name and version": ["name", "=.+", "version", "=.*"],
    "A03 known commands": [
        "known_command genmove", "=true", "known_command nonsense", "=false",
        "known_command GENMOVE", "=false",
    ],
    "A04 listed commands": [
        "list_commands",
        r"=(?s)(?=.*\bplay\b)(?=.*\bgenmove\b)(?=.*\bloadsgf\b)(?=.*\breg_genmove\b)"
        r"(?=.*\bfinal_status_list\b)(?=.*\btime_left\b)(?=.*\bundo\b)(?=.*\bshowboard\b).*",
    ],
    "A05 unknown command": ["nonsense", r"\?unknown command"],
    "A06 case matters": ["NAME", r"\?unknown command"],
    "B01 empty lines are ignored": ["\n\n  \nprotocol_version", "=2"],
    "B02 comments are ignored": ["# 5 name\nprotocol_version # 6 x", "=2"],
    "B03 tabs are spaces": ["\tprotocol_version\t", "=2"],
    "B04 carriage returns": ["protocol_version\r", "=2"],
    "B05 control characters": ["proto\x01col_ver\x7fsion\x02", "=2"],
    "B06 several spaces": ["play   b    D4", "=", "list_stones b", "=D4"],
    "C01 sizes": ["boardsize 5", "=", "boardsize 19", "=", "boardsize 7", "="],
    "C02 bad sizes": [
        "boardsize 0", r"\?unacceptable size",
        "boardsize 100", r"\?unacceptable size",
    ],
    "C03 no size": ["boardsize", r"\?", "boardsize x", r"\?"],
    "C04 a refused size changes nothing": [
        "play b D4", "=", "boardsize 100", r"\?", "list_stones b", "=D4",
    ],
    "C05 clear board": ["play b D4", "=", "clear_board", "=", "list_stones b", "="],
    "C06 komi": ["komi 5.5", "=", "komi 0", "=", "komi -3.5", "=", "komi 200", "="],
    "C07 bad komi": ["komi", r"\?", "komi x", r"\?"],
    "C08 komi outlives clear_board": ["komi 0.5", "=", "clear_board", "=", "get_komi", "=0.5"],
    "D01 play": ["play b D4", "=", "play w E5", "=", "list_stones w", "=E5"],
    "D02 upper and lower case": [
        "play BLACK d4", "=", "play White E5", "=", "play W j9", "=", "list_stones black", "=D4",
    ],
    "D03 corners": [
        "play b A1", "=", "play w J9", "=", "play b A9", "=", "play w J1", "=",
        "list_stones b", "=(A9 A1|A1 A9)",
    ],
    "D04 there is no column I": ["play b I5", r"\?", "play b J5", "="],
    "D05 off the board": ["play b K5", r"\?", "play b D10", r"\?", "play b D0", r"\?"],
    "D06 occupied": [
        "play b D4", "=",
        "play w D4", r"\?illegal move",
        "play b D4", r"\?illegal move",
    ],
    "D07 passes": ["play b pass", "=", "play w PASS", "=", "play b D4", "="],
    "D08 one color twice": ["play b D4", "=", "play b D5", "=", "play b D6", "="],
    "D09 nonsense": ["play", r"\?", "play b", r"\?", "play D4", r"\?", "play x D4", r"\?"],
    "D10 capture": [
        "play b A2", "=", "play w A1", "=", "play b B1", "=", "list_stones w", "=",
        "captures black", "=1", "captures white", "=0",
    ],
    "D11 suicide of one stone": [
        "play w A2", "=", "play w B1", "=", "play b A1", r"\?illegal move", "play w A1", "=",
    ],
    "D12 ko": [
        "play b D4", "=", "play b C5", "=", "play b D6", "=", "play w E4", "=", "play w F5", "=",
        "play w E6", "=", "play b E5", "=", "play w D5", "=", "play b E5", r"\?illegal move",
        "play b A1", "=", "play w J9", "=", "play b E5", "=",
    ],
    "D13 a refused move changes nothing": [
        "play b D4", "=", "play w D4", r"\?", "undo", "=", "list_stones b", "=",
    ],
    "D14 legality": [
        "play b A2", "=", "play b B1", "=", "is_legal w A1", "=0", "is_legal b A1", "=1",
        "is_legal w D4", "=1", "is_legal w A2", "=0",
    ],
    "D15 all legal": ["boardsize 5", "=", "play b C3", "=", "all_legal w", r"=(\S+ ){23}\S+ ?"],
    "E01 undo": [
        "play b D4", "=", "play w E5", "=", "undo", "=", "list_stones w", "=", "undo", "=",
        "undo", r"\?cannot undo",
    ],
    "E02 undo brings captures back": [
        "play b A2", "=", "play w A1", "=", "play b B1", "=", "undo", "=", "list_stones w", "=A1",
        "captures b", "=0",
    ],
    "E03 undo of a pass": [
        "play b D4", "=",
        "play w pass", "=",
        "undo", "=",
        "list_stones b", "=D4",
    ],
    "E04 undo of a generated move": ["genmove b", f"={VERTEX}", "undo", "=", "list_stones b", "="],
    "E05 move history": [
        "play b D4", "=", "play w pass", "=", "move_history", "=(white pass|white PASS)\nblack D4",
    ],
    "F01 genmove": ["genmove b", f"={VERTEX}", "genmove white", f"={VERTEX}"],
    "F02 genmove plays": [
        "genmove b", f"={VERTEX}", "list_stones b", f"={VERTEX}", "list_stones w", "=",
    ],
    "F03 out of turn": ["genmove w", f"={VERTEX}", "genmove w", f"={VERTEX}"],
    "F04 nonsense": ["genmove", r"\?", "genmove x", r"\?", "list_stones b", "="],
    "F05 reg_genmove does not play": ["reg_genmove b", f"={VERTEX}", "list_stones b", "="],
    "G01 fixed handicap": ["fixed_handicap 2", "=(C3 G7|G7 C3)", "list_stones b", "=(G7 C3|C3 G7)"],
    "G02 all fixed handicaps": [
        "fixed_handicap 9", r"=(?=.*E5)(?=.*C3)(?=.*G7)(?=.*C7)(?=.*G3)(?=.*C5)(?=.*G5)"
        r"(?=.*E3)(?=.*E7)(\S+ ){8}\S+ ?",
    ],
    "G03 bad handicaps": [
        "fixed_handicap 1", r"\?",
        "fixed_handicap 10", r"\?",
        "fixed_handicap", r"\?",
    ],
    "G04 handicap needs an empty board": [
        "play b D4", "=", "fixed_handicap 2", r"\?board not empty",
        "place_free_handicap 2", r"\?board not empty",
        "set_free_handicap A1 B2", r"\?board not empty",
    ],
    "G05 handicap on 19x19": ["boardsize 19", "=", "fixed_handicap 2", "=(D4 Q16|Q16 D4)"],
    "G06 free handicap": ["place_free_handicap 3", r"=(\S+ ){0,2}\S+ ?", "genmove w", f"={VERTEX}"],
    "G07 set free handicap": [
        "set_free_handicap A1 E5 J9", "=",
        "list_stones b", "=(?=.*A1)(?=.*J9).*",
    ],
    "G08 bad vertex lists": [
        "set_free_handicap A1 A1", r"\?",
        "clear_board", "=",
        "set_free_handicap A1 Z1", r"\?",
    ],
    "H01 time settings": [
        "time_settings 300 30 10", "=",
        "time_left b 200 0", "=",
        "time_left w 20 3", "=",
    ],
    "H02 bad time settings": [
        "time_settings 1 2", r"\?",
        "time_settings x", r"\?",
        "time_left b", r"\?",
    ],
    "H03 no limit": ["time_settings 0 1 0", "=", "genmove b", f"={VERTEX}"],
    "I01 final score": ["boardsize 5", "=", "play b C3", "=", "final_score", r"=[BW]\+[0-9.]+|=0"],
    "I02 status lists": [
        "play b A2", "=", "play b B1", "=", "play b B2", "=", "play b A4", "=", "play b B4", "=",
        "play b B3", "=", "final_status_list dead", "=",
        "final_status_list alive", r"=(?=.*B2)[\sA-B1-4]+",
    ],
    "I03 bad status": ["final_status_list x", r"\?", "final_status_list", r"\?"],
    "J01 board": ["play b D4", "=", "showboard", "=(?s).*A B C D E F G H J.*X.*"],
    "J02 missing files": ["loadsgf /nonexistent.sgf", r"\?", "loadsgf", r"\?"],
    "J03 queries": ["query_boardsize", "=9", "get_komi", r"=7(\.0)?", "cputime", r"=[0-9.]+"],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_dialog(engine, name):
    for line in ("time_settings 0 1 0", "boardsize 9", "clear_board", "komi 7"):
        engine.result(line)
    dialog = CASES[name]
    for line, expected in zip(dialog[::2], dialog[1::2], strict=True):
        response = engine.ask(line)
        said = response.mark + response.text.strip()
        # an error's own words are free; "=" alone is an empty result
        pattern = expected + ".*" if expected == r"\?" else expected
        if engine.name == "gnugo" and expected.startswith(r"\?"):
            pattern = r"\?.*"
        if expected.startswith("=(?s)"):
            pattern = "(?s)=" + expected[5:]
        assert re.fullmatch(pattern, said), f"{line!r} was answered by {said!r}, not {expected!r}"


@pytest.mark.parametrize("number", ["0", "1", "42", "2147483647"])
def test_ids_come_back(engine, number):
    for line in ("protocol_version", "play x", "nonsense"):
        assert engine.ask(f"{number} {line}").id == number


def test_loading(engine, tmp_path):
    path = tmp_path / "game.sgf"
    path.write_text("(;GM[1]FF[4]SZ[9]KM[6.5];B[dd];W[ff];B[ee])")
    engine.result(f"loadsgf {path}")
    assert sorted(engine.result("list_stones b").split()) == ["D6", "E5"]
    engine.result(f"loadsgf {path} 2")  # the position before move 2
    assert engine.result("list_stones b").strip() == "D6"
    assert engine.result("list_stones w").strip() == ""


# From here on: our engine only, byte for byte.


@pytest.fixture
def honte():
    with GtpClient([*HONTE, "random"]) as client:
        yield client


def test_exact_bytes(honte):
    honte.send("1 protocol_version\n\n# x\n2 play b D4\n3 play b D4\n4 nonsense\nquit\n")
    rest, status = honte.finish()
    assert rest == "=1 2\n\n=2\n\n?3 illegal move\n\n?4 unknown command\n\n=\n\n" and status == 0


@pytest.mark.parametrize("size", [2, 13, 19, 25])  # all sizes: test_commands.py
def test_every_size_plays(size):
    with GtpClient([*HONTE, "random"]) as honte:
        honte.result(f"boardsize {size}")
        assert honte.result("genmove b")
        assert len(honte.result("showboard").splitlines()) >= size + 2


def test_pipelined_commands_are_answered_in_order(honte):
    """Sabaki's way: everything at once, komi before boardsize."""
    lines = ["name", "version", "protocol_version", "list_commands", "komi 5.5", "boardsize 9"]
    lines += ["time_settings 0 1 0", "clear_board"] + [f"play b {c}5" for c in "ABCDEFGHJ"]
    lines += ["get_komi", "list_stones b"]
    honte.send("".join(f"{i} {line}\n" for i, line in enumerate(lines)))
    answers = [honte.read_response() for _ in lines]
    assert [a.id for a in answers] == [str(i) for i in range(len(lines))]
    assert all(a.ok for a in answers)
    assert answers[-2].text == "5.5" and answers[-1].text.count("5") == 9


def test_thousands_of_commands_at_once(honte):
    honte.result("boardsize 9")
    count = 6000
    writer = threading.Thread(target=honte.send, args=("play b D4\nundo\nname\n" * (count // 3),))
    writer.start()
    assert all(honte.read_response().ok for _ in range(count))
    writer.join()


def test_ten_megabytes_in_a_line(honte):
    honte.send(b"a" * 10_000_000 + b"\n1 name " + b"x " * 5_000_000 + b"\n2 name\n")
    assert honte.read_response().text == "unknown command"
    assert honte.read_response().text == honte.read_response().text == "Honte"


def test_binary_garbage(honte):
    garbage = bytes(range(256)) * 4000
    honte.send(garbage + b"\n7 name\n")
    while (response := honte.read_response()).id != "7":
        assert response.mark == "?"
    assert response.text == "Honte"


@pytest.mark.parametrize(
    "last", ["1 name", "1 name\n", "2 play b D", "", "lz-analyze b 1\n", "\x00"]
)
def test_end_of_input_anywhere(honte, last):
    honte.send(last)
    rest, status = honte.finish()
    assert status == 0 and (rest.endswith("\n\n") or not last.strip("\x00"))


def test_closed_output_ends_quietly(honte):
    honte.result("name")
    honte.process.stdout.close()
    for _ in range(100):
        try:
            honte.send("name\n")
        except BrokenPipeError:
            break
        time.sleep(0.02)
    assert honte.process.wait(20) == 0
    assert "Traceback" not in honte.stderr


def test_closed_output_stops_an_analysis():
    with GtpClient([*HONTE, "rollout?sims=30"]) as honte:
        honte.send("lz-analyze b 1\n")
        assert honte.read_line() == "=\n"
        honte.process.stdout.close()
        assert honte.process.wait(30) == 0


def test_ctrl_c_ends_quietly(honte):
    honte.result("name")
    honte.process.send_signal(signal.SIGINT)
    honte.process.wait(20)
    assert "Traceback" not in honte.stderr


def test_stray_output_goes_to_standard_error():
    code = (
        "import os, sys\n"
        "from agents.gtp import main\n"
        "from agents.random_agent import RandomAgent\n"
        "def noisy(spec, *, size, seed=0):\n"
        "    print('hello'); os.write(1, b'from C\\n')\n"
        "    return RandomAgent(seed)\n"
        "main.make_agent = noisy\n"
        "sys.exit(main.run_gtp('random'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"boardsize 5\nname\n", capture_output=True,
        cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.endswith(b"=\n\n= Honte\n\n") and b"from C" in done.stderr
    assert done.stdout.count(b"hello") <= 1  # before the engine began, the user may be spoken to


@pytest.fixture(scope="module")
def live():
    with GtpClient([*HONTE, "rollout?sims=30"]) as client:
        client.result("boardsize 9")
        client.result("genmove b")
        yield client


class TestLiveAnalysis:
    @pytest.mark.parametrize(
        "stop", ["protocol_version", "name", "stop", "5 known_command x", "\n1 name"]
    )
    @pytest.mark.parametrize(
        "command", ["lz-analyze B 10", "kata-analyze 10", "7 kata-analyze w 5"]
    )
    def test_streams_until_the_next_line(self, live, command, stop):
        live.send(command + "\n")
        number = "7" if command.startswith("7") else ""
        assert live.read_line() == f"={number}\n"
        lines = [live.read_line() for _ in range(3)]
        assert all(line.startswith("info move ") for line in lines)
        started = time.monotonic()
        live.send(stop + "\n")
        while (line := live.read_line()) != "\n":
            assert line.startswith("info move ")
        response = live.read_response()
        assert response.ok and response.id in stop and time.monotonic() - started < 2

    def test_visits_grow_and_ownership_comes_along(self, live):
        live.send("kata-analyze b 10 ownership true rootInfo true maxmoves 3\n")
        live.read_line()
        lines = [live.read_line() for _ in range(4)]
        live.send("name\n")
        while live.read_line() != "\n":
            pass
        live.read_response()
        visits = [int(re.search(r"rootInfo visits (\d+)", line)[1]) for line in lines]
        assert visits == sorted(visits) and visits[-1] > visits[0]
        owner = [float(x) for x in lines[-1].split(" ownership ")[1].split()]
        assert len(owner) == 81 and len(set(owner)) > 3
        assert lines[-1].count("info move") == 3

    def test_a_comment_from_gogui_interrupts_thinking(self, live):
        live.result("kata-set-param maxVisits 100000000")
        live.send("genmove w\n")
        time.sleep(0.3)
        started = time.monotonic()
        live.send("# interrupt\n")
        assert live.read_response().ok and time.monotonic() - started < 2
        live.result("kata-set-param maxVisits 30")


def test_starting_is_quick():
    """Nothing heavy is imported for a player that needs nothing heavy."""
    started = time.monotonic()
    with GtpClient([*HONTE, "random"]) as honte:
        honte.result("name")
        assert time.monotonic() - started < 10
    code = "import sys, agents.gtp.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
