"""External engines: followed by move differences, and survived when they crash, hang or babble."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from agents import gtp_process
from agents.gtp.clock import Remaining, TimeSystem
from agents.gtp_agent import GtpAgent, check_told_time
from agents.gtp_process import EngineFailure, EngineRefusal, GtpProcess, engine_words
from go_env.coords import BLACK, WHITE, action_from_vertex
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules

FAKE = Path(__file__).parents[1] / "support" / "fake_engine.py"
GNUGO = shutil.which("gnugo") or "/usr/games/gnugo"
needs_gnugo = pytest.mark.skipif(not Path(GNUGO).exists(), reason="gnugo is not installed")


def fake(*arguments: object) -> str:
    return " ".join([sys.executable, str(FAKE), *map(str, arguments)])


@pytest.fixture
def play():
    """Make agents that are closed at the end, and check that no engine outlives its test."""
    agents, pids = [], []

    def make(command: str, timeout_s: float = 10.0) -> GtpAgent:
        agent = GtpAgent(command, timeout_s=timeout_s)
        agents.append(agent)
        pids.append(agent._engine.pid)
        return agent

    yield make
    for agent in agents:
        if agent._engine is not None:
            pids.append(agent._engine.pid)
        agent.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def position_of(text: str, size: int = 9, komi: float = 7.0) -> Position:
    moves = [action_from_vertex(vertex, size) for vertex in text.split()]
    return Position.from_moves(Rules(size=size, komi=komi), moves)


def sent(agent: GtpAgent) -> list[str]:
    """Return the commands that the engine got, without their ids."""
    return [line.split(maxsplit=2)[2] for line in agent.transcript() if line.startswith(">")]


def test_plays_on_without_replaying_and_names_itself(play):
    agent = play(fake())
    assert agent.name == "Fake 1.0"
    (first,) = agent.choose([position_of("E5 C3")])
    assert first.action == action_from_vertex("A9", 9)
    already = len(sent(agent))
    agent.choose([position_of("E5 C3 A9 G7")])
    assert sent(agent)[already:] == ["play w G7", "genmove b"]


def test_takes_back_what_differs(play):
    agent = play(fake())
    agent.choose([position_of("E5 C3 D4 F6")])
    already = len(sent(agent))
    agent.choose([position_of("E5 C3 D4 G7")])
    assert sent(agent)[already:] == ["undo", "undo", "play w G7", "genmove b"]


@pytest.mark.parametrize(
    "other", [position_of("A1 B1"), position_of("E5 C3 D4 F6", komi=5.5), position_of("E5", 7)]
)
def test_starts_anew_for_another_game_komi_or_size(play, other):
    agent = play(fake())
    agent.choose([position_of("E5 C3 D4 F6")])
    already = len(sent(agent))
    agent.choose([other])
    assert sent(agent)[already : already + 3] == [
        f"boardsize {other.size}",
        "clear_board",
        f"komi {other.komi:g}",
    ]


def test_setup_stones_are_played_first(play):
    agent = play(fake())
    rules = Rules(size=9, komi=0.5)
    position = Position.setup(rules, black=[40, 20], white=[30], to_play=WHITE)
    agent.choose([position])
    assert sent(agent)[-4:] == ["play b C7", "play w D6", "play b E5", "genmove w"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("crash-always", "crashed at 'genmove b' (exit status 3)"),
        ("hang", "gave nothing to 'genmove b' in 0.5 s"),
        ("silent", "gave nothing to 'genmove b' in 0.5 s"),
        ("garbage", "answered 'genmove b' with garbage"),
        ("deaf", "gave nothing to 'genmove b' in 0.5 s"),
        ("nonsense", "genmove answered 'best move'"),
        ("refuse", "'genmove b' refused: I do not want to"),
    ],
)
def test_a_broken_engine_forfeits_the_game(play, caplog, fault, says):
    agent = play(fake(fault), timeout_s=0.5 if "in 0.5 s" in says else 60.0)
    (decision,) = agent.choose([position_of("E5 C3")])
    assert decision.resign
    assert says in decision.info["forfeit"]
    assert "forfeit at move 3" in caplog.text


@pytest.mark.parametrize("fault", ["crash", "hang"])
def test_a_single_failure_is_logged_and_forgiven(play, caplog, monkeypatch, tmp_path, fault):
    monkeypatch.setenv("FAKE_ENGINE_MARKER", str(tmp_path / "marker"))
    agent = play(fake(fault), timeout_s=0.5)
    (decision,) = agent.choose([position_of("A9 C3")])
    assert not decision.resign
    assert decision.action == action_from_vertex("B9", 9)
    assert agent.failures == 1
    assert "at move 3; restarting it" in caplog.text


def test_a_failure_in_one_game_leaves_the_others_alone(play):
    agent = play(fake("crash-always", 2), timeout_s=2)
    games = [position_of("E5 C3"), position_of("E5 D3"), position_of("E5 E3")]
    decisions = agent.choose(games)
    # each process answers one genmove and crashes at its second: every game is saved by a restart
    assert [decision.resign for decision in decisions] == [False, False, False]
    assert agent.failures == 2


def test_illegal_moves_are_passed_on_and_resignation_is_understood(play):
    (illegal,) = play(fake("illegal")).choose([position_of("E5 C3")])
    assert illegal.action == action_from_vertex("C3", 9)
    assert not illegal.resign
    (given_up,) = play(fake("resign")).choose([position_of("E5 C3")])
    assert given_up.resign
    assert "forfeit" not in given_up.info


def test_the_clock_is_told_and_bounds_the_wait(play):
    agent = play(fake("hang"))
    system = TimeSystem("canadian", 0.0, 1.0, 1)
    agent.set_clock(system, {BLACK: Remaining(0, 1, 1), WHITE: Remaining(3, 1, 1)})
    assert agent._move_timeout_s(BLACK) == pytest.approx(6.0)
    agent._sync(position_of("E5 C3"))
    agent._tell_time(BLACK)
    assert sent(agent)[-3:] == ["time_settings 0 1 1", "time_left w 3 0", "time_left b 1 1"]


def test_byoyomi_as_canadian_periods_of_one_stone(play):
    """What GTP has for engines that do not know KGS's extension."""
    agent = play(fake())
    system = TimeSystem("byoyomi", 0.0, 10.0, 3)
    agent.set_clock(system, {BLACK: Remaining(0, 10, 2), WHITE: Remaining(0, 10, 3)})
    agent._sync(position_of("E5 C3"))
    agent._tell_time(BLACK)
    assert sent(agent)[-3:] == ["time_settings 0 10 1", "time_left w 10 1", "time_left b 10 1"]
    agent._commands |= {"kgs-time_settings"}
    agent._told = None
    agent._engine.send = lambda command, timeout_s: told.append(command) or ""
    told: list[str] = []
    agent._tell_time(BLACK)
    expected = ["kgs-time_settings byoyomi 0 10 3", "time_left w 10 3", "time_left b 10 2"]
    assert told == expected
    del agent._engine.send


