"""The result file: what is written stays, a line cut short is removed, nothing is played twice."""

import json
from dataclasses import replace

import pytest

from go_env.errors import HonteError
from training.matches.log import GameRecord, MatchLog, parse_log

SETTINGS = {"size": 5, "komi": 25.0}
GAME = GameRecord(
    first="a",
    second="b",
    pair=3,
    leg=1,
    result="B+2",
    reason="score",
    opening="C3",
    moves="C3 B2 pass pass",
    values=(None, 0.5, -0.25, 1.0),
    seconds=(0.5, 1.25),
)


def test_games_survive_reopening(tmp_path):
    path = tmp_path / "out" / "games.jsonl"
    log = MatchLog(path, SETTINGS)
    log.add(GAME)
    log.add(replace(GAME, leg=0))
    log.close()
    again = MatchLog(path, SETTINGS)
    assert again.records == [GAME, replace(GAME, leg=0)]
    again.close()


def test_leg_one_swaps_colors():
    assert (GAME.black, GAME.white) == ("b", "a")
    assert (GAME.black_score, GAME.first_score) == (1.0, 0.0)
    assert replace(GAME, result="0").first_score == 0.5
    assert replace(GAME, leg=0).first_score == 1.0


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_a_line_cut_by_a_kill_is_removed_and_can_be_written_again(tmp_path, kept):
    path = tmp_path / "games.jsonl"
    log = MatchLog(path, SETTINGS)
    log.add(GAME)
    whole = path.stat().st_size
    log.add(replace(GAME, pair=4))
    log.close()
    with path.open("r+b") as file:
        file.truncate(whole + kept)
    again = MatchLog(path, SETTINGS)
    assert again.records == [GAME]
    again.add(replace(GAME, pair=4))
    again.close()
    assert len(parse_log(path.read_bytes(), path)[1]) == 2


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_cut_first_line_is_a_fresh_start(tmp_path, kept):
    path = tmp_path / "games.jsonl"
    MatchLog(path, SETTINGS).close()
    with path.open("r+b") as file:
        file.truncate(kept)
    log = MatchLog(path, SETTINGS)
    log.add(GAME)
    log.close()
    assert parse_log(path.read_bytes(), path) == (SETTINGS, [GAME])


@pytest.mark.parametrize(
    "text", ["my notes", "my notes\n", '{"a": 1}', '{"a": 1}\nnotes', "1", '{"format":"other"}\n{']
)
def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "games.jsonl"
    path.write_text(text)
    with pytest.raises(HonteError, match=r"not a result file of honte match|not a JSON object"):
        MatchLog(path, SETTINGS)
    assert path.read_text() == text


def test_a_last_game_without_its_newline_is_kept(tmp_path):
    path = tmp_path / "games.jsonl"
    log = MatchLog(path, SETTINGS)
    log.add(GAME)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole.removesuffix(b"\n"))
    assert parse_log(path.read_bytes(), path)[1] == [GAME]  # as `honte rate` reads it
    again = MatchLog(path, SETTINGS)
    assert again.records == [GAME]
    again.add(replace(GAME, pair=4))
    again.close()
    assert path.read_bytes().startswith(whole)
    assert len(parse_log(path.read_bytes(), path)[1]) == 2


def test_other_settings_are_refused(tmp_path):
    path = tmp_path / "games.jsonl"
    MatchLog(path, SETTINGS).close()
    with pytest.raises(HonteError, match=r"komi=25\.0, not 24\.0"):
        MatchLog(path, {**SETTINGS, "komi": 24.0})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['{"a": 1}'], "not a result file"),
        (["garbage"], "line 1: not a JSON object"),
        ([None, "garbage"], "line 2: not a JSON object"),
        ([None, '{"first": "a"}'], "line 2: not a game"),
        ([None, "GAME", "GAME"], "line 3: this game is already there"),
    ],
)
def test_damaged_files_are_named_with_their_line(tmp_path, lines, says):
    path = tmp_path / "games.jsonl"
    log = MatchLog(path, SETTINGS)
    head = path.read_text().strip()
    log.add(GAME)
    log.close()
    game = path.read_text().splitlines()[1]
    text = [head if line is None else game if line == "GAME" else line for line in lines]
    path.write_text("\n".join(text) + "\n")
    with pytest.raises(HonteError, match=says):
        parse_log(path.read_bytes(), path)


def test_the_file_is_plain_json_lines(tmp_path):
    path = tmp_path / "games.jsonl"
    log = MatchLog(path, SETTINGS)
    log.add(GAME)
    log.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[0]["match"] == SETTINGS
    assert rows[1]["moves"] == "C3 B2 pass pass"
