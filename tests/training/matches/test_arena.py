"""The arena: lockstep batches, swapped colors, and every way in which a game can end."""

import itertools
import time

import pytest

from agents.base import Decision
from agents.gtp.clock import Remaining, TimeSystem
from go_env.coords import BLACK, WHITE
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from scripted_agent import RandomMover, Scripted
from training.matches.arena import Arena, ArenaSettings, Fixture, meet_anchor
from training.matches.clock import MatchClock, parse_clock
from training.matches.openings import Opening, sample_openings
from training.rating.sprt import Sprt, SprtBounds

RULES = Rules(size=5, komi=0.5)
EMPTY = Opening("empty board")
PASS = Scripted("passer", lambda position: Decision(action=25))


def arena(first, second, **settings) -> Arena:
    return Arena((first, second), RULES, ArenaSettings(**settings))


def play_one(first, second, leg=0, opening=EMPTY, rules=RULES, **settings):
    game = Fixture(0, leg, opening)
    (result,) = Arena((first, second), rules, ArenaSettings(**settings)).games([game])
    return result


def test_each_opening_is_played_with_both_colors_and_replays_to_its_score():
    openings = sample_openings(RULES, 2, 6, seed=0)
    pairs = list(arena(RandomMover("a", 1), RandomMover("b", 2)).pairs(openings))
    assert len(pairs) == 6
    for number, pair in enumerate(pairs):
        first, second = pair.games
        assert (first.black, first.white) == ("a", "b")
        assert (second.black, second.white) == ("b", "a")
        for game in pair.games:
            assert game.fixture.pair == number
            assert game.moves[:2] == openings[number].moves
            assert len(game.values) == len(game.moves)
            assert game.values[:2] == (None, None)
            final = Position.from_moves(RULES, game.moves)
            assert final.ended
            assert game.reason == "score"
            assert game.score == final.score()
            assert game.winner == final.winner()
        expected = (first.winner == BLACK) + (second.winner == WHITE)
        assert pair.score == expected


def test_all_games_are_batched_and_do_not_depend_on_each_other():
    openings = sample_openings(RULES, 2, 8, seed=3)
    first, second = RandomMover("a", 1), RandomMover("b", 2)
    together = list(arena(first, second, parallel=16).pairs(openings))
    # 16 games: each agent moves in 8 of them at every ply, in one call
    assert first.calls[:10] == [8] * 10
    alone = list(arena(RandomMover("a", 1), RandomMover("b", 2), parallel=1).pairs(openings))
    for pair, other in zip(together, alone, strict=True):
        assert [g.moves for g in pair.games] == [g.moves for g in other.games]


def test_pairs_come_in_order_and_openings_are_taken_as_needed():
    """A long first game must not let later, shorter ones overtake it."""
    taken = []

    def openings():
        for number in range(50):
            taken.append(number)
            yield Opening(str(number), (number % 25,))

    def decide(position):
        long = position.moves[0][1] == 0
        plies = 21 if long else 3
        if position.ply >= plies:
            return Decision(action=25)
        return Decision(action=int(position.legal()[:-1].argmax()))

    pairs = arena(Scripted("a", decide), Scripted("b", decide), parallel=4).pairs(openings())
    first_two = list(itertools.islice(pairs, 2))
    assert [pair.games[0].fixture.pair for pair in first_two] == [0, 1]
    assert len(taken) < 20
    pairs.close()


def test_a_sequential_test_stops_the_match():
    winner = Scripted("w", lambda p: Decision(action=int(p.legal()[:-1].argmax())))
    loser = Scripted("l", lambda p: Decision(action=25, resign=True))
    test = Sprt(SprtBounds(0.0, 100.0))
    for pair in arena(winner, loser).pairs([EMPTY] * 1000):
        test = test.add(pair.score)
        if test.verdict != "continue":
            break
    assert test.verdict == "accept"
    assert test.trials < 60


def test_draws_count_half():
    rules = Rules(size=5, komi=0.0)
    game = play_one(PASS, PASS, rules=rules)
    assert (game.winner, game.score, game.result) == (0, 0.0, "0")
    assert game.first_score == 0.5
    assert game.black_score == 0.5