@pytest.mark.parametrize("answer", ["=" + "9" * 5000, "=0 x", "=2 x"])
def test_an_answer_to_another_command_is_a_failure(answer):
    process = GtpProcess(fake())
    process._number = 1
    with pytest.raises(EngineFailure, match=r"answered command .{1,20} instead of 'name'"):
        process._check("name", answer)
    process.close()


def test_a_time_control_that_would_be_told_as_none_is_refused():
    for system in (
        TimeSystem("canadian", 0.0, 0.5, 1),
        TimeSystem("byoyomi", 60.0, 0.9, 3),
        TimeSystem("absolute", 0.5),
    ):
        with pytest.raises(HonteError, match=r"whole seconds .* use 1 second"):
            check_told_time(system)
    for system in (TimeSystem("canadian", 0.5, 1.0, 1), TimeSystem("absolute", 1.0), TimeSystem()):
        check_told_time(system)


def test_a_missing_program_and_a_bad_command_line_are_one_clear_line():
    with pytest.raises(HonteError, match="no-such-engine: not found; check gtp:no-such-engine"):
        GtpAgent("no-such-engine --mode gtp")
    with pytest.raises(HonteError, match="cannot be parsed"):
        GtpAgent("engine 'unbalanced")
    with pytest.raises(HonteError, match="no engine given"):
        GtpAgent(" ")


