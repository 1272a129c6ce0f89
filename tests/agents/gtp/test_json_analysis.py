"""KataGo's JSON protocol: queries, answers, errors and actions."""

import io
import json
import sys

import pytest

from agents.gtp import __main__ as command
from agents.gtp.json_analysis import AnalysisEngine, AnalysisOptions
from agents.gtp.json_query import QueryError, parse_query
from agents.gtp.json_reply import position_hash
from agents.gtp.lines import LineReader
from agents.gtp.main import run_analysis
from agents.gtp.protocol import Output
from agents.mcts_agent import MctsAgent
from agents.registry import PLAY_SEARCH
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from gtp_talk import no_player, random_player
from mcts.rollout import RolloutEvaluator

QUERY = {
    "id": "q", "moves": [["B", "C3"], ["W", "D4"]], "rules": "tromp-taylor", "komi": 7,
    "boardXSize": 5, "boardYSize": 5, "maxVisits": 30,
}  # fmt: skip


def rollout_player(size, seed):
    return MctsAgent(RolloutEvaluator(seed), PLAY_SEARCH, 60, "mcts")


def serve(*queries, player=rollout_player, options=None):
    """Send lines (text or objects) and return the answers as objects."""
    lines = [q if isinstance(q, str) else json.dumps(q) for q in queries]
    written = io.BytesIO()
    reader = LineReader(io.BytesIO("\n".join(lines).encode()).read)
    AnalysisEngine(player, reader, Output(written.write), options or AnalysisOptions()).serve()
    return [json.loads(line) for line in written.getvalue().splitlines()]


def query(**fields):
    return {**QUERY, **fields}


def test_an_answer_has_what_katrain_reads():
    (answer,) = serve(query(includeOwnership=True, includePolicy=True, includeMovesOwnership=True))
    assert answer["id"] == "q" and answer["turnNumber"] == 2 and not answer["isDuringSearch"]
    root = answer["rootInfo"]
    assert root["visits"] == 30 and root["currentPlayer"] == "B"
    assert {"winrate", "scoreLead", "scoreStdev", "utility"} <= set(root)
    moves = answer["moveInfos"]
    assert [m["order"] for m in moves] == list(range(len(moves)))
    assert sum(m["visits"] for m in moves) == 30
    for m in moves:
        assert {"move", "visits", "winrate", "scoreLead", "prior", "order", "pv", "lcb"} <= set(m)
        assert m["pv"][0] == m["move"] and len(m["ownership"]) == 25
    assert len(answer["ownership"]) == 25 and max(map(abs, answer["ownership"])) <= 1
    policy = answer["policy"]
    assert len(policy) == 26
    assert [i for i, p in enumerate(policy) if p == -1] == [1 * 5 + 3, 2 * 5 + 2]
    assert sum(p for p in policy if p >= 0) == pytest.approx(1)


def test_the_visits_of_a_continuation_are_those_of_the_search():
    (answer,) = serve(query(maxVisits=200, includePVVisits=True))
    for m in answer["moveInfos"]:
        visits = m["pvVisits"]
        assert visits == m["pvEdgeVisits"] == sorted(visits, reverse=True)
        assert len(visits) == len(m["pv"]) and visits[0] == m["visits"] and visits[-1] >= 1


def test_a_field_that_is_null_is_not_given():
    (answer,) = serve(query(whiteHandicapBonus=None))
    assert "error" not in answer


def test_the_first_report_may_come_at_another_time():
    answers = serve(query(firstReportDuringSearchAfter=0.001, reportDuringSearchEvery=1000))
    assert not any("warning" in answer for answer in answers)
    (refused,) = serve(query(firstReportDuringSearchAfter="soon"))
    assert refused["field"] == "firstReportDuringSearchAfter"


def test_turns_and_default_turn():
    answers = serve(query(analyzeTurns=[0, 2, 1]), query(id="last"))
    assert [(a["id"], a["turnNumber"]) for a in answers] == [
        ("q", 0), ("q", 2), ("q", 1), ("last", 2),
    ]  # fmt: skip
    assert [a["rootInfo"]["currentPlayer"] for a in answers] == ["B", "B", "W", "B"]


