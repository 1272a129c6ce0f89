"""Games as SGF files: the main line, in and out.

`SgfGame` holds plain values; `to_position` replays it, `from_position` collects it. Passes are
understood in both spellings, text in any encoding; a broken file is one clear HonteError.

Source: SGF FF[4], https://www.red-bean.com/sgf/.
"""

from __future__ import annotations

import codecs
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sgfmill import sgf as sgfmill_sgf

from go_env.coords import (
    BLACK,
    EMPTY,
    WHITE,
    action_from_sgf,
    color_from_letter,
    letter_from_color,
    pass_action,
    row_col_from_action,
    vertex_from_action,
)
from go_env.errors import HonteError, IllegalMove
from go_env.position import Position
from go_env.rules import NEAREST, PRESETS, Ko, Rules, preset_name, usable_komi

#: Words that programs write into RU beside the names of rule sets.
_SHORT = {"cn": "chinese", "jp": "japanese"}
#: What we write into RU, by (ko, suicide).
_NAMES: dict[tuple[Ko, bool], str] = {
    **{PRESETS[name]: name for name in ("tromp-taylor", "chinese", "cgos")},
    ("situational", False): "AGA",
    ("situational", True): "NZ",
}
#: Encodings by the name of a wider one, which is what files that name them are written in.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "big5": "big5hkscs"}
_CHARSET = re.compile(rb"(?<![A-Za-z])CA\s*\[\s*([\w.:-]+)\s*\]")
_SIZE = re.compile(rb"(?<![A-Za-z])SZ\s*\[\s*(?:(\d+)\s*:\s*(\d+)\s*)?\]")
#: How some programs write PL.
_COLORS = {"1": "b", "2": "w"}
#: For files that do not say: whatever was played is accepted.
_PERMISSIVE: tuple[Ko, bool] = ("simple", True)


@dataclass(frozen=True)
class SgfGame:
    """One game record: setup stones, then moves (color, action), and what is told about them."""

    size: int
    komi: float = 0.0
    moves: tuple[tuple[int, int], ...] = ()
    black_stones: tuple[int, ...] = ()  # setup and handicap stones, as actions
    white_stones: tuple[int, ...] = ()
    to_play: int = BLACK  # who moves first
    handicap: int = 0
    rules: str = ""  # RU as written
    result: str = ""  # RE as written: "B+3.5", "W+R", "0" is a draw
    black: str = ""
    white: str = ""
    date: str = ""
    event: str = ""
    comments: Mapping[int, str] = field(default_factory=dict)  # by number of moves before; 0: root

    @property
    def winner(self) -> int | None:
        """Return BLACK, WHITE, 0 for a draw, or None when the result is not known."""
        text = self.result.strip().upper()
        if text in ("0", "DRAW", "JIGO"):
            return 0
        return {"B+": BLACK, "W+": WHITE}.get(text[:2])

    def to_rules(self) -> Rules:
        """Return the nearest rules to those the file names; what it does not name is permitted.

        Scoring is by area whatever it says, and the komi one that decides games as its own does.
        """
        name = preset_name(self.rules)
        name = _SHORT.get(name, name)
        ko, suicide = PRESETS.get(NEAREST.get(name, name), _PERMISSIVE)
        return Rules(size=self.size, komi=usable_komi(self.komi), ko=ko, suicide=suicide)

    def to_position(self, rules: Rules | None = None) -> Position:
        """Replay the game; an illegal move is an error that names it."""
        rules = rules or self.to_rules()
        if rules.size != self.size:
            raise HonteError(f"the game is {self.size}x{self.size}, not {rules.size}x{rules.size}")
        position = Position.initial(rules)
        if self.black_stones or self.white_stones or self.to_play != BLACK:
            position = Position.setup(
                rules, black=self.black_stones, white=self.white_stones, to_play=self.to_play
            )
        for number, (color, action) in enumerate(self.moves, 1):
            try:
                position = position.play(action, color)
            except IllegalMove as error:
                vertex = vertex_from_action(action, self.size)
                raise IllegalMove(f"move {number} ({vertex}) is illegal: {error}") from None
        return position

    @staticmethod
    def from_position(
        position: Position,
        *,
        black: str = "",
        white: str = "",
        result: str | None = None,
        rules: str | None = None,
        comments: Mapping[int, str] | None = None,
    ) -> SgfGame:
        """Collect a game; the rules' name and the result of an ended position are filled in."""
        root = position.root()
        stones = root.board.ravel()
        if result is None:
            result = result_text(position.score()) if position.ended else ""
        if rules is None:
            rules = _NAMES.get((position.rules.ko, position.rules.suicide), "")
        return SgfGame(
            size=position.size,
            komi=position.komi,
            moves=tuple(position.moves),
            black_stones=tuple(np.flatnonzero(stones == BLACK).tolist()),
            white_stones=tuple(np.flatnonzero(stones == WHITE).tolist()),
            to_play=root.to_play,
            rules=rules,
            result=result,
            black=black,
            white=white,
            comments=dict(comments or {}),
        )


