"""Queries of KataGo's JSON analysis protocol, checked field by field.

Source: KataGo docs/Analysis_Engine.md; names of fields and error texts are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from agents.gtp.game import bonus_points, facing
from agents.gtp.restriction import Ban
from agents.gtp.rules_text import bonus_of, parse_rules
from go_env.coords import BLACK, WHITE, action_from_row_col, action_from_vertex, pass_action
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import MAX_SIZE, MIN_SIZE, Rules, usable_komi

Perspective = Literal["BLACK", "WHITE", "SIDETOMOVE"]
PERSPECTIVES = ("BLACK", "WHITE", "SIDETOMOVE")

DEFAULT_KOMI = 7.5  # KataGo's, for area scoring
_MAX_KOMI = 400.0
_MAX_INTEGER = 1 << 40
_KNOWN_FIELDS = frozenset(
    """id moves initialStones initialPlayer rules komi whiteHandicapBonus boardXSize boardYSize
    analyzeTurns maxVisits rootPolicyTemperature rootFpuReductionMax analysisPVLen includeOwnership
    includeOwnershipStdev includeMovesOwnership includeMovesOwnershipStdev includePolicy
    includePVVisits includeNoResultValue avoidMoves allowMoves overrideSettings
    reportDuringSearchEvery firstReportDuringSearchAfter priority priorities action""".split()
)
#: Settings of KataGo's search that are accepted and have no counterpart here.
_NO_COUNTERPART = frozenset(
    """wideRootNoise analysisWideRootNoise rootPolicyTemperature rootPolicyTemperatureEarly
    rootFpuReductionMax fpuReductionMax cpuctExploration ignorePreRootHistory antiMirror
    playoutDoublingAdvantage rootNumSymmetriesToSample humanSLProfile numSearchThreads
    rootSymmetryPruning""".split()
)


class QueryError(Exception):
    """A field of a query cannot be used."""

    def __init__(self, field_name: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field_name


@dataclass(frozen=True)
class Query:
    """What is asked about one game; `positions` and `priorities` belong to `turns`, in order."""

    id: str
    turns: tuple[int, ...]
    positions: tuple[Position, ...]
    priorities: tuple[int, ...]
    bans: tuple[Ban, ...] = ()
    max_visits: int | None = None
    max_time_s: float | None = None
    pv_length: int = 15
    report_every_s: float | None = None
    first_report_s: float | None = None  # None: like the others
    perspective: Perspective | None = None
    include_ownership: bool = False
    include_moves_ownership: bool = False
    include_policy: bool = False
    include_pv_visits: bool = False
    warnings: tuple[tuple[str, str], ...] = field(default=())  # (field, text)


def parse_query(data: Mapping[str, Any]) -> Query:
    """Check a query that has an id; raise QueryError at the first field that is wrong."""
    warnings = [
        (str(name)[:80], "Unexpected or unused field, do you have a typo?")
        for name in data
        if name not in _KNOWN_FIELDS
    ]
    moves_given = data.get("moves")
    if moves_given is None:
        raise QueryError("moves", "Must specify an array of [player,location] pairs")
    rules, bonus = _parse_rules(data, warnings)
    size = rules.size
    placed = _parse_moves(data, "initialStones", size, passes=False)
    stones = {action: color for color, action in placed}
    moves = _parse_moves(data, "moves", size, passes=True)
    points = bonus_points(bonus, _handicap(stones))
    rules = replace(rules, komi=usable_komi(rules.komi + points))
    turns = _parse_turns(data, len(moves))
    bans = _parse_bans(data, size)
    settings = _parse_settings(data, warnings)
    positions = _replay(data, rules, stones, moves, turns, warnings)
    return Query(
        id=data["id"],
        turns=turns,
        positions=positions,
        priorities=_parse_priorities(data, len(turns)),
        bans=bans,
        max_visits=_integer(data, "maxVisits", 1, _MAX_INTEGER) or settings.get("maxVisits"),
        max_time_s=settings.get("maxTime"),
        pv_length=_integer(data, "analysisPVLen", 1, 1000) or 15,
        report_every_s=_number(data, "reportDuringSearchEvery", 0.001, 1e6),
        first_report_s=_number(data, "firstReportDuringSearchAfter", 0.001, 1e6),
        perspective=settings.get("reportAnalysisWinratesAs"),
        include_ownership=_boolean(data, "includeOwnership"),
        include_moves_ownership=_boolean(data, "includeMovesOwnership"),
        include_policy=_boolean(data, "includePolicy"),
        include_pv_visits=_boolean(data, "includePVVisits"),
        warnings=tuple(warnings),
    )


def _integer(data: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise QueryError(name, f"Must be an integer from {low} to {high}")
    if not low <= value <= high:
        raise QueryError(name, f"Must be an integer from {low} to {high}")
    return int(value)


def _number(data: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise QueryError(name, f"Must be a number from {low:g} to {high:g}")
    return float(value)


def _number_of(setting: Any) -> Any:
    """Return the number that text holds, as KataGo reads its settings; anything else as it is."""
    try:
        return float(setting) if isinstance(setting, str) else setting
    except ValueError:
        return setting


def _boolean(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise QueryError(name, "Must be a boolean")
    return value


def _parse_rules(data: Mapping[str, Any], warnings: list[tuple[str, str]]) -> tuple[Rules, str]:
    """Return the rules and White's compensation for handicap stones, as `bonus_of` does."""
    sizes = []
    for name in ("boardXSize", "boardYSize"):
        size = _integer(data, name, MIN_SIZE, MAX_SIZE)
        if size is None:
            raise QueryError(name, f"Must provide an integer from {MIN_SIZE} to {MAX_SIZE}")
        sizes.append(size)
    if sizes[0] != sizes[1]:
        raise QueryError("boardYSize", "Only square boards are supported: must equal boardXSize")
    komi = _number(data, "komi", -_MAX_KOMI, _MAX_KOMI)
    komi = DEFAULT_KOMI if komi is None else komi
    if not (komi * 2).is_integer():
        raise QueryError(
            "komi", f"Must be a integer or half-integer from {-_MAX_KOMI} to {_MAX_KOMI}"
        )
    value = data.get("rules")
    if not isinstance(value, (str, Mapping)):
        raise QueryError(
            "rules",
            'Must specify rules string, such as "chinese" or "tromp-taylor", or a JSON object',
        )
    try:
        rules, bonus, lost = parse_rules(value, Rules(size=sizes[0], komi=komi))
    except HonteError as error:
        raise QueryError("rules", f"Could not parse rules: {error}") from None
    if lost:
        warnings.append(("rules", f"Converted to the nearest supported rules: {lost}"))
    if data.get("whiteHandicapBonus") is None:
        return rules, bonus
    try:
        return rules, bonus_of(data)
    except HonteError:
        raise QueryError("whiteHandicapBonus", "Must be one of 0, N, N-1") from None