def test_perspectives_mirror_each_other():
    def root(perspective, turn):
        settings = {"reportAnalysisWinratesAs": perspective} if perspective else {}
        (answer,) = serve(
            query(analyzeTurns=[turn], overrideSettings=settings, includeOwnership=True)
        )
        return answer

    for turn, to_move in ((1, "WHITE"), (2, "BLACK")):
        black, white = root("BLACK", turn), root("WHITE", turn)
        assert black["rootInfo"]["winrate"] == pytest.approx(1 - white["rootInfo"]["winrate"])
        assert black["rootInfo"]["scoreLead"] == pytest.approx(-white["rootInfo"]["scoreLead"])
        assert black["ownership"] == pytest.approx([-x for x in white["ownership"]])
        mover = root("SIDETOMOVE", turn)["rootInfo"]
        assert mover == (black if to_move == "BLACK" else white)["rootInfo"]
        assert root(None, turn)["rootInfo"] == black["rootInfo"]  # KataGo's example configuration


def test_reports_during_search_end_with_one_final_answer():
    answers = serve(query(maxVisits=20_000, reportDuringSearchEvery=0.02))
    assert [a["isDuringSearch"] for a in answers] == [True] * (len(answers) - 1) + [False]
    visits = [a["rootInfo"]["visits"] for a in answers]
    assert len(visits) > 2 and visits == sorted(visits) and visits[-1] == 20_000


def test_time_limit():
    (answer,) = serve(query(maxVisits=10**9, overrideSettings={"maxTime": 0.1}))
    assert 0 < answer["rootInfo"]["visits"] < 10**6


def test_priorities_decide_the_order():
    answers = serve(
        query(id="low", priority=-5), query(id="high", priority=7),
        query(id="mixed", analyzeTurns=[0, 1], priorities=[0, 9]),
    )  # fmt: skip
    order = [(a["id"], a["turnNumber"]) for a in answers]
    assert order == [("mixed", 1), ("high", 2), ("mixed", 0), ("low", 2)]


@pytest.mark.parametrize(
    ("restriction", "allowed"),
    [
        ({"avoidMoves": [{"player": "B", "moves": ["B2", "pass"], "untilDepth": 1}]}, None),
        ({"allowMoves": [{"player": "B", "moves": ["A1", "B2"], "untilDepth": 3}]}, {"A1", "B2"}),
    ],
)
def test_restricted_moves(restriction, allowed):
    (answer,) = serve(query(maxVisits=100, **restriction))
    moves = {m["move"] for m in answer["moveInfos"]}
    assert moves <= allowed if allowed else not moves & {"B2", "pass"}
    assert moves and sum(m["visits"] for m in answer["moveInfos"]) == 100


def test_players_without_search_answer_once():
    (answer,) = serve(query(includeOwnership=True, includePolicy=True), player=random_player)
    assert answer["rootInfo"]["visits"] == 1 and len(answer["policy"]) == 26