def result_text(score: float) -> str:
    """Return RE for an area score (Black minus White minus komi)."""
    if score == 0:
        return "0"
    return f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def read_sgf(path: str | os.PathLike[str], most_moves: int | None = None) -> SgfGame:
    """Read the main line of the first game in a file, see `parse_sgf`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HonteError(f"cannot read {path}: {error.strerror}") from None
    try:
        return parse_sgf(data, most_moves)
    except HonteError as error:
        raise HonteError(f"{path}: {error}") from None


def parse_sgf(data: bytes | str, most_moves: int | None = None) -> SgfGame:
    """Read the main line of the first game in this text; what follows so many moves is left out."""
    raw = data if isinstance(data, bytes) else data.encode(errors="replace")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"(" not in raw:
        raise HonteError("not an SGF file: it holds no game tree")
    try:
        text = raw if isinstance(data, str) else _text_of(raw).encode()
        text = _SIZE.sub(_plain_size, text, count=1)
        sgf = sgfmill_sgf.Sgf_game.from_bytes(text, override_encoding="UTF-8")
        return _from_sgfmill(sgf, most_moves)
    except HonteError:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise HonteError(f"not a readable SGF file: {reason}") from None


def format_sgf(game: SgfGame) -> str:
    """Return the game as SGF text (FF[4], UTF-8)."""
    sgf = sgfmill_sgf.Sgf_game(size=game.size)
    root = sgf.get_root()
    root.set("KM", game.komi)
    texts = {"PB": game.black, "PW": game.white, "RE": game.result, "RU": game.rules}
    texts |= {"DT": game.date, "EV": game.event}
    for name, text in texts.items():
        if text:
            root.set(name, text)
    if game.handicap >= 2:
        root.set("HA", game.handicap)
    if game.black_stones or game.white_stones:
        root.set_setup_stones(
            *(
                [_point(action, game.size) for action in stones]
                for stones in (game.black_stones, game.white_stones)
            )
        )
    if game.to_play != BLACK or game.white_stones or game.black_stones:
        root.set("PL", letter_from_color(game.to_play))
    node = root
    for number in range(len(game.moves) + 1):
        if number:
            color, action = game.moves[number - 1]
            node = sgf.extend_main_sequence()
            node.set_move(letter_from_color(color), _point(action, game.size))
        if game.comments.get(number):
            node.set("C", game.comments[number])
    return str(sgf.serialise().decode())


def write_sgf(path: str | os.PathLike[str], game: SgfGame) -> None:
    """Write one game; the file appears whole or not at all."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(format_sgf(game))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _point(action: int, size: int) -> tuple[int, int] | None:
    """Return sgfmill's point: (row from the bottom, column), None for a pass."""
    if action == pass_action(size):
        return None
    row, column = row_col_from_action(action, size)
    return size - 1 - row, column


def _text_of(raw: bytes) -> str:
    """Decode a file as a whole: by what CA says, else as UTF-8 or Latin-1, whichever it is.

    In Chinese and Japanese encodings half a character may look like the bracket that ends a
    property, so nothing can be told apart before.
    """
    declared = _CHARSET.search(raw)
    names = [declared[1].decode("ascii")] if declared else []
    for name in (*names, "UTF-8"):
        try:
            return raw.decode(_WIDER.get(codecs.lookup(name).name, name))
        except (UnicodeDecodeError, LookupError):  # codecs that make no text of bytes, as hex
            continue
    return raw.decode("ISO-8859-1")