def _handicap(stones: Mapping[int, int]) -> int:
    """Return the number of handicap stones; stones of both colors, or a single one, are none."""
    return len(stones) if len(stones) > 1 and set(stones.values()) == {BLACK} else 0


def _color(value: Any, name: str) -> int:
    if isinstance(value, str) and value.lower() in ("b", "black", "w", "white"):
        return BLACK if value.lower().startswith("b") else WHITE
    raise QueryError(name, f"Could not parse player: {str(value)[:20]}")


def _action(value: Any, size: int, name: str, passes: bool) -> int:
    """Read a vertex, or `(x,y)` counted from the top left."""
    try:
        if not isinstance(value, str):
            raise HonteError("not text")
        if value.startswith("(") and value.endswith(")"):
            x, y = (int(part) for part in value[1:-1].split(","))
            return action_from_row_col(y, x, size)
        action = action_from_vertex(value, size)
    except ValueError:
        raise QueryError(name, f"Could not parse board location: {str(value)[:20]}") from None
    if action == pass_action(size) and not passes:
        raise QueryError(name, f"Could not parse board location: {value[:20]}")
    return action


def _parse_moves(
    data: Mapping[str, Any], name: str, size: int, passes: bool
) -> list[tuple[int, int]]:
    value = data.get(name, [])
    problem = 'Must be an array of pairs of the form: ["b" or "w", GTP board vertex]'
    if not isinstance(value, list):
        raise QueryError(name, problem)
    moves = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise QueryError(name, problem)
        moves.append((_color(pair[0], name), _action(pair[1], size, name, passes)))
    return moves


def _parse_turns(data: Mapping[str, Any], num_moves: int) -> tuple[int, ...]:
    value = data.get("analyzeTurns")
    if value is None:
        return (num_moves,)
    if not isinstance(value, list) or any(type(turn) is not int for turn in value):
        raise QueryError(
            "analyzeTurns", "Must specify an array of integers indicating turns to analyze"
        )
    for turn in value:
        if not 0 <= turn <= num_moves:
            raise QueryError("analyzeTurns", f"Invalid turn number: {turn}")
    return tuple(dict.fromkeys(value))


def _parse_priorities(data: Mapping[str, Any], count: int) -> tuple[int, ...]:
    value = data.get("priorities")
    single = _integer(data, "priority", -_MAX_INTEGER, _MAX_INTEGER)
    if value is None:
        return (single or 0,) * count
    if single is not None:
        raise QueryError("priority", "Cannot specify both priority and priorities")
    if not isinstance(value, list) or any(type(priority) is not int for priority in value):
        raise QueryError("priorities", "Must specify an array of integers indicating priorities")
    if data.get("analyzeTurns") is None:
        raise QueryError("priorities", "Can only specify when also specifying analyzeTurns")
    if len(value) != len(data["analyzeTurns"]):
        raise QueryError("priorities", "Must be of matching length to analyzeTurns")
    return tuple(dict(zip(data["analyzeTurns"], value, strict=True)).values())