BAD = [
    ("moves", {"moves": None}),
    ("moves", {"moves": "B C3"}),
    ("moves", {"moves": [["B"]]}),
    ("moves", {"moves": [["X", "C3"]]}),
    ("moves", {"moves": [["B", "Z9"]]}),
    ("moves", {"moves": [["B", "(9,9)"]]}),
    ("moves", {"moves": [["B", "C3"], ["W", "C3"]]}),
    ("boardXSize", {"boardXSize": None}),
    ("boardXSize", {"boardXSize": 26}),
    ("boardXSize", {"boardXSize": True}),
    ("boardYSize", {"boardYSize": 6}),
    ("komi", {"komi": 7.25}),
    ("komi", {"komi": 500}),
    ("komi", {"komi": "7"}),
    ("rules", {"rules": None}),
    ("rules", {"rules": "poker"}),
    ("rules", {"rules": 3}),
    ("initialStones", {"initialStones": [["B", "pass"]]}),
    ("initialPlayer", {"initialPlayer": "green"}),
    ("analyzeTurns", {"analyzeTurns": [3]}),
    ("analyzeTurns", {"analyzeTurns": [-1]}),
    ("analyzeTurns", {"analyzeTurns": [True]}),
    ("analyzeTurns", {"analyzeTurns": 1}),
    ("maxVisits", {"maxVisits": 0}),
    ("maxVisits", {"maxVisits": 1.5}),
    ("maxVisits", {"maxVisits": float("1e999")}),
    ("includePolicy", {"includePolicy": 1}),
    ("priority", {"priority": "high"}),
    ("priority", {"priority": 1, "analyzeTurns": [0], "priorities": [1]}),
    ("priorities", {"priorities": [1]}),
    ("priorities", {"analyzeTurns": [0, 1], "priorities": [1]}),
    ("overrideSettings", {"overrideSettings": []}),
    ("overrideSettings", {"overrideSettings": {"maxVisits": -1}}),
    ("overrideSettings", {"overrideSettings": {"reportAnalysisWinratesAs": "GREEN"}}),
    ("reportDuringSearchEvery", {"reportDuringSearchEvery": 0}),
    ("avoidMoves", {"avoidMoves": [{"player": "B", "moves": ["A1"]}]}),
    ("avoidMoves", {"avoidMoves": {"player": "B"}}),
    ("allowMoves", {"avoidMoves": [], "allowMoves": []}),
    ("allowMoves", {"allowMoves": [{"player": "B", "moves": [], "untilDepth": 1}] * 2}),
    ("whiteHandicapBonus", {"whiteHandicapBonus": "2N"}),
]


@pytest.mark.parametrize(("name", "fields"), BAD)
def test_errors_name_the_field(name, fields):
    with pytest.raises(QueryError) as caught:
        parse_query(query(**fields))
    assert caught.value.field == name


def test_errors_are_answers_and_the_engine_goes_on():
    answers = serve(
        "{", "[1]", '{"id":5}', "", '{"id":"n","komi":NaN}', '{"id":"n","x":1e999}', "[" * 100_000,
        query(id="bad", komi=0.3), {"id": "a", "action": "dance"}, query(id="good"),
    )  # fmt: skip
    assert len(answers) == 9
    assert all("error" in answer for answer in answers[:-1])
    assert answers[-3]["field"] == "komi" and answers[-3]["id"] == "bad"
    assert answers[-1]["id"] == "good"


def test_an_error_of_the_player_answers_the_query():
    (answer,) = serve(query(), player=no_player)
    assert answer == {"error": "there is no player", "id": "q", "turnNumber": 2}


def test_warnings_do_not_stop_the_analysis():
    answers = serve(
        query(rules="japanese", typo=1, overrideSettings={"wideRootNoise": 0.04, "x": 1})
    )
    assert {a["field"] for a in answers[:-1]} == {"rules", "typo", "overrideSettings"}
    assert all("warning" in a and a["id"] == "q" for a in answers[:-1])
    assert "moveInfos" in answers[-1]


def test_actions_echo():
    version, models, cleared = serve(
        {"id": "v", "action": "query_version"}, {"id": "m", "action": "query_models"},
        {"id": "c", "action": "clear_cache"},
    )  # fmt: skip
    assert version["action"] == "query_version" and version["version"] and version["git_hash"]
    assert models["models"][0]["name"]
    assert cleared == {"id": "c", "action": "clear_cache"}


def test_terminate_while_waiting_and_while_searching():
    answers = serve(
        query(id="long", maxVisits=10**9, overrideSettings={"maxTime": 60}),
        query(id="other", analyzeTurns=[0, 1]),
        {"id": "t", "action": "terminate", "terminateId": "other", "turnNumbers": [1]},
        {"id": "u", "action": "terminate", "terminateId": "long"},
    )  # fmt: skip
    found = {(a["id"], a.get("turnNumber")): a for a in answers}
    assert found["other", 1] == {
        "id": "other", "isDuringSearch": False, "noResults": True, "turnNumber": 1,
    }  # fmt: skip
    assert found["long", 2]["noResults"] and "moveInfos" in found["other", 0]
    assert found["t", None] == {
        "id": "t", "action": "terminate", "terminateId": "other", "turnNumbers": [1],
    }  # fmt: skip
    (error,) = serve({"id": "x", "action": "terminate"})
    assert error["field"] == "terminateId"


