"""Standings: counts by hand, ratings, sequential tests that do not depend on the order of games."""

import io
import itertools

import numpy as np
import pytest
from rich.console import Console

from training.match_log import GameRecord
from training.match_report import draw_ladder, print_standings, remarks, shorten, sprt_line
from training.sprt import Sprt, SprtBounds
from training.standings import SprtFeed, make_standings, standings_json


def game(first, second, pair, leg, result, reason="score", moves=None):
    moves = f"C3 {pair} {leg} {first}" if moves is None else moves
    return GameRecord(first, second, pair, leg, result, reason, "C3", moves)


def match(first, second, results):
    """Pairs such as "WL": the first player's results with Black, then with White."""
    letters = {("W", 0): "B+1", ("L", 0): "W+1", ("W", 1): "W+1", ("L", 1): "B+1"}
    return [
        game(first, second, pair, leg, letters.get((text[leg], leg), "0"))
        for pair, text in enumerate(results)
        for leg in (0, 1)
    ]


def test_rows_count_colors_draws_and_forfeits():
    records = match("a", "b", ["WW", "WD", "LL"])
    records.append(game("a", "b", 3, 0, "W+T", "time"))
    rows = {row.name: row for row in make_standings(records).players}
    a = rows["a"]
    assert (a.games, a.points, a.draws, a.forfeits) == (7, 3.5, 1, 1)
    assert (a.black_games, a.black_points, a.white_games, a.white_points) == (4, 2.0, 3, 1.5)
    assert rows["b"].points == 3.5
    assert rows["b"].forfeits == 0
    table = make_standings(records).crosstable()
    assert table["a", "b"] == (3, 1, 3)
    assert table["b", "a"] == (3, 1, 3)


def test_the_strongest_comes_first_and_the_anchor_is_zero():
    records = match("weak", "middle", ["LL", "LW", "LD"] * 4)
    records += match("middle", "strong", ["LL", "LW", "DL"] * 4)
    standings = make_standings(records, anchor="weak")
    assert [row.name for row in standings.players] == ["strong", "middle", "weak"]
    data = standings_json(standings)
    players = data["ratings"]["players"]
    assert players[2] == {"name": "weak", "elo": 0.0, "se": 0.0, "interval95": [0.0, 0.0]}
    low, high = data["ratings"]["interval95_over_pairs"]["strong"]
    assert low < players[0]["elo"] < high
    assert data["ratings"]["superiority"][2][0] > 0.95


def test_players_without_common_games_are_listed_without_ratings():
    records = match("a", "b", ["WL"]) + match("c", "d", ["WW"])
    standings = make_standings(records)
    assert standings.ratings is None
    assert standings.players[0].name == "c"
    assert any("no chain of games" in line for line in remarks(standings))
    assert standings_json(standings)["ratings"] is None


def test_repeated_games_are_counted_and_said():
    records = [game("a", "b", pair, 0, "B+1", moves="C3 pass pass") for pair in range(5)]
    standings = make_standings(records)
    assert standings.duplicates == 4
    assert any("4 games repeat" in line for line in remarks(standings))


def sprt_state(records, test):
    feed = SprtFeed(test, "a", "b")
    for record in records:
        feed.add(record)
    return feed.test


def test_the_sequential_test_takes_pairs_in_order_only():
    records = match("a", "b", ["WW"] * 40)
    start = Sprt(SprtBounds(0.0, 100.0))
    decided = sprt_state(records, start)
    assert decided.verdict == "accept"
    shuffled = [records[i] for i in np.random.default_rng(0).permutation(len(records))]
    assert sprt_state(shuffled, start) == decided
    gap = [record for record in records if record.key != ("a", "b", 2, 1)]
    assert sprt_state(gap, start).trials == 2
    longer = match("a", "b", ["WW"] * 40 + ["LL"] * 100)
    assert sprt_state(longer, start) == decided
    assert sprt_state(match("b", "a", ["WW"] * 40), start) == start
    assert "accepted" in sprt_line(decided)
    assert "undecided" in sprt_line(start)


def test_all_tables_and_the_ladder_can_be_drawn(tmp_path):
    names = ["honte:runs/9x9/champion-000123.safetensors?sims=200", "b", "c"]
    records = []
    for first, second in itertools.combinations(names, 2):
        records += match(first, second, ["WW", "WL", "DL", "WD"])
    standings = make_standings(records, anchor="c")
    output = io.StringIO()
    print_standings(standings, Console(file=output, width=120), Sprt(SprtBounds()))
    text = output.getvalue()
    assert "anchor" in text
    assert "4-2-2" in text
    assert "Residuals" in text
    draw_ladder(standings, tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["short", "x" * 40, "a" * 30 + "b" * 30])
def test_names_are_shortened_to_fit(name):
    assert len(shorten(name)) <= 40
    assert shorten(name)[:10] == name[:10]
    assert shorten(name)[-10:] == name[-10:]
