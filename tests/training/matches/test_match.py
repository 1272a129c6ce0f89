"""Whole matches: every game once, whatever is killed when; results, SGFs and ratings in place."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from go_env.errors import HonteError
from go_env.rules import Rules
from go_env.sgf import SgfGame, read_sgf, write_sgf
from training.files import FolderLock
from training.matches.log import parse_log
from training.matches.match import rate_results, run_match
from training.matches.plan import MatchConfig, make_openings, parse_players, plan
from training.matches.report import remarks
from training.rating.sprt import SprtBounds

ROOT = Path(__file__).parents[3]
FAKE = f"gtp:{sys.executable} {ROOT}/tests/support/fake_engine.py"


def config(*players: str, **options) -> MatchConfig:
    defaults = {"games": 4, "size": 5, "workers": 0}
    return MatchConfig(players or ("random", "b=random"), **{**defaults, **options})


def games_of(out: Path):
    return parse_log((out / "games.jsonl").read_bytes(), out)[1]


def test_round_robin_plays_every_pairing_with_both_colors(tmp_path):
    standings = run_match(config("random", "random", "c=rollout?sims=4", games=6), tmp_path)
    counts = Counter((record.black, record.white) for record in games_of(tmp_path))
    names = ["random", "random #2", "c"]
    assert counts == {(a, b): 3 for a in names for b in names if a != b}
    assert sum(row.games for row in standings.players) == 36
    data = json.loads((tmp_path / "standings.json").read_text())
    assert data["games"] == 18
    assert len(data["ratings"]["players"]) == 3
    assert (tmp_path / "ladder.png").exists()


def test_gauntlet_and_odd_numbers_of_games(tmp_path):
    run_match(config("a=random", "b=random", "c=random", games=3, gauntlet=True), tmp_path)
    counts = Counter((record.first, record.second) for record in games_of(tmp_path))
    assert counts == {("a", "b"): 3, ("a", "c"): 3}


def test_every_game_is_an_sgf_that_replays_to_the_result(tmp_path):
    run_match(config("random", "r=rollout?sims=8", games=4, komi=24.5), tmp_path)
    records = games_of(tmp_path)
    files = sorted((tmp_path / "sgf").glob("*.sgf"))
    assert len(files) == len(records) == 4
    games = {(game.black, game.result, len(game.moves)): game for game in map(read_sgf, files)}
    for record in records:
        game = games[record.black, record.result, len(record.moves.split())]
        assert (game.size, game.komi, game.white) == (5, 24.5, record.white)
        assert "rollout?sims=8" in game.comments[0]
        assert any("expects" in text for text in game.comments.values())
        if record.reason == "score":
            rules = Rules(size=5, komi=24.5)
            score = game.to_position(rules).score()
            assert record.result == f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def test_a_finished_match_is_not_played_again_and_can_grow(tmp_path):
    run_match(config(games=4), tmp_path)
    before = (tmp_path / "games.jsonl").read_bytes()
    run_match(config(games=4), tmp_path)
    assert (tmp_path / "games.jsonl").read_bytes() == before
    run_match(config("random", "b=random", "c=random", games=6), tmp_path)
    after = (tmp_path / "games.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(games_of(tmp_path)) == 18
    with pytest.raises(HonteError, match="seed=0, not 1"):
        run_match(config(games=4, seed=1), tmp_path)


def test_a_name_stands_for_one_player_in_a_folder(tmp_path):
    run_match(config("old=random", "random"), tmp_path)
    before = (tmp_path / "games.jsonl").read_bytes()
    says = "holds games of 'old' as 'random', not 'rollout.sims=40': use another name or --out"
    with pytest.raises(HonteError, match=says):
        run_match(config("old=rollout?sims=40", "random", games=6), tmp_path)
    assert (tmp_path / "games.jsonl").read_bytes() == before
    run_match(config("old=random", "new=random", games=4), tmp_path)
    entry = {"spec": "random", "plays": "random"}
    known = json.loads((tmp_path / "players.json").read_text())
    assert known == {"old": entry, "random": entry, "new": entry}


def test_players_in_another_order_play_no_game_twice(tmp_path):
    run_match(config("random", "b=random", games=4), tmp_path)
    run_match(config("b=random", "random", games=6), tmp_path)
    records = games_of(tmp_path)
    assert [record.first for record in records] == ["random"] * 6
    assert len({record.key for record in records}) == 6


def test_a_match_does_not_go_on_with_other_openings(tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    for name, move in (("m", "cc"), ("n", "bb")):
        (book / f"{name}.sgf").write_text(f"(;GM[1]FF[4]SZ[5];B[{move}])")
    run_match(config(games=3, openings=str(book)), tmp_path / "out")
    (book / "a.sgf").write_text("(;GM[1]FF[4]SZ[5];B[cb])")
    with pytest.raises(HonteError, match=r"other openings \(pair 0\): restore the book"):
        run_match(config(games=6, openings=str(book)), tmp_path / "out")
    assert len(games_of(tmp_path / "out")) == 3


def test_folders_of_matches_before_players_json_go_on(tmp_path):
    run_match(config("old=random", "random"), tmp_path)
    (tmp_path / "players.json").unlink()
    run_match(config("old=random", "random", games=6), tmp_path)
    assert len(games_of(tmp_path)) == 6
    (tmp_path / "players.json").write_text('{"old": "random"}')  # as once written
    assert rate_results([tmp_path]).notes == ()
    run_match(config("old=random", "random", games=8), tmp_path)
    assert len(games_of(tmp_path)) == 8
    (tmp_path / "players.json").write_text("{")
    with pytest.raises(HonteError, match=r"players\.json is damaged"):
        run_match(config("old=random", "random", games=6), tmp_path)


def test_one_match_at_a_time_in_a_folder(tmp_path):
    lock = FolderLock(tmp_path / ".lock")
    lock.acquire()
    with pytest.raises(HonteError, match="another match is running"):
        run_match(config(), tmp_path)
    lock.release()


def test_workers_play_the_same_fixtures(tmp_path):
    run_match(config("random", "b=random", games=20, workers=2), tmp_path)
    keys = [record.key for record in games_of(tmp_path)]
    assert len(keys) == len(set(keys)) == 20
    openings = {record.pair: record.opening for record in games_of(tmp_path)}
    expected = make_openings(config(games=20), Rules(size=5, komi=25))
    assert openings == {pair: opening.name for pair, opening in enumerate(expected)}


def test_a_sequential_test_stops_early(tmp_path):
    bounds = SprtBounds(0.0, 150.0)
    players = ("rollout?sims=60", "random")
    standings = run_match(config(*players, games=400, komi=0.5, sprt=bounds), tmp_path)
    assert len(standings.records) < 200
    test = json.loads((tmp_path / "standings.json").read_text())["sprt"]
    assert test["verdict"] == "accept"
    before = len(games_of(tmp_path))
    run_match(config(*players, games=400, komi=0.5, sprt=bounds), tmp_path)
    assert len(games_of(tmp_path)) == before


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_engines_forfeit_and_the_match_goes_on(tmp_path, workers):
    players = (f"crash={FAKE} crash-always", f"illegal={FAKE} illegal", "random")
    standings = run_match(config(*players, games=2, workers=workers), tmp_path)
    forfeits = {row.name: row.forfeits for row in standings.players}
    # two games against random and the one against `illegal` in which it has to move first
    assert forfeits["crash"] == 3
    assert forfeits["illegal"] == 3
    assert forfeits["random"] == 0
    reasons = {record.reason for record in standings.records}
    assert {"forfeit", "illegal move"} <= reasons
    logs = "".join(path.read_text() for path in (tmp_path / "transcripts").iterdir())
    assert "* crashed at 'genmove" in logs
    assert any("crashed" in record.note for record in standings.records)


def test_a_referee_decides(tmp_path):
    """The fake engine always counts B+3.5."""
    players = (f"{FAKE}", f"two={FAKE}")
    standings = run_match(config(*players, games=2, referee=FAKE), tmp_path)
    assert [record.result for record in standings.records] == ["B+3.5", "B+3.5"]


@pytest.mark.parametrize("fault", ["no-score", "crash-at-score"])
def test_a_referee_that_fails_is_told_of(tmp_path, fault):
    options = {"games": 2, "move_limit": 8, "referee": f"{FAKE} {fault}"}
    standings = run_match(config("random", "b=random", **options), tmp_path)
    for record in games_of(tmp_path):
        assert record.note.startswith("the referee failed, every stone counts as alive: ")
    says = "the referee failed in 2 games: every stone counted as alive there"
    assert says in remarks(standings)
    assert says in json.loads((tmp_path / "standings.json").read_text())["notes"]
    sgfs = [path.read_text() for path in (tmp_path / "sgf").glob("*.sgf")]
    assert all("the referee failed" in text for text in sgfs)


def test_engines_run_out_of_time(tmp_path):
    players = (f"slow={FAKE} slow", f"fast={FAKE}")
    run_match(config(*players, games=2, clock="1", openings="0"), tmp_path)
    assert {(record.reason, record.winner == 1) for record in games_of(tmp_path)} == {
        ("time", False),
        ("time", True),
    }


def test_setting_up_an_engine_is_not_on_its_clock(tmp_path):
    """Like an engine that loads its network at `boardsize`, which takes seconds."""
    players = (f"slow={FAKE} slow-start", "random")
    run_match(config(*players, games=2, clock="1+1x1", openings="0"), tmp_path)
    assert "time" not in {record.reason for record in games_of(tmp_path)}


def test_searching_players_use_their_seconds_per_move(tmp_path):
    options = {"games": 1, "seconds": 1.0, "grace_s": 9.0, "move_limit": 12}
    run_match(config("rollout", "random", **options), tmp_path)
    (record,) = games_of(tmp_path)
    assert record.reason in ("score", "move limit")
    moves = (len(record.moves.split()) - 2 + 1) // 2
    assert record.seconds[0] > 0.05 * moves
    assert record.seconds[1] < 0.05 * moves


def test_openings_from_a_book(tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    for number, action in enumerate((12, 6)):
        write_sgf(book / f"{number}.sgf", SgfGame(size=5, moves=((1, action),)))
    run_match(config(games=6, openings=str(book)), tmp_path / "out")
    records = games_of(tmp_path / "out")
    assert Counter(record.opening for record in records) == {"0": 4, "1": 2}
    assert all(record.moves.split()[0] in ("C3", "B4") for record in records)


def test_result_files_are_rated_together(tmp_path):
    run_match(config("a=random", "b=random"), tmp_path / "one")
    run_match(config("b=random", "c=random", seed=1), tmp_path / "two")
    standings = rate_results([tmp_path / "one", tmp_path / "two" / "games.jsonl"], anchor="b")
    assert {row.name for row in standings.players} == {"a", "b", "c"}
    assert standings.ratings.anchor == "b"
    with pytest.raises(HonteError, match="cannot read"):
        rate_results([tmp_path / "three"])
    with pytest.raises(HonteError, match="anchor 'z'"):
        rate_results([tmp_path / "one"], anchor="z")


def test_matches_of_different_rules_are_rated_with_a_remark(tmp_path):
    run_match(config("a=random", "b=random"), tmp_path / "one")
    run_match(config("a=random", "b=random", size=4, komi=2.5), tmp_path / "two")
    assert rate_results([tmp_path / "one"]).notes == ()
    (note,) = rate_results([tmp_path / "one", tmp_path / "two"]).notes
    assert note.startswith("The matches differ in size (5, 4), komi (25.0, 2.5): ")


def test_a_name_of_two_players_is_rated_with_a_remark(tmp_path):
    """A run's name is its champion of the day of the match."""
    for folder in ("one", "two"):
        run_match(config("a=random", "b=random"), tmp_path / folder)
    assert rate_results([tmp_path / "one", tmp_path / "two"]).notes == ()
    path = tmp_path / "two" / "players.json"
    path.write_text(path.read_text().replace('"plays": "random"', '"plays": "rollout"', 1))
    (note,) = rate_results([tmp_path / "one", tmp_path / "two"]).notes
    assert note.startswith("'a' is rated as one player, but was random and rollout: ")


