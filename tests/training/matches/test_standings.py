"""Standings: counts by hand, ratings, sequential tests that do not depend on the order of games."""

import io
import itertools

import numpy as np
import pytest
from rich.console import Console

from training.matches.labels import resolve_label, short_labels
from training.matches.log import GameRecord
from training.matches.report import draw_ladder, print_standings, remarks, sprt_line
from training.matches.standings import SprtFeed, make_standings, standings_json
from training.rating.sprt import Sprt, SprtBounds


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


def test_ratings_stand_where_only_their_bootstrap_fails():
    records = match("a", "b", ["WW", "LL", "WL"]) + match("b", "c", ["WW", "LL", "WL"])
    standings = make_standings(records, prior=0.0)
    assert standings.ratings is not None
    assert standings.pair_intervals is None
    lines = remarks(standings)
    assert not any(line.startswith("no ratings") for line in lines)
    assert any(line.startswith("no intervals over pairs of games: ") for line in lines)
    data = standings_json(standings)
    assert data["ratings"] is not None
    assert any("prior > 0" in note for note in data["notes"])


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
    assert sprt_state(match("b", "a", ["LL"] * 40), start) == decided  # named the other way round
    assert sprt_state(match("b", "c", ["LL"] * 40), start) == start
    assert "SPRT accepted: at least +100 Elo (H1); LLR" in sprt_line(decided)
    lost = sprt_state(match("a", "b", ["LL"] * 40), start)
    assert "SPRT rejected: at most +0 Elo (H0); LLR" in sprt_line(lost)
    assert "undecided" in sprt_line(start)


GNUGO = "gtp:gnugo --mode gtp --chinese-rules --capture-all-dead --level"
PACHI = "gtp:/opt/pachi/pachi -d 0 -t ={} threads=1 pass_all_alive"


@pytest.mark.parametrize("width", [80, 120])
def test_all_tables_and_the_ladder_can_be_drawn(tmp_path, width):
    names = ["honte:runs/9x9?sims=200", f"{GNUGO} 10", "c", f"{GNUGO} 0"]
    records = []
    for first, second in itertools.combinations(names, 2):
        records += match(first, second, ["WW", "WL", "DL", "WD"])
    records.append(game("c", names[0], 4, 0, "W+T", "time"))
    standings = make_standings(records, anchor="c")
    output = io.StringIO()
    print_standings(standings, Console(file=output, width=width), Sprt(SprtBounds()))
    lines = output.getvalue().split("\n")
    (row,) = [line for line in lines if " gnugo level 10 " in line and "%" in line]
    assert len(row.split()) == 1 + 3 + 7  # rank, name, numbers in one line: nothing is folded
    assert "Lost by forfeit: c 1" in lines
    assert "4-2-2" in output.getvalue()
    assert "Residuals" in output.getvalue()
    assert f"gnugo level 0 = {GNUGO} 0" in " ".join(output.getvalue().split())
    draw_ladder(standings, tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("width", "named"), [(80, False), (160, True)])
def test_rows_of_a_crosstable_lose_their_names_before_their_results(width, named):
    names = [f"a player with a name {i}" for i in range(7)]
    records = []
    for first, second in itertools.combinations(names, 2):
        records += match(first, second, ["WL"] * 10 + ["DW"] * 10)
    output = io.StringIO()
    print_standings(make_standings(records), Console(file=output, width=width))
    table = output.getvalue().split("column\n")[1].split("Likelihood")[0]
    assert table.count("20-10-10") + table.count("10-10-20") == 42
    assert (names[0] in table) == named


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["random", "rollout?sims=1000", "mine"], ["random", "rollout?sims=1000", "mine"]),
        ([f"{GNUGO} 0", f"{GNUGO} 10"], ["gnugo level 0", "gnugo level 10"]),
        ([f"{GNUGO} 10", f"{GNUGO} 10 #2"], ["gnugo level 10", "gnugo level 10 #2"]),
        (
            [f"{GNUGO} 3 --seed 1", f"{GNUGO} 3 --seed 2"],
            ["gnugo level 3 seed 1", "gnugo level 3 seed 2"],
        ),
        ([PACHI.format(500), PACHI.format(1600)], ["pachi -t =500", "pachi -t =1600"]),
        (["gtp:/usr/games/gnugo --mode gtp"], ["gnugo"]),
        (
            ["honte?sims=800&search=gumbel", "honte?sims=800&search=puct", "honte?sims=50"],
            ["honte 800 sims gumbel", "honte 800 sims puct", "honte?sims=50"],
        ),
        (
            ["honte:runs/one/model-7.safetensors", "honte:runs/two/model-7.safetensors"],
            ["honte model-7", "honte model-7 (2)"],
        ),
        (["gtp:" + "x" * 90 + "1", "y" * 50], ["x" * 12 + "…" + "x" * 10 + "1", "y" * 50]),
    ],
)
def test_labels_say_what_tells_players_apart(names, labels):
    assert short_labels(names) == dict(zip(names, labels, strict=True))
    assert short_labels(names[::-1]) == short_labels(names)
    for name, label in zip(names, labels, strict=True):
        assert resolve_label(label, names) == resolve_label(name, names) == name
    assert resolve_label("nobody", names) is None


def test_names_are_not_markup():
    names = ["gtp:/opt/engine [/x] [bold]", "other"]
    output = io.StringIO()
    print_standings(
        make_standings(match(*names, ["WW", "WL", "DL"])), Console(file=output, width=200)
    )
    assert output.getvalue().count(names[0].removeprefix("gtp:/opt/")) == 1  # in the table
    assert f"= {names[0]}" in output.getvalue()


@pytest.mark.parametrize("pairs", [["WW"] * 20, ["WL"] * 20])
def test_pairs_that_ended_alike_give_no_interval_of_width_zero(pairs):
    standings = make_standings(match("a", "b", pairs))
    assert standings.ratings is not None
    assert standings.pair_intervals is None
    assert any("all pairs ended alike" in line for line in remarks(standings))