def _replay(
    data: Mapping[str, Any],
    rules: Rules,
    stones: Mapping[int, int],
    moves: list[tuple[int, int]],
    turns: tuple[int, ...],
    warnings: list[tuple[str, str]],
) -> tuple[Position, ...]:
    """Return the position at each turn, with the player to move who is meant.

    Games are played under rules of all kinds: KataGo accepts moves that only superko or suicide
    forbids, and so do we, by simple ko.
    """
    first = moves[0][0] if moves else WHITE if _handicap(stones) else BLACK
    if data.get("initialPlayer") is not None:
        first = _color(data["initialPlayer"], "initialPlayer")
    black, white = ([a for a, color in stones.items() if color == c] for c in (BLACK, WHITE))
    try:
        start = Position.setup(rules, black, white, first)
    except HonteError as error:
        raise QueryError("initialStones", str(error)) from None
    try:
        reached = _positions(start, moves)
    except QueryError as error:
        reached = _positions(start.with_rules(replace(rules, ko="simple", suicide=True)), moves)
        warnings.append(("moves", f"{error}; analyzed under simple ko with suicide allowed"))
    colors = [first, *(color for color, _ in moves[1:])]
    return tuple(
        facing(reached[turn], colors[turn] if turn < len(moves) else reached[turn].to_play)
        for turn in turns
    )


def _positions(position: Position, moves: list[tuple[int, int]]) -> list[Position]:
    """Return a position and those after each of the moves."""
    reached = [position]
    for number, (color, action) in enumerate(moves):
        reason = position.why_illegal(action, color)
        if reason is not None:
            raise QueryError("moves", f"Illegal move {number}: {reason}")
        position = position.play(action, color)
        reached.append(position)
    return reached


def _parse_bans(data: Mapping[str, Any], size: int) -> tuple[Ban, ...]:
    avoid, allow = data.get("avoidMoves"), data.get("allowMoves")
    if avoid is not None and allow is not None:
        raise QueryError("allowMoves", "Cannot specify both allowMoves and avoidMoves")
    name = "avoidMoves" if allow is None else "allowMoves"
    entries = avoid if allow is None else allow
    problem = "Must be a list of dicts with subfields 'player', 'moves', 'untilDepth'"
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise QueryError(name, problem)
    bans = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("moves"), list):
            raise QueryError(name, problem)
        depth = _integer(entry, "untilDepth", 1, 1_000_000)
        if depth is None:
            raise QueryError(name, problem)
        actions = np.zeros(size * size + 1, np.bool_)
        for vertex in entry["moves"]:
            actions[_action(vertex, size, name, passes=True)] = True
        color = _color(entry.get("player"), name)
        bans.append(Ban(color, actions if allow is None else ~actions, depth))
    if allow is not None and len({ban.color for ban in bans}) < len(bans):
        raise QueryError(name, "Currently allowMoves only allows at most one entry per player")
    return tuple(bans)


def _parse_settings(data: Mapping[str, Any], warnings: list[tuple[str, str]]) -> dict[str, Any]:
    """Read `overrideSettings`: what we know of them."""
    value = data.get("overrideSettings", {})
    if not isinstance(value, Mapping):
        raise QueryError("overrideSettings", "Must be an object")
    value = {name: _number_of(setting) for name, setting in value.items()}
    readers: dict[str, Callable[[], Any]] = {
        "maxVisits": lambda: _integer(value, "maxVisits", 1, _MAX_INTEGER),
        "maxPlayouts": lambda: _integer(value, "maxPlayouts", 1, _MAX_INTEGER),
        "maxTime": lambda: _number(value, "maxTime", 0.0, 1e12),
    }
    unknown = [name for name in value if name not in readers and name not in _NO_COUNTERPART]
    settings: dict[str, Any] = {}
    try:
        settings = {name: read() for name, read in readers.items() if name in value}
    except QueryError as error:
        raise QueryError(
            "overrideSettings", f"Could not set settings: {error.field}: {error}"
        ) from None
    if "reportAnalysisWinratesAs" in value:
        unknown.remove("reportAnalysisWinratesAs")
        name = str(value["reportAnalysisWinratesAs"]).upper()
        if name not in PERSPECTIVES:
            raise QueryError("overrideSettings", "Could not set settings: reportAnalysisWinratesAs")
        settings["reportAnalysisWinratesAs"] = name
    if "maxPlayouts" in settings:
        settings.setdefault("maxVisits", settings["maxPlayouts"])
    if unknown:
        warnings.append(("overrideSettings", f"Unknown config params: {','.join(unknown)[:200]}"))
    return settings
