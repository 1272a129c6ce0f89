"""The player at the board: what it has searched survives what clients do with the game."""

from agents.base import Decision
from agents.gtp.game import Game
from agents.gtp.searcher import Seat
from agents.registry import make_agent
from go_env.position import Position
from go_env.rules import Rules

RULES = Rules(size=5, komi=0.5)


class Counting:
    """Plays the first legal action and counts how often it is asked."""

    name = "counting"

    def __init__(self):
        self.asked = 0

    def choose(self, positions):
        self.asked += len(positions)
        return [Decision(int(position.legal().argmax())) for position in positions]

    def close(self):
        pass


def searching() -> Seat:
    return Seat(lambda size, seed: make_agent("rollout?sims=10", size=size, seed=seed), 1)


def test_undo_and_replay_find_the_search_again():
    seat, start = searching(), Position.initial(RULES)
    searcher = seat.search(start)
    searcher.run(120)
    best = searcher.best().action
    after = start.play(best)
    known = seat.search(after).root_visits
    assert known > 0
    seat.search(after).run(30)
    assert seat.search(after.undo()).root_visits == 120
    # Sabaki takes back by clearing the board and playing the game again.
    assert seat.search(Position.initial(RULES)).root_visits == 120
    assert seat.search(Position.initial(RULES).play(best)).root_visits == known + 30


def test_other_rules_are_another_game():
    seat = searching()
    seat.search(Position.initial(RULES)).run(50)
    game = Game.start(RULES, 0.5).with_komi(7.5)
    assert seat.search(game.position).root_visits == 0


def test_a_player_without_a_tree_is_not_asked_twice_about_a_game_set_up_anew():
    agent = Counting()
    seat = Seat(lambda size, seed: agent, 1)
    seat.search(Position.initial(RULES).play(7)).best()
    asked = agent.asked
    seat.search(Position.initial(RULES).play(7)).best()
    assert agent.asked == asked
    seat.search(Position.initial(RULES).play(8)).best()
    assert agent.asked == asked + 1
