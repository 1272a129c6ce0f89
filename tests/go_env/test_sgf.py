"""SGF in and out: round trips, other programs' spellings, and broken files in one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sgfmill import sgf as sgfmill_sgf
from sgfmill import sgf_moves

from go_env.coords import BLACK, WHITE, action_from_vertex
from go_env.errors import HonteError, IllegalMove
from go_env.position import Position
from go_env.rules import Ko, Rules
from go_env.sgf import SgfGame, format_sgf, parse_sgf, read_sgf, result_text, write_sgf

GAMES = sorted((Path(__file__).parent.parent / "data" / "games").glob("*.sgf"))


def points(size: int, *vertices: str) -> tuple[int, ...]:
    return tuple(action_from_vertex(vertex, size) for vertex in vertices)


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_real_games_replay_to_the_known_score(path: Path) -> None:
    game = read_sgf(path)
    position = game.to_position()
    known = re.search(r"removal of dead stones: (\S+)", game.comments[0])
    assert known is not None and position.score() == float(known[1])
    assert game.black and game.white and game.winner in (BLACK, WHITE, 0)
    again = SgfGame.from_position(
        position, black=game.black, white=game.white, result=game.result, rules=game.rules,
        comments=game.comments,
    )  # fmt: skip
    assert again == game
    assert parse_sgf(format_sgf(game)) == game


@pytest.mark.parametrize("path", GAMES[:4], ids=lambda path: path.stem)
def test_sgfmill_reads_the_same_final_board_from_what_we_write(path: Path) -> None:
    game = read_sgf(path)
    theirs, plays = sgf_moves.get_setup_and_moves(
        sgfmill_sgf.Sgf_game.from_string(format_sgf(game))
    )
    for color, move in plays:
        if move is not None:
            theirs.play(*move, color)
    size = game.size
    stones = [
        [{None: 0, "b": 1, "w": 2}[theirs.get(size - 1 - row, col)] for col in range(size)]
        for row in range(size)
    ]
    assert stones == game.to_position().board.tolist()


def test_everything_survives_a_round_trip(tmp_path: Path) -> None:
    game = SgfGame(
        size=19,
        komi=-3.5,
        moves=((WHITE, 60), (BLACK, 361), (BLACK, 72), (WHITE, 361)),
        black_stones=points(19, "Q16", "D4"),
        white_stones=points(19, "K10"),
        to_play=WHITE,
        handicap=2,
        rules="NZ",
        result="B+R",
        black="黒 ]\\[:",
        white="Žižka",
        date="2025-11-21",
        event="a match",
        comments={0: "root ] with \\ escapes", 2: "a pass\nin two lines", 4: "końcówka"},
    )
    path = tmp_path / "game.sgf"
    write_sgf(path, game)
    assert read_sgf(path) == game
    assert [entry.name for entry in tmp_path.iterdir()] == ["game.sgf"]  # no temporary file is left
    assert game.to_rules() == Rules(19, -3.5, "situational", True)


def test_random_games_survive_a_round_trip() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 7, 13, 20, 25):
        position = Position.initial(Rules(size=size, komi=0.5, ko="simple"))
        for _ in range(60):
            position = position.play(int(rng.choice(np.flatnonzero(position.legal()))))
        game = parse_sgf(format_sgf(SgfGame.from_position(position)))
        replayed = game.to_position()
        assert replayed.moves == position.moves and replayed.hash == position.hash


def test_a_set_up_position_survives_a_round_trip() -> None:
    start = Position.setup(Rules(size=5), points(5, "A1", "B1"), points(5, "C3"), to_play=WHITE)
    position = start.play(action_from_vertex("D4", 5))
    game = parse_sgf(format_sgf(SgfGame.from_position(position)))
    assert game.to_position(Rules(size=5)).board.tolist() == position.board.tolist()
    assert SgfGame.from_position(start).to_position().to_play == WHITE


@pytest.mark.parametrize("ko", ["positional", "situational", "simple"])
@pytest.mark.parametrize("suicide", [True, False])
def test_rules_survive_a_round_trip(ko: Ko, suicide: bool) -> None:
    rules = Rules(5, 0.5, ko, suicide)
    game = SgfGame.from_position(Position.initial(rules))
    assert parse_sgf(format_sgf(game)).to_rules() == rules


@pytest.mark.parametrize(
    ("text", "ko", "suicide"),
    [
        ("Chinese", "simple", False), ("JP", "simple", False), ("chinese-OGS", "positional", False),
        ("New Zealand", "situational", True), ("TrompTaylor", "positional", True),
        ("house rules", "simple", True), ("", "simple", True),
    ],
)  # fmt: skip
def test_names_of_rule_sets_are_understood(text: str, ko: Ko, suicide: bool) -> None:
    assert SgfGame(size=9, komi=5.5, rules=text).to_rules() == Rules(9, 5.5, ko, suicide)


def test_the_result_of_an_ended_game_is_filled_in() -> None:
    start = Position.initial(Rules(size=5, komi=0.0)).play(12)
    assert SgfGame.from_position(start).result == ""
    assert SgfGame.from_position(start.play(25).play(25)).result == "B+25"
    assert result_text(0.0) == "0" and result_text(-3.5) == "W+3.5"


@pytest.mark.parametrize(
    ("text", "winner"),
    [("B+3.5", BLACK), ("w+resign", WHITE), ("B+", BLACK), ("0", 0), ("Draw", 0), ("Void", None),
     ("?", None), ("", None)],
)  # fmt: skip
def test_results_are_understood(text: str, winner: int | None) -> None:
    assert SgfGame(size=9, result=text).winner == winner


def test_both_spellings_of_a_pass() -> None:
    game = parse_sgf("(;SZ[9];B[];W[tt])")
    assert game.moves == ((BLACK, 81), (WHITE, 81))
    # Beyond 19x19, "tt" is a point.
    assert parse_sgf("(;SZ[25];B[tt])").moves == ((BLACK, 19 * 25 + 19),)


@pytest.mark.parametrize(
    ("text", "to_play"),
    [
        ("(;SZ[9]HA[2]AB[cc][gg]KM[0.5];W[ee])", WHITE),
        ("(;SZ[9]HA[2]AB[cc][gg])", WHITE),
        ("(;SZ[9]AB[cc]AW[gg])", BLACK),
        ("(;SZ[9]AB[cc]PL[B])", BLACK),
        ("(;SZ[9]AB[cc]PL[White])", WHITE),
        ("(;SZ[9]AB[cc]PL[1])", BLACK),
        ("(;SZ[9]AB[cc]PL[nobody];W[ee])", WHITE),
        ("(;SZ[9];AB[cc][gg];W[ee])", WHITE),  # stones in a node of their own, as some write them
        ("(;SZ[9]AB[cc:cd];AE[cd];W[ee])", WHITE),
    ],
)
def test_handicap_and_setup(text: str, to_play: int) -> None:
    game = parse_sgf(text)
    assert game.to_play == to_play
    assert action_from_vertex("C7", 9) in game.black_stones
    assert action_from_vertex("C6", 9) not in game.black_stones


def test_consecutive_moves_of_one_color_are_replayed() -> None:
    position = parse_sgf("(;SZ[9]HA[2];B[cc];B[gg];W[ee])").to_position()
    assert [color for color, _ in position.moves] == [BLACK, BLACK, WHITE]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("(;SZ[9]PB[Łukasz])".encode(), "Łukasz"),  # no CA: UTF-8 where the bytes are UTF-8
        ("(;SZ[9]PB[Müller])".encode("latin-1"), "Müller"),  # no CA: else FF[4]'s default
        ("(;CA[shift_jis]SZ[9]PB[本因坊])".encode("shift_jis"), "本因坊"),
        ("(;CA[gb2312]SZ[9]PB[古力])".encode("gb2312"), "古力"),
        (b"\xef\xbb\xbf" + "(;CA[UTF-8]SZ[9]PB[이세돌])".encode(), "이세돌"),
        ("(;CA[UTF-8]SZ[9]PB[Müller])".encode("latin-1"), "Müller"),  # CA tells a lie
        ("(;CA[no-such]SZ[9]PB[Müller])".encode(), "Müller"),
        ("(;CA[Big5]SZ[9]PB[成功])".encode("big5"), "成功"),  # ends with the byte of a backslash
        ("(;CA[GBK]SZ[9]PB[乗])".encode("gbk"), "乗"),
        ("(;CA[Shift_JIS]SZ[9]PB[表])".encode("shift_jis"), "表"),
        ("(;CA[gb2312]SZ[9]PB[朱鎔基])".encode("gbk"), "朱鎔基"),  # more than gb2312 has
    ],
)
def test_encodings(data: bytes, name: str) -> None:
    game = parse_sgf(data[:-1] + b"PW[x];B[aa];W[bb])")
    assert (game.black, game.white, len(game.moves)) == (name, "x", 2)


@pytest.mark.parametrize(("text", "size"), [("SZ[9:9]", 9), ("SZ[ ]", 19), ("", 19), ("SZ[7]", 7)])
def test_sizes(text: str, size: int) -> None:
    assert parse_sgf(f"(;GM[1]{text}PB[a SZ[5\\] b];B[aa])").size == size


@pytest.mark.parametrize(("text", "komi"), [("3.75", 3.5), ("7.25", 7.5), ("0.3", 0.5)])
def test_games_under_any_komi_are_replayed(text: str, komi: float) -> None:
    game = parse_sgf(f"(;SZ[9]KM[{text}];B[aa])")
    assert (game.komi, game.to_position().komi) == (float(text), komi)
    assert parse_sgf(f"(;SZ[9]KM[{text} points])").komi == float(text)


def test_what_follows_the_moves_that_are_wanted_does_not_matter() -> None:
    text = "(;SZ[9]AB[cc];W[aa];AW[dd]AE[cc];B[zz])"
    assert len(parse_sgf(text, most_moves=1).moves) == 1
    start = parse_sgf(text, most_moves=0)
    assert (start.moves, start.black_stones, start.to_play) == ((), (20,), WHITE)
    for most in (2, None):
        with pytest.raises(HonteError, match="edited after move 1"):
            parse_sgf(text, most_moves=most)


def test_only_the_main_line_is_read() -> None:
    game = parse_sgf("(;SZ[9];B[aa](;W[bb]C[main])(;W[cc]))")
    assert [action for _, action in game.moves] == [0, 10] and game.comments == {2: "main"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no game tree"),
        ("hello", "no game tree"),
        ("(;SZ[9];B[aa]", "not a readable SGF file"),
        ("(;SZ[9:13])", r"SZ\[9:13\] is not square"),
        ("(;SZ[99])", "not a readable SGF file"),
        ("(;SZ[9];B[zz])", "'zz' is not an SGF point"),
        ("(;SZ[9];AB[aa][zz])", r"node 2: AB\[aa\]\[zz\] names no points of a 9x9 board"),
        ("(;SZ[9]AW[tt])", r"node 1: AW\[tt\] names no points"),
        ("(;SZ[9]AB[cc]PL[nobody])", "'nobody' is not a color"),
        ("(;GM[2]SZ[8])", r"GM\[2\] is not a game of Go"),
        ("(;SZ[9]KM[lots])", r"KM\[lots\] is not a number"),
        ("(;SZ[9];B[aa];AB[bb];W[cc])", "edited after move 1"),
        ("(;SZ[9];B[aa]W[bb])", "holds two moves"),
    ],
)
def test_broken_files_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(HonteError, match=message) as error:
        parse_sgf(text)
    assert "\n" not in str(error.value)


def test_impossible_games_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(IllegalMove, match=r"move 2 \(A9\) is illegal: .*A9 is occupied"):
        parse_sgf("(;SZ[9];B[aa];W[aa])").to_position()
    with pytest.raises(HonteError, match="the game is 9x9, not 7x7"):
        parse_sgf("(;SZ[9])").to_position(Rules(size=7))
    with pytest.raises(HonteError, match=r"cannot read .*: No such file"):
        read_sgf(tmp_path / "none.sgf")
    (tmp_path / "bad.sgf").write_text("(;SZ[9")
    with pytest.raises(HonteError, match=r"bad\.sgf: not a readable"):
        read_sgf(tmp_path / "bad.sgf")


@pytest.mark.parametrize("charset", ["hex", "rot13", "zlib", "base64", "no-such-charset"])
def test_a_charset_that_is_none_is_guessed(charset: str) -> None:
    game = parse_sgf(f"(;CA[{charset}]SZ[9]PB[Müller];B[aa])".encode())
    assert game.black == "Müller"


def test_text_that_is_no_unicode_is_read() -> None:
    assert parse_sgf("(;SZ[9]PB[a\ud800];B[aa])").moves
