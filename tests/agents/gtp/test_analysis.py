"""Analysis as the clients parse it; each parser here is written after a client, not our code."""

import json
import re

import numpy as np
import pytest

from agents.gtp.analysis import parse_request
from agents.gtp.analysis_format import Layout, format_line, shown_moves, without_moves
from agents.gtp.protocol import GtpError
from agents.gtp.restriction import Ban, RestrictedEvaluator, root_allowed
from agents.mcts_agent import Analysis, MctsAgent, MoveInfo, SearchSession
from agents.registry import PLAY_SEARCH
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE
from go_env.position import Position
from go_env.rules import Rules
from gtp_talk import Talk, random_player
from mcts.evaluator import Evaluation, UniformEvaluator
from mcts.rollout import RolloutEvaluator


@pytest.fixture
def talk():
    return Talk(lambda size, seed: MctsAgent(RolloutEvaluator(seed), PLAY_SEARCH, 60, "mcts"))


def move(action, order, visits=10, value=0.2, pv=None):
    pv = pv or [action]
    pv_visits = [max(visits - 3 * i, 1) for i in range(len(pv))]
    return MoveInfo(action, visits, value, 0.25, 1.5, value - 0.1, pv, pv_visits, order)


ANALYSIS = Analysis(
    visits=21,
    value=0.1,
    score=2.0,
    moves=[move(40, 0, pv=[40, 81, 0]), move(81, 1, 8), move(0, 2, 3, -1.0)],
    ownership=np.linspace(-1, 1, 81, dtype=np.float32),
    policy=np.full(82, 1 / 82, np.float32),
)


def test_lz_lines_hold_integers_only():
    line = format_line(ANALYSIS, Layout(9, kata=False))
    assert line == (
        "info move E5 visits 10 winrate 6000 prior 2500 lcb 5500 order 0 pv E5 pass A9 "
        "info move pass visits 8 winrate 6000 prior 2500 lcb 5500 order 1 pv pass "
        "info move A9 visits 3 winrate 0 prior 2500 lcb 0 order 2 pv A9"
    )
    for word in line.split():  # Lizzie: Integer.parseInt of each value
        assert re.fullmatch(r"[0-9]+|[A-Za-z]+[0-9]*", word)


def parse_sabaki(line):
    """Read a line as Sabaki does: key value pairs, then `pv` and vertices up to the next info."""
    result = []
    for part in re.split(r"\s*info\s+", line)[1:]:
        match = re.search(r"(pass|[A-Za-z]\d+)(\s+(pass|[A-Za-z]\d+))*\s*$", part)
        words = part[: match.start()].split()
        fields = dict(zip(words[:-1:2], words[1::2], strict=True))
        assert words[-1] == "pv"
        result.append((fields, match.group(0).split()))
    return result


def test_kata_lines_hold_floats_and_both_names_of_the_score():
    parsed = parse_sabaki(format_line(ANALYSIS, Layout(9)))
    assert [fields["move"] for fields, _ in parsed] == ["E5", "pass", "A9"]
    fields, pv = parsed[0]
    assert pv == ["E5", "pass", "A9"]
    assert float(fields["winrate"]) == pytest.approx(0.6) and "." in fields["winrate"]
    assert float(fields["scoreMean"]) == float(fields["scoreLead"]) == 1.5
    assert float(fields["scoreStdev"]) > 0 and fields["visits"] == "10"
    assert not re.search(r"[0-9]e[-+]?[0-9]", " ".join(fields.values()))


def test_root_and_ownership_only_when_asked():
    plain = format_line(ANALYSIS, Layout(9), ANALYSIS.ownership)
    assert "rootInfo" not in plain and "ownership" not in plain
    asked = format_line(ANALYSIS, Layout(9, ownership=True, root_info=True), ANALYSIS.ownership)
    head, owner = asked.split(" ownership ")
    values = [float(word) for word in owner.split()]
    assert len(values) == 81 and values[0] == -1.0 and values[80] == 1.0
    assert " rootInfo visits 21 " in head and "\n" not in asked


