"""What a session remembers between commands."""

from __future__ import annotations

import contextlib

from agents.gtp.clock import Clock
from agents.gtp.conduct import Resignation
from agents.gtp.game import Game, format_points
from agents.gtp.judge import judged_score
from agents.gtp.options import GtpOptions
from agents.gtp.rules_text import bonus_of
from agents.gtp.searcher import PlayerFactory, Seat
from agents.gtp.thinking import Thinker
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from mcts.evaluator import Evaluator

_DRAWN_BELOW = 0.005  # points


class State:
    """Game, clock and player. Commands replace `game` only once nothing can fail any more."""

    def __init__(self, make_player: PlayerFactory, options: GtpOptions) -> None:
        self.options = options
        rules = Rules.preset(options.rules, size=options.size)
        self.game = Game.start(rules, options.komi, bonus_of(options.rules))
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

    def load_before_clock(self) -> None:
        """Have the player ready if a clock is set, so that loading it is on nobody's time."""
        if self.clock.running:
            with contextlib.suppress(HonteError):  # a move will tell, and to more purpose
                self.seat.take(self.game.size)

    def final_score(self) -> str:
        """Return the result as GTP and SGF write it, dead stones taken off."""
        score = self.game.exact_score(judged_score(self.position, self.evaluator))
        if abs(score) < _DRAWN_BELOW:
            return "0"
        return f"{'B' if score > 0 else 'W'}+{format_points(abs(score))}"

    def idle(self) -> bool:
        """Do one slice of work while the client is silent; tell whether more is left."""
        if not self.options.ponder or self.ponder_on is not self.position:
            return False
        searcher = self.seat.search(self.position)
        if searcher.root_visits >= self.options.analysis_visits:
            return False
        self.thinker.run(searcher, self.thinker.slice_count(searcher))
        return True