@pytest.mark.parametrize("leg", [0, 1])
def test_resignation_illegal_move_and_forfeit_lose(leg):
    ways = {
        "resignation": Decision(action=25, resign=True),
        "illegal move": Decision(action=12),
        "forfeit": Decision(action=25, resign=True, info={"forfeit": "engine crashed"}),
    }
    for reason, decision in ways.items():
        bad = Scripted("bad", lambda p, d=decision: d)
        game = play_one(bad, PASS, leg, Opening("center", (12,)))
        assert game.reason == reason
        assert game.winner == (BLACK if leg else WHITE)
        assert game.first_score == 0.0
        assert game.score is None
        assert game.result == ("B+" if leg else "W+") + {"resignation": "R"}.get(reason, "F")
    assert (
        "occupied"
        in play_one(Scripted("b", lambda p: Decision(12)), PASS, 1, Opening("", (12,))).note
    )


def test_the_move_limit_is_scored_and_named():
    rules = Rules(size=5, komi=0.5, move_limit=7)
    game = play_one(RandomMover("a"), RandomMover("b", 3), rules=rules)
    assert game.reason == "move limit"
    assert len(game.moves) == 7
    assert game.score is not None


def test_running_out_of_time_loses():
    def slow(position):
        time.sleep(0.06)
        return Decision(action=int(position.legal()[:-1].argmax()))

    clock = TimeSystem("absolute", 0.15)
    game = play_one(Scripted("slow", slow), PASS, parallel=1, clock=clock)
    assert (game.reason, game.winner, game.result) == ("time", WHITE, "W+T")
    assert 0.15 < game.seconds[0] < 1.0
    assert "took" in game.note
    forgiven = play_one(
        Scripted("slow", slow), RandomMover("b", plies=6), parallel=1, clock=clock, grace_s=1.0
    )
    assert forgiven.reason != "time"


def test_agents_that_ask_for_it_see_the_clock():
    seen = []

    class Timed(RandomMover):
        def set_clock(self, system, left):
            seen.append((system.kind, dict(left)))

    clock = TimeSystem("canadian", 0.0, 30.0, 1)
    play_one(Timed("t"), PASS, parallel=1, clock=clock)
    assert seen[0][0] == "canadian"
    assert seen[-1][1][BLACK].period_s == 30.0
    with pytest.raises(HonteError, match="parallel=1"):
        ArenaSettings(parallel=2, clock=clock)


def test_match_clock_runs_down():
    canadian = MatchClock(parse_clock("10+5/2"))
    assert canadian.spend(BLACK, 9.0)
    assert canadian.left[BLACK].main_s == pytest.approx(1.0)
    assert canadian.spend(BLACK, 3.0)  # 2 s of the first period, one move left in it
    assert canadian.left[BLACK].stones == 1
    assert canadian.spend(BLACK, 2.0)
    assert canadian.left[BLACK] == Remaining(0.0, 5.0, 2)
    assert not canadian.spend(BLACK, 5.1)
    assert canadian.left[WHITE].main_s == 10.0
    byoyomi = MatchClock(parse_clock("0+3x10"))
    assert byoyomi.spend(WHITE, 9.9)
    assert byoyomi.left[WHITE].stones == 3
    assert byoyomi.spend(WHITE, 21.0)
    assert byoyomi.left[WHITE].stones == 1
    assert not byoyomi.spend(WHITE, 10.5)


@pytest.mark.parametrize("text", ["", "x", "10+", "10+5", "-1", "10+0/5", "10+3x0", "10+5/x"])
def test_unreadable_clocks_are_refused(text):
    with pytest.raises(HonteError, match="is not understood"):
        parse_clock(text)


def test_an_agent_that_miscounts_is_a_bug_and_says_so():
    class Short(RandomMover):
        def choose(self, positions):
            return super().choose(positions)[:-1]

    with pytest.raises(RuntimeError, match="decisions for"):
        list(arena(Short("s"), PASS).pairs([EMPTY] * 3))


@pytest.mark.parametrize(("spec", "suicide", "at_once"), [("gtp:x", False, 1), ("random", True, 2)])
def test_engines_play_one_game_at_a_time_and_no_suicide(spec, suicide, at_once):
    seen = []

    def choose(position):
        seen.append(position)
        return Decision(action=25)

    mover = RandomMover("mover", 1)
    rules = Rules(size=5, komi=0.5, suicide=True)
    games, problems = meet_anchor(mover, Scripted("anchor", choose), spec, rules, [EMPTY] * 2)
    assert len(games) == 4
    assert not problems
    assert {position.rules.suicide for position in seen} == {suicide}
    assert max(mover.calls) == at_once