def test_gnugo_is_found_where_debian_puts_it_or_its_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setattr(gtp_process, "_GAMES_PATH", str(tmp_path))
    with pytest.raises(HonteError) as error:
        engine_words("gnugo --mode gtp")
    assert str(error.value) == "gnugo: not found; apt-get install gnugo"
    program = tmp_path / "gnugo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert engine_words("gnugo --mode gtp") == [str(program), "--mode", "gtp"]


def test_the_transcript_is_kept_in_memory_and_in_a_file(play, tmp_path):
    agent = play(fake("crash-always"), timeout_s=2)
    agent.record_to(tmp_path / "engine.log")
    agent.choose([position_of("E5 C3")])
    text = (tmp_path / "engine.log").read_text()
    assert "> 4 boardsize 9" in text
    assert "* crashed at 'genmove b'" in text
    assert "! fake engine ready" in "\n".join(agent.transcript()) + text


def test_a_process_is_killed_with_its_children(tmp_path):
    script = tmp_path / "engine.sh"
    script.write_text(f"#!/bin/sh\nsleep 3600 & echo $! > {tmp_path}/child\n{fake('deaf')}\n")
    script.chmod(0o755)
    process = GtpProcess(str(script))
    assert process.send("name", 10) == "Fake"
    child = int((tmp_path / "child").read_text())
    process.close()
    assert not process.alive
    for _ in range(50):  # init reaps the orphan
        if not Path(f"/proc/{child}").exists() or "Z" in state(child):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the engine's child is still running")


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_refusals_and_failures_are_told_apart():
    process = GtpProcess(fake("refuse"))
    with pytest.raises(EngineRefusal):
        process.send("genmove b", 5)
    assert process.alive
    process.close()
    process = GtpProcess(fake("crash-always"))
    with pytest.raises(EngineFailure):
        process.send("genmove b", 5)
    assert not process.alive
    process.close()


@pytest.mark.parametrize(
    ("text", "score"),
    [("B+3.5", 3.5), ("w+31", -31.0), ("0", 0.0), ("0.0", 0.0), ("Draw", 0.0), ("jigo", 0.0)]
    + [(text, None) for text in ("3.5", "b3.5", "0.5", "B+inf", "B+nan", "B+Resign", "B+", "")],
)
def test_only_a_score_is_read_as_one(play, monkeypatch, text, score):
    agent = play(fake())
    monkeypatch.setattr(agent._engine, "send", lambda command, timeout_s: text)
    if score is not None:
        assert agent.final_score(position_of("E5")) == score
    else:
        with pytest.raises(EngineFailure, match="is no score"):
            agent.final_score(position_of("E5"))


@needs_gnugo
def test_gnugo_plays_and_scores(play):
    agent = play(f"{GNUGO} --mode gtp --level 0 --chinese-rules --capture-all-dead")
    assert agent.name.startswith("GNU Go")
    position = position_of("E5 C3 G7")
    (decision,) = agent.choose([position])
    assert position.is_legal(decision.action)
    wall = " ".join(f"E{y} F{y}" for y in range(1, 10)) + " pass pass"
    # Black owns columns A-E (45 points), White F-J (36): 9 - 7 = 2
    assert agent.final_score(position_of(wall)) == 2.0
