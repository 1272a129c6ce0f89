"""Passing and resigning, on boards where the right answer can be counted."""

import pytest

from agents.base import Decision
from agents.gtp.conduct import Resignation, choose_action, filled_by_owner, is_settled
from agents.gtp.options import GtpOptions
from go_env.coords import BLACK, action_from_vertex, pass_action
from go_env.diagram import parse_board, parse_position
from go_env.position import Position
from go_env.rules import Rules
from gtp_talk import WITH_DEAD_STONE, policy_of

# Black has two eyes left, White two right; C column is the border. 5x5: Black 15, White 10.
SETTLED = """
    . X X O .
    X X X O O
    . X X O .
    X X X O O
    . X X O .
"""


def position(diagram, komi, to_play=BLACK, passed=False):
    size = len(parse_board(diagram))
    first = 3 - to_play if passed else to_play
    result = parse_position(diagram, Rules(size=size, komi=komi), first)
    return result.play(pass_action(size)) if passed else result


def decide(at, vertex, value=0.0, others=()):
    actions = [action_from_vertex(v, at.size) for v in (vertex, *others)]
    return Decision(actions[0], value, policy_of(at, *actions))


def test_settled_board():
    at = position(SETTLED, komi=4.5)
    assert at.score() == 15 - 10 - 4.5
    assert is_settled(at)
    assert not is_settled(Position.initial(Rules(size=5)))


def test_a_pass_that_holds_a_draw_is_played():
    even = position(WITH_DEAD_STONE, komi=0).score()
    for komi, expected in ((even, 36), (even + 1, action_from_vertex("A5", 6))):
        at = position(WITH_DEAD_STONE, komi=komi, passed=True)
        found = decide(at, "pass", value=0.0, others=("A5",))
        assert choose_action(at, found, wins_by_passing=False) == expected


def test_passes_when_the_opponent_passed_and_it_wins():
    at = position(SETTLED, komi=4.5, passed=True)
    assert choose_action(at, decide(at, "A5"), wins_by_passing=True) == 25


def test_passes_when_everything_is_settled_and_it_wins():
    at = position(SETTLED, komi=4.5)
    assert choose_action(at, decide(at, "A5"), wins_by_passing=True) == 25


def test_plays_on_while_points_are_open():
    at = Position.initial(Rules(size=5, komi=0)).play(12)  # Black wins by passing, but why stop
    at = at.play(pass_action(5)).play(11)
    assert choose_action(at, decide(at, "A1"), wins_by_passing=True) == action_from_vertex("A1", 5)


def test_does_not_pass_into_a_loss_while_dead_stones_can_be_taken():
    # Black 20, White 12 + the dead stone's 1 (and the empty corner touches both): -9 komi loses
    at = position(WITH_DEAD_STONE, komi=8.5, passed=True)
    assert at.outcome(BLACK) < 0
    action = choose_action(at, decide(at, "pass", 0.9, ["A6", "B6"]), wins_by_passing=False)
    assert action == action_from_vertex("B6", 6)  # A6 is his own point and takes nothing


def test_passes_when_nothing_sensible_is_left():
    at = position(SETTLED, komi=9.5, passed=True)  # lost, and each move would fill an own eye
    action = choose_action(at, decide(at, "pass", -0.5, ["A5", "A3"]), wins_by_passing=False)
    assert action == 25


def test_passes_when_all_is_lost_anyway():
    at = position(WITH_DEAD_STONE, komi=99.5)
    action = choose_action(at, decide(at, "pass", -1.0, ["A6"]), wins_by_passing=False)
    assert action == 36


def test_an_illegal_choice_is_replaced():
    at = position(WITH_DEAD_STONE, komi=0)
    action = choose_action(at, decide(at, "B5", 0.5, ["A5"]), wins_by_passing=False)
    assert action == action_from_vertex("A5", 6)


def test_suicide_is_not_played_even_where_it_is_legal():
    at = parse_position(". O . . .\nX O . . .\nO O . . .\n. . . . .\n. . . . .", Rules(size=5))
    assert at.is_legal(action_from_vertex("A5", 5))  # it takes A4 along
    action = choose_action(at, decide(at, "A5", 0.5, ["D2"]), wins_by_passing=False)
    assert action == action_from_vertex("D2", 5)


def test_players_that_tell_nothing_get_any_sensible_move():
    at = position(WITH_DEAD_STONE, komi=0)
    action = choose_action(at, Decision(action_from_vertex("B5", 6)), wins_by_passing=False)
    assert action == action_from_vertex("B6", 6)


def test_own_territory_beside_dead_stones_may_be_played():
    at = position(WITH_DEAD_STONE, komi=0)
    filled = filled_by_owner(at)
    assert filled[action_from_vertex("A3", 6)] and filled[action_from_vertex("A1", 6)]
    assert not filled[action_from_vertex("A5", 6)] and not filled[36]


class TestResignation:
    def ask(self, resignation, ply, value, size=5, agent=False):
        at = Position.initial(Rules(size=size))
        for _ in range(ply):
            at = at.play(pass_action(size))
        return resignation.should_resign(at, value, agent)

    def test_after_three_hopeless_turns(self):
        resignation = Resignation(GtpOptions())
        answers = [self.ask(resignation, ply, -0.97) for ply in (10, 12, 14, 16)]
        assert answers == [False, False, True, True]

    def test_another_game_begins_without_it(self):
        resignation = Resignation(GtpOptions())
        assert [self.ask(resignation, ply, -0.97) for ply in (10, 12)] == [False, False]
        resignation.forget()
        assert not self.ask(resignation, 14, -0.97)

    def test_hope_breaks_the_run(self):
        resignation = Resignation(GtpOptions())
        values = [-0.97, -0.97, -0.9, -0.97, -0.97, -0.97]
        answers = [self.ask(resignation, 10 + 2 * i, value) for i, value in enumerate(values)]
        assert answers == [False] * 5 + [True]

    def test_players_are_counted_apart_and_gaps_break_the_run(self):
        resignation = Resignation(GtpOptions())
        assert not any(self.ask(resignation, ply, -1.0) for ply in (10, 11, 12, 13, 16, 18))

    def test_not_early(self):
        resignation = Resignation(GtpOptions())
        assert not any(self.ask(resignation, ply, -1.0) for ply in range(0, 10, 2))

    @pytest.mark.parametrize(("never", "expected"), [(False, True), (True, False)])
    def test_agents_may_resign_unless_told_never_to(self, never, expected):
        resignation = Resignation(GtpOptions(never_resign=never))
        assert self.ask(resignation, 0, None, agent=True) is expected

    def test_players_without_values_do_not_resign(self):
        resignation = Resignation(GtpOptions())
        assert not any(self.ask(resignation, ply, None) for ply in range(20, 60, 2))