def test_the_visits_of_a_continuation_follow_it_when_asked():
    words = "b pvVisits true pvEdgeVisits true maxmoves 1".split()
    layout = parse_request(words, 9, BLACK, kata=True).layout
    line = format_line(ANALYSIS, layout)
    assert line.endswith(" pv E5 pass A9 pvVisits 10 7 4 pvEdgeVisits 10 7 4")
    assert "Visits" not in format_line(ANALYSIS, Layout(9))


def test_number_of_moves():
    assert len(shown_moves(ANALYSIS, Layout(9, max_moves=2))) == 2
    more = shown_moves(ANALYSIS, Layout(9, min_moves=5))
    assert len({m.action for m in more}) == 5 and [m.order for m in more] == list(range(5))
    assert more[4].visits == 0


def test_without_moves_ranks_anew():
    allowed = np.ones(82, np.bool_)
    allowed[40] = False
    rest = without_moves(ANALYSIS, allowed)
    assert [(m.action, m.order) for m in rest.moves] == [(81, 0), (0, 1)] and rest.policy[40] == 0


# What the clients send; Sabaki, Lizzie, LizzieYZY, q5Go, CGOS.
@pytest.mark.parametrize(
    ("arguments", "color", "interval_s"),
    [
        ("B 50", BLACK, 0.5),
        ("w 100", WHITE, 1.0),
        ("10", BLACK, 0.1),
        ("", BLACK, None),
        ("black 100", BLACK, 1.0),
        ("W ownership true", WHITE, None),
        ("B 10 maxmoves 4 ownership true movesOwnership true", BLACK, 0.1),
        ("B interval 30 minmoves 5 rootInfo true pvVisits true", BLACK, 0.3),
        ("w 12.5 ownership true", WHITE, 0.125),
        ("interval .5", BLACK, 0.005),
        ("w 50 allow B D4,E5,pass 3 allow W F6 1", WHITE, 0.5),
    ],
)
def test_requests(arguments, color, interval_s):
    request = parse_request(arguments.split(), 9, BLACK, kata=True)
    assert (request.color, request.interval_s) == (color, interval_s)


@pytest.mark.parametrize(
    "arguments",
    ["b b", "10 20", "avoid b D4", "avoid b T19 3", "ownership", "ownership maybe", "x 1"],
)
def test_bad_requests(arguments):
    with pytest.raises(GtpError):
        parse_request(arguments.split(), 9, BLACK, kata=True)


def test_bans_take_the_prior_away_down_to_their_depth():
    root = Position.initial(Rules(size=3)).play(0)
    actions = np.zeros(10, np.bool_)
    actions[[4, 5]] = True
    bans = [Ban(WHITE, actions, 1)]
    evaluator = RestrictedEvaluator(UniformEvaluator(), bans, root.ply)
    deeper = root.play(1).play(2)
    policy = evaluator.evaluate(PositionBatch.of([root, deeper], 0)).policy
    assert policy[0].tolist() == [1, 1, 1, 1, 0, 0, 1, 1, 1, 1] and policy[1].all()
    assert not root_allowed(bans, WHITE, 10)[4] and root_allowed(bans, BLACK, 10).all()


def test_bans_on_everything_leave_the_policy():
    root = Position.initial(Rules(size=3))
    evaluator = RestrictedEvaluator(UniformEvaluator(), [Ban(BLACK, np.ones(10, bool), 9)], 0)
    assert evaluator.evaluate(PositionBatch.of([root], 0)).policy.all()