def _plain_size(match: re.Match[bytes]) -> bytes:
    """Return SZ as one number: SZ[9:9] is 9, SZ[] the 19 of a file that names no size."""
    columns, rows = match[1], match[2]
    if rows is not None and int(rows) != int(columns):
        raise HonteError(f"{match[0].decode('ascii')} is not square, as boards are here")
    return b"SZ[%b]" % (columns or b"19")


def _from_sgfmill(sgf: sgfmill_sgf.Sgf_game, most_moves: int | None) -> SgfGame:
    """Walk down the main line; raises ValueError or HonteError on what is not a game."""
    root, size = sgf.get_root(), sgf.get_size()
    if _raw(root, "GM") not in ("", "1"):
        raise HonteError(f"GM[{_raw(root, 'GM')[:20]}] is not a game of Go, which is GM[1]")
    setup: dict[int, int] = {}
    moves: list[tuple[int, int]] = []
    comments: dict[int, str] = {}
    player = ""
    for number, node in enumerate(sgf.main_sequence_iter(), 1):
        if len(moves) == most_moves and (_mover(node) or (moves and node.has_setup_stones())):
            player = _mover(node) or player
            break
        if node.has_setup_stones():
            if moves:
                raise HonteError(
                    f"stones are edited after move {len(moves)}: this is not the record of a game"
                )
            _apply_setup(setup, node, number, size)
        player = _raw(node, "PL") or player
        if node.has_property("B") and node.has_property("W"):
            raise HonteError(f"one node holds two moves (after move {len(moves)})")
        letter, raw_point = node.get_raw_move()
        if letter is not None:
            text = raw_point.decode("ascii", "replace").strip()
            moves.append((color_from_letter(letter), action_from_sgf(text, size)))
        if node.has_property("C"):
            text = node.get("C")
            comments[len(moves)] = f"{comments.get(len(moves), '')}\n{text}".strip()
    black, white = (
        tuple(sorted(point for point, owner in setup.items() if owner == color))
        for color in (BLACK, WHITE)
    )
    if moves:
        to_play = moves[0][0]
    elif player:
        to_play = color_from_letter(_COLORS.get(player, player))
    else:
        to_play = WHITE if black and not white else BLACK
    texts = {name: _text(root, name) for name in ("RU", "RE", "PB", "PW", "DT", "EV")}
    return SgfGame(
        size=size,
        komi=_number(root, "KM"),
        moves=tuple(moves),
        black_stones=black,
        white_stones=white,
        to_play=to_play,
        handicap=int(_number(root, "HA")),
        rules=texts["RU"],
        result=texts["RE"],
        black=texts["PB"],
        white=texts["PW"],
        date=texts["DT"],
        event=texts["EV"],
        comments=comments,
    )


def _apply_setup(setup: dict[int, int], node: sgfmill_sgf.Node, number: int, size: int) -> None:
    """Add, overwrite and erase stones as AB, AW and AE of this node say."""
    for name, color in (("AB", BLACK), ("AW", WHITE), ("AE", EMPTY)):
        if not node.has_property(name):
            continue
        try:
            points = node.get(name)
        except ValueError:
            text = b"][".join(node.get_raw_list(name)).decode("ascii", "replace")[:40]
            raise HonteError(
                f"node {number}: {name}[{text}] names no points of a {size}x{size} board"
            ) from None
        for row_from_bottom, column in points:
            setup[(size - 1 - row_from_bottom) * size + column] = color


def _mover(node: sgfmill_sgf.Node) -> str:
    """Return who moves in a node, as PL tells it; "" for nobody."""
    return next((color for color in "BW" if node.has_property(color)), "")


def _raw(node: sgfmill_sgf.Node, name: str) -> str:
    """Return a property as it is written; "" where it is absent."""
    raw = node.get_raw(name) if node.has_property(name) else b""
    return str(raw.decode("ascii", "replace")).strip()


def _text(node: sgfmill_sgf.Node, name: str) -> str:
    return str(node.get(name)).strip() if node.has_property(name) else ""


def _number(root: sgfmill_sgf.Node, name: str) -> float:
    """Return KM or HA; absent or empty is 0, `6,5 points` is understood."""
    text = _raw(root, name).replace(",", ".").partition(" ")[0]
    try:
        value = float(text or 0)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise HonteError(f"{name}[{text[:20]}] is not a number")
    return value