def test_pairings_advance_together():
    match = config("a=random", "b=random", "c=random", games=64, workers=2, parallel=8)
    tasks = plan(match, parse_players(match.players), set())
    order = [(task.first.name, task.second.name, task.fixtures[0].pair) for task in tasks]
    assert order[:4] == [("a", "b", 0), ("a", "c", 0), ("b", "c", 0), ("a", "b", 4)]
    assert sum(len(task.fixtures) for task in tasks) == 3 * 64


@pytest.mark.parametrize(
    ("players", "options", "says"),
    [
        (("random",), {}, "at least two players"),
        (("a=random", "a=random"), {}, "two players are called 'a'"),
        (("random", "nonsense"), {}, "nonsense"),
        (("random", "honte?simz=3"), {"workers": 1}, "did you mean 'sims'"),
        (("random", "honte:no/such/run"), {}, "no such weights file"),
        (("random", "random"), {"openings": "no/such/book"}, "no/such/book"),
        (("random", "random"), {"referee": "gtp:no-such-engine"}, "no-such-engine"),
        (("random", "random"), {"games": 0}, "at least one game"),
        (("random", "random"), {"seconds": 1.0, "clock": "5"}, "exclude each other"),
        (("random", "random", "random"), {"sprt": SprtBounds()}, "two players"),
        (("random", "random"), {"anchor": "z"}, "anchor 'z'"),
        (("random", "random"), {"referee": "rollout"}, "gtp:COMMAND or gnugo"),
        (("random", "gtp:no-such-engine"), {}, "no-such-engine"),
        (("random", "gtp:no-such-engine"), {"workers": 1}, "no-such-engine"),
        (("random", f"gtp:{sys.executable}"), {"seconds": 0.5}, "engines count whole seconds"),
        (("random", "random"), {"clock": "soon"}, "not understood"),
        (("random", "random"), {"clock": "nan"}, "not understood"),
        (("random", "random"), {"clock": "60+inf/5"}, "not understood"),
        (("random", "random"), {"seconds": float("nan")}, "must be positive"),
        (("random", "random"), {"clock": "0"}, "not understood"),
        (("random", "random"), {"clock": "5", "grace_s": float("nan")}, "--grace must be"),
        (("random", "random"), {"openings": "120"}, "not so many different openings"),
        (("random", "random"), {"openings": "--5"}, "--5"),
    ],
)
def test_impossible_matches_are_one_clear_line(tmp_path, players, options, says):
    out = tmp_path / "out"
    with pytest.raises(HonteError, match=says):
        run_match(config(*players, **options), out)
    assert not out.exists()