class OneGoodMove:
    """Black wins with a stone on point 1, and nowhere else; the root itself looks won."""

    history = 0

    def evaluate(self, batch):
        boards = [position["color"].reshape(-1) for position in batch.boards]
        won = [ply == 0 or board[1 + 5 + 5 + 2] == BLACK for ply, board in
               zip(batch.boards["ply"], boards, strict=True)]  # fmt: skip
        sign = np.where(batch.boards["to_play"] == BLACK, 0.9, -0.9)
        value = np.where(won, sign, -sign).astype(np.float32)
        return Evaluation(np.full((len(batch), 26), 1 / 26, np.float32), value)


@pytest.mark.parametrize("allowed", [1, 2, 8])
def test_moves_that_are_banned_are_not_searched_however_good_they_are(allowed):
    actions = np.ones(26, np.bool_)
    actions[7 : 7 + allowed] = False
    evaluator = RestrictedEvaluator(OneGoodMove(), [Ban(BLACK, actions, 1)], 0)
    session = SearchSession(evaluator, PLAY_SEARCH)
    session.set_position(Position.initial(Rules(size=5, komi=0.5)))
    session.run(200)
    moves = session.analysis().moves
    assert not [move for move in moves if actions[move.action] and move.visits]


class TestStreams:
    def test_analysis_stops_at_once_when_input_is_there(self, talk):
        answer = talk.raw(b"1 lz-analyze b 10\n2 protocol_version\n")
        assert answer.startswith("=1\n") and answer.endswith("\n\n=2 2\n\n")

    def test_analysis_leaves_the_game_alone(self, talk):
        before = talk.position
        talk.raw(b"kata-analyze w 1\n")
        assert talk.position is before

    @pytest.mark.parametrize("command", ["lz-genmove_analyze b 100000", "kata-genmove_analyze B"])
    def test_genmove_reports_at_least_once_and_then_plays(self, talk, command):
        lines = talk.result(command).strip().splitlines()
        assert lines[0].startswith("info move ") and lines[-1].startswith("play ")
        vertex = lines[-1].split()[1]
        assert talk.result("last_move") == f"black {vertex}"
        best = parse_sabaki(lines[-2])[0][0]["move"]
        assert best == vertex

    def test_cgos_line_is_one_json_object(self, talk):
        talk.result("play b D4")
        first, last = talk.result("cgos-genmove_analyze w").strip().splitlines()
        report = json.loads(first)
        assert report["visits"] == 60 and 0 <= report["winrate"] <= 1
        assert len(report["ownership"]) == 81
        assert {"move", "winrate", "score", "prior", "pv", "visits"} <= set(report["moves"][0])
        assert last.split()[0] == "play" and report["moves"][0]["move"] == last.split()[1]

    @pytest.mark.parametrize("dialect", ["lz", "kata", "cgos"])
    @pytest.mark.parametrize("searching", [True, False])
    def test_genmove_obeys_bans(self, talk, dialect, searching):
        talk = talk if searching else Talk(random_player)
        answer = talk.result(f"{dialect}-genmove_analyze b 10 allow b A1,J9 1")
        assert answer.split()[-1] in ("A1", "J9")
        best = talk.result(f"{dialect}-genmove_analyze w").split()[-1]
        talk.result("undo")
        answer = talk.result(f"{dialect}-genmove_analyze w avoid w {best} 1")
        assert answer.split()[-1] != best and f"move {best} " not in answer

    def test_players_without_search_can_be_asked_too(self):
        talk = Talk(random_player)
        lines = talk.result("kata-genmove_analyze w ownership true").strip().splitlines()
        assert lines[0].startswith("info move ") and " ownership " in lines[0]
        assert talk.raw(b"1 kata-analyze b 10\n") == "=1\n\n"

    def test_no_win_rate_leaves_its_range(self, talk):
        talk.result("komi -500")
        for line in talk.result("kata-genmove_analyze b 1").strip().splitlines()[:-1]:
            for fields, _ in parse_sabaki(line):
                assert 0 <= float(fields["winrate"]) <= 1 and 0 <= float(fields["lcb"]) <= 1
