"""Commands that set up a game: board, komi, handicap, rules, files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from agents.gtp.arguments import integer_argument, number_argument, parse_vertex, text_argument
from agents.gtp.game import Game, fixed_handicap_points, format_points, free_handicap_points
from agents.gtp.protocol import SYNTAX_ERROR, Call, GtpError, Handler
from agents.gtp.rules_text import friendly_pass_of, parse_rules, rules_to_json
from agents.gtp.state import State
from go_env.coords import pass_action, vertex_from_action
from go_env.errors import HonteError, IllegalMove
from go_env.rules import MAX_SIZE, MIN_SIZE
from go_env.sgf import SgfGame, format_sgf, read_sgf, write_sgf

_MAX_SGF_BYTES = 64 << 20


class SetupCommands:
    def __init__(self, state: State) -> None:
        self._state = state

    def handlers(self) -> dict[str, Handler]:
        return {
            "boardsize": self._boardsize,
            "query_boardsize": lambda _: str(self._state.game.size),
            "clear_board": self._clear_board,
            "komi": self._komi,
            "get_komi": lambda _: format_points(self._state.game.komi),
            "fixed_handicap": self._fixed_handicap,
            "place_free_handicap": self._place_free_handicap,
            "set_free_handicap": self._set_free_handicap,
            "kata-get-rules": self._get_rules,
            "kata-set-rules": self._set_rules,
            "kgs-rules": self._kgs_rules,
            "loadsgf": self._loadsgf,
            "printsgf": self._printsgf,
            "set_random_seed": self._set_random_seed,
            "clear_cache": self._clear_cache,
        }

    def _begin(self, game: Game) -> None:
        """Put a game on the board: nothing can fail any more."""
        self._state.game = game
        self._state.clock.reset()
        self._state.resignation.forget()

    def _boardsize(self, call: Call) -> str:
        sizes = {integer_argument(call, i) for i in range(max(1, len(call.arguments[:2])))}
        size = sizes.pop()
        if sizes or not MIN_SIZE <= size <= MAX_SIZE:
            raise GtpError("unacceptable size")
        game = self._state.game.restart(size)
        try:
            self._state.seat.take(size)
        except HonteError as error:
            raise GtpError(f"unacceptable size: {error}") from None
        self._begin(game)
        return ""

    def _clear_board(self, call: Call) -> str:
        self._begin(self._state.game.restart())
        return ""

    def _komi(self, call: Call) -> str:
        self._state.game = self._state.game.with_komi(number_argument(call, 0))
        return ""

    def _fixed_handicap(self, call: Call) -> str:
        count, size = integer_argument(call, 0), self._state.game.size
        points = fixed_handicap_points(count, size)
        if points is None:
            raise GtpError("invalid number of stones")
        return self._place(points)

    def _place_free_handicap(self, call: Call) -> str:
        count, size = integer_argument(call, 0), self._state.game.size
        if not 2 <= count < size * size:
            raise GtpError("invalid number of stones")
        return self._place(free_handicap_points(count, size))

    def _set_free_handicap(self, call: Call) -> str:
        size = self._state.game.size
        try:
            points = [parse_vertex(text, size) for text in call.arguments]
        except GtpError:
            raise GtpError("bad vertex list") from None
        fits = 2 <= len(points) < size * size and len(set(points)) == len(points)
        if not fits or pass_action(size) in points:
            raise GtpError("bad vertex list")
        self._place(points)
        return ""

    def _place(self, points: list[int]) -> str:
        self._state.game = self._state.game.place_handicap(points)
        return " ".join(vertex_from_action(point, self._state.game.size) for point in points)

    def _get_rules(self, call: Call) -> str:
        game, friendly = self._state.game, self._state.options.friendly_pass
        return rules_to_json(game.rules, game.bonus, friendly)

    def _set_rules(self, call: Call) -> str:
        return self._adopt_rules(call.rest)

    def _kgs_rules(self, call: Call) -> str:
        name = text_argument(call, 0).lower()
        return self._adopt_rules("chinese-kgs" if name == "chinese" else name)

    def _adopt_rules(self, text: str) -> str:
        if not text:
            raise GtpError(SYNTAX_ERROR)
        now = self._state.game
        rules, bonus, lost = parse_rules(text, now.rules, now.bonus)
        if lost:
            raise GtpError(f"unsupported rules: {lost}")
        friendly = friendly_pass_of(text)
        self._state.game = now.with_rules(rules, bonus)
        if friendly is not None:
            self._state.options = replace(self._state.options, friendly_pass=friendly)
        return ""

    def _loadsgf(self, call: Call) -> str:
        path = Path(text_argument(call, 0))
        number = integer_argument(call, 1) if len(call.arguments) > 1 else None
        try:
            if not path.is_file() or path.stat().st_size > _MAX_SGF_BYTES:
                raise HonteError("not a readable file")
            most = None if number is None else max(0, number - 1)
            game = self._replayed(read_sgf(path, most))
            self._state.seat.take(game.size)
        except (HonteError, OSError, ValueError, RecursionError) as error:
            raise GtpError(f"cannot load file: {error}"[:200]) from None
        self._begin(game)
        return ""

    def _replayed(self, sgf: SgfGame) -> Game:
        now = self._state.game
        game = Game.start(replace(now.own_rules, size=sgf.size), sgf.komi, now.bonus)
        sgf = replace(sgf, komi=game.position.komi)
        try:
            position = sgf.to_position(game.rules)
        except IllegalMove:  # it was played under other rules than ours
            game = replace(game, later_rules=game.rules)
            position = sgf.to_position()
        return game.of(position, sgf.handicap)

    def _printsgf(self, call: Call) -> str:
        game = self._state.game
        result = self._state.final_score() if game.position.ended else ""
        sgf = SgfGame.from_position(game.position, result=result)
        sgf = replace(sgf, komi=game.komi, handicap=game.handicap)
        if not call.arguments:
            return "\n" + format_sgf(sgf)
        try:
            write_sgf(os.fspath(call.arguments[0]), sgf)
        except (OSError, ValueError) as error:
            raise GtpError(f"cannot save file: {error}"[:200]) from None
        return ""

    def _set_random_seed(self, call: Call) -> str:
        seed = integer_argument(call, 0)
        self._state.seat.reseed(abs(seed))
        self._state.load_before_clock()
        return ""

    def _clear_cache(self, call: Call) -> str:
        self._state.seat.forget()
        self._state.load_before_clock()
        return ""