SCRIPT = """
import sys
from pathlib import Path
from training.matches.match import run_match
from training.matches.plan import MatchConfig

if __name__ == "__main__":
    players = ("random", "b=rollout?sims=30", "fake=" + sys.argv[3])
    options = dict(games=30, size=5, komi=0.5, workers=int(sys.argv[2]))
    run_match(MatchConfig(players, **options), Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("workers", "kills"), [("0", 3), ("2", 3), pytest.param("2", 10, marks=pytest.mark.slow)]
)
def test_kills_at_random_moments_lose_and_repeat_no_game(tmp_path, workers, kills):
    """The match is killed again and again; what was finished stays, and no process is left."""
    script = tmp_path / "play.py"
    script.write_text(textwrap.dedent(SCRIPT))
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(out), workers, FAKE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MATCH_UNDER_TEST": str(out)}
    rng = random.Random(int(workers))
    seen: list[str] = []
    for kill in range(kills + 1):
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        if kill < kills:
            wanted = len(seen) + rng.randrange(1, 60 // kills)
            while process.poll() is None and len(complete_lines(out)) < wanted:
                time.sleep(0.002)
            time.sleep(0.02 * rng.random())
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        process.wait()
        lines = complete_lines(out)
        assert lines[: len(seen)] == seen
        seen = lines
    assert process.returncode == 0
    keys = [record.key for record in games_of(out)]
    assert len(keys) == len(set(keys)) == 90
    assert len(list((out / "sgf").glob("*.sgf"))) == 90
    deadline = time.monotonic() + 10
    while running_with(str(out)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_with(str(out)) == []


def complete_lines(out: Path) -> list[str]:
    path = out / "games.jsonl"
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def running_with(text: str) -> list[int]:
    """Return processes whose environment mentions a text: workers and engines inherit it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text in (folder / "environ").read_bytes().decode(errors="replace"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found
