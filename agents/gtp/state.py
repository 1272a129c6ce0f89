"""What a session remembers between commands."""

from __future__ import annotations

from agents.gtp.clock import Clock
from agents.gtp.conduct import Resignation
from agents.gtp.game import Game
from agents.gtp.options import GtpOptions
from agents.gtp.searcher import PlayerFactory, Seat
from agents.gtp.thinking import Thinker
from go_env.position import Position
from go_env.rules import Rules
from mcts.evaluator import Evaluator


class State:
    """Game, clock and player. Commands replace `game` only once nothing can fail any more."""

    def __init__(self, make_player: PlayerFactory, options: GtpOptions) -> None:
        self.options = options
        self.game = Game.start(Rules.preset(options.rules, size=options.size), options.komi)
        self.clock = Clock()
        self.seat = Seat(make_player, options.seed)
        self.thinker = Thinker()
        self.resignation = Resignation(options)
        self.thinking_s = 0.0  # spent on moves so far
        self.ponder_on: Position | None = None  # the position to go on searching when idle

    @property
    def position(self) -> Position:
        return self.game.position

    @property
    def evaluator(self) -> Evaluator | None:
        """What the player judges positions with, if it is one that searches."""
        self.seat.take(self.game.size)
        return self.seat.evaluator

    def idle(self) -> bool:
        """Do one slice of work while the client is silent; tell whether more is left."""
        if self.ponder_on is None or self.ponder_on is not self.position:
            return False
        searcher = self.seat.search(self.position)
        if searcher.root_visits >= self.options.analysis_visits:
            return False
        self.thinker.run(searcher, self.thinker.slice_count(searcher))
        return True