def test_handicap_bonus():
    stones = [["B", "A1"], ["B", "E5"], ["B", "A5"]]
    for rules, bonus in (
        ("chinese", 3),
        ("French", 2),
        ("tromp-taylor", 0),
        ('{"whiteHandicapBonus":"N"}', 3),
    ):
        parsed = parse_query(query(moves=[], initialStones=stones, rules=rules))
        assert parsed.positions[0].komi == 7 + bonus
    parsed = parse_query(query(moves=[], initialStones=stones, whiteHandicapBonus="N"))
    assert parsed.positions[0].komi == 10
    parsed = parse_query(query(moves=[], initialStones=[*stones, ["W", "C3"]], rules="chinese"))
    assert parsed.positions[0].komi == 7


def test_initial_player_and_ended_games():
    parsed = parse_query(query(moves=[], initialPlayer="W"))
    assert parsed.positions[0].to_play == WHITE
    stones = [["B", "A1"], ["B", "E5"]]
    assert parse_query(query(moves=[], initialStones=stones)).positions[0].to_play == WHITE
    for others in (stones[:1], [*stones, ["W", "C3"]]):
        assert parse_query(query(moves=[], initialStones=others)).positions[0].to_play == BLACK
    parsed = parse_query(query(moves=[["W", "(0,0)"], ["W", "pass"], ["B", "pass"]]))
    assert parsed.positions[0].board[0, 0] == WHITE and not parsed.positions[0].ended


def test_settings_may_be_text():
    parsed = parse_query(
        query(maxVisits=None, overrideSettings={"maxVisits": "3", "maxTime": ".5"})
    )
    assert (parsed.max_visits, parsed.max_time_s, parsed.warnings) == (3, 0.5, ())


def test_moves_that_only_ko_or_suicide_forbids_are_replayed_with_a_warning():
    suicide, superko = "A2 E5 B1 A1", "A3 D3 B4 C4 B2 C2 pass B3 C3 pass pass B3"
    for vertices, reason in ((suicide, "A1 is suicide"), (superko, "B3 is forbidden by")):
        moves = [["BW"[ply % 2], vertex] for ply, vertex in enumerate(vertices.split())]
        parsed = parse_query(query(moves=moves, rules="chinese-ogs"))
        ((field, text),) = parsed.warnings
        assert field == "moves" and text.startswith(f"Illegal move {len(moves) - 1}: {reason}")
        assert len(parsed.positions[0].moves) == len(moves)
    with pytest.raises(QueryError, match=r"^Illegal move 1: C3 is occupied$"):
        parse_query(query(moves=[["B", "C3"], ["W", "C3"]]))


def test_the_module_takes_the_options_of_an_analysis(monkeypatch):
    told = {}
    monkeypatch.setattr(command, "run_analysis", lambda spec, **options: told.update(options) or 0)
    words = "gtp --analysis --visits 30 --perspective SIDETOMOVE --seed 4"
    monkeypatch.setattr(sys, "argv", words.split())
    assert command.main() == 0
    assert told == {"visits": 30, "perspective": "SIDETOMOVE", "seed": 4}


def test_a_negative_seed_is_refused_at_the_start():
    with pytest.raises(HonteError, match="seed -1 must not be negative"):
        run_analysis("random", seed=-1)


def test_hashes():
    position = Position.initial(Rules(size=5)).play(0)
    mirrored = Position.initial(Rules(size=5)).play(24)
    assert position_hash(position, 0) != position_hash(mirrored, 0)
    hashes = [{position_hash(p, s) for s in range(8)} for p in (position, mirrored)]
    assert hashes[0] == hashes[1] and len(hashes[0]) == 4
    assert position_hash(position, 0) != position_hash(position.play(25), 0)
    assert all(len(h) == 32 for h in hashes[0])
