"""Random and mutated lines: no crash, no hang, and no failed command changes anything.

`HONTE_FUZZ_LINES=1000000 pytest -m slow tests/agents/gtp/test_fuzz.py` runs a million lines; the
plain suite runs some thousands.
"""

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.base import Decision
from agents.gtp.lines import LineReader
from agents.gtp.options import GtpOptions
from agents.gtp.protocol import Engine, Output
from go_env.coords import BLACK, WHITE
from go_env.position import Position
from go_env.rules import Rules
from gtp_talk import Talk, scripted

SLOW_LINES = int(os.environ.get("HONTE_FUZZ_LINES", "100000"))

# Not fuzzed: what ends the session, what reads or writes files, and all sizes but small ones (each
# new size makes a new player).
WORDS = (
    "b w black white B W pass PASS resign A1 a1 B2 C3 D4 E5 J9 T19 I5 Z26 AA1 0 1 2 3 -1 7 6.5 "
    "1e9 nan inf 6,5 9 99999999999999 x true false ownership rootInfo interval minmoves maxmoves "
    "avoid allow A1,B2 dead alive seki all none absolute byoyomi canadian chinese japanese {} [] "
    '{"ko":"SIMPLE"} # \x00 \x7f \r \t " \' \N{SNOWMAN} \N{NO-BREAK SPACE} \u0661 = ? % ../x '
    "maxVisits"
).split(" ")
COMMANDS = (
    "name version protocol_version list_commands known_command boardsize clear_board komi play "
    "genmove undo gg-undo fixed_handicap place_free_handicap set_free_handicap time_settings "
    "time_left kgs-time_settings final_score final_status final_status_list reg_genmove showboard "
    "printsgf kgs-chat kgs-genmove_cleanup kgs-rules kgs-game_over cputime gogui-analyze_commands "
    "set_random_seed get_komi query_boardsize move_history is_legal all_legal list_stones captures "
    "lz-analyze kata-analyze lz-genmove_analyze kata-genmove_analyze cgos-genmove_analyze "
    "kata-raw-nn kata-get-rules kata-set-rules kata-get-param kata-set-param kata-list-params stop "
    "gogui-play_sequence last_move color honte-moves honte-ownership nonsense"
).split()
FREQUENT = ["play b {}", "play w {}", "play b {}", "play w {}", "undo", "genmove b", "genmove w"]
POINTS = [f"{column}{row}" for column in "ABCDE" for row in range(1, 6)] + ["pass"]


def make_line(rng: random.Random) -> str:
    """Return a line that is good, nearly good or nonsense."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(FREQUENT).format(rng.choice(POINTS))
    words = [rng.choice(COMMANDS), *rng.choices(WORDS, k=rng.randrange(5))]
    if rng.random() < 0.2:
        words.insert(0, str(rng.randrange(10**6)))
    line = " ".join(words)
    if kind > 0.85:  # mutate
        letters = list(line)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(letters) + 1)
            letters[place : place + rng.randrange(2)] = chr(rng.choice([*range(256), 0x2603]))
        line = "".join(letters)
    line = line.replace("\n", " ")
    return line if allowed(line) else "name"


def allowed(line: str) -> bool:
    clean = "".join(c for c in line if ord(c) > 31 and c != "\x7f")
    if "sgf" in clean or "quit" in clean:
        return False
    return "boardsize" not in clean


def first_legal(position):
    legal = position.legal()
    return Decision(int(legal.argmax()), 0.0)


def new_talk():
    return Talk(scripted(first_legal), GtpOptions(size=5))


def state_of(talk):
    state = talk.session.state
    return (state.game, state.options, state.clock.running, str(vars(state.clock)))


def check_lines(lines):
    """Feed lines one by one; each gets at most one well-formed response."""
    talk = new_talk()
    output = bytearray()

    def write(data):
        output.extend(data)

    for line in lines:
        before = state_of(talk)
        output.clear()
        sent = [line.encode("utf-8", "surrogatepass")]

        def read(count, sent=sent):
            return sent.pop() if sent else b""

        Engine(talk.session.handlers, LineReader(read), Output(write)).serve()
        text = output.decode()
        assert text == "" or (text[0] in "=?" and text.endswith("\n\n")), (line, text)
        assert text.count("\n\n") <= 1, (line, text)
        assert "internal error" not in text, (line, text)
        if text.startswith("?"):
            assert state_of(talk) == before, line
    check_replay(talk)


def check_replay(talk):
    """The position is the one that its moves lead to."""
    position = talk.position
    root = position.root()
    stones = root.board.ravel()
    replayed = Position.setup(
        position.rules,
        [p for p in range(len(stones)) if stones[p] == BLACK],
        [p for p in range(len(stones)) if stones[p] == WHITE],
        root.to_play,
    )
    for color, action in position.moves:
        replayed = replayed.play(action, color)
    assert (replayed.board == position.board).all()
    assert replayed.to_play == position.to_play and replayed.captures == position.captures
    assert (replayed.history == position.history).all()


@pytest.mark.parametrize("seed", range(8))
def test_random_lines(seed):
    rng = random.Random(seed)
    check_lines(make_line(rng) for _ in range(400))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_million_lines():
    rng = random.Random(2026)
    for _ in range(SLOW_LINES // 1000):
        check_lines(make_line(rng) for _ in range(1000))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=60).filter(lambda t: "\n" not in t and allowed(t)), max_size=12))
def test_any_text(lines):
    check_lines(lines)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=4000))
def test_any_bytes_at_once(data):
    talk = new_talk()
    if allowed(data.decode("latin-1")):
        answer = talk.raw(data + b"\n77 name\n")
        assert answer.endswith("=77 Honte\n\n")


MOVES = st.tuples(st.sampled_from("bw"), st.sampled_from(POINTS))
STEPS = st.lists(st.one_of(MOVES, st.just("undo"), st.just("genmove b")), max_size=60)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from(["tromp-taylor", "chinese", "aga"]))
def test_state_after_play_and_undo_is_the_replayed_state(steps, rules):
    """A model that only knows how to replay must always agree with the session."""
    talk = new_talk()
    talk.result(f"kata-set-rules {rules}")
    played = []  # the moves that should stand
    for step in steps:
        if step == "undo":
            mark, _ = talk.ask("undo")
            assert (mark == "=") == bool(played)
            played = played[:-1]
        elif step == "genmove b":
            played = [*played, ("b", talk.result("genmove b"))]
        else:
            mark, text = talk.ask(f"play {step[0]} {step[1]}")
            assert mark == "=" or text == "illegal move"
            played = [*played, step] if mark == "=" else played
    model = new_talk()
    model.result(f"kata-set-rules {rules}")
    for color, vertex in played:
        model.result(f"play {color} {vertex}")
    for query in ("showboard", "move_history", "captures b", "captures w", "all_legal b"):
        assert model.result(query) == talk.result(query)
    assert model.position.rules == Rules(size=5, komi=7.0, ko=talk.position.rules.ko,
                                         suicide=talk.position.rules.suicide)  # fmt: skip
