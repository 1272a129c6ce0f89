"""Matches between any players: played in parallel, resumable after any kill, and rated."""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agents.gtp_agent import check_told_time
from agents.registry import check_spec, pinned_spec, weights_of
from go_env.coords import BLACK, action_from_vertex, vertex_from_action
from go_env.errors import HonteError
from go_env.position import Position
from go_env.sgf import SgfGame, write_sgf
from training.files import FolderLock, publish, publish_bytes, publish_text
from training.matches.arena import MatchGame
from training.matches.labels import file_slug, resolve_label
from training.matches.log import GameRecord, MatchLog, parse_log
from training.matches.plan import (
    MatchConfig,
    Player,
    Task,
    make_openings,
    parse_players,
    plan,
)
from training.matches.report import draw_ladder, print_standings, sprt_line
from training.matches.standings import (
    SprtFeed,
    Standings,
    make_standings,
    standings_json,
)
from training.matches.workers import CrewMaker, ProcessCrew, TaskPlayer, WorkerPool
from training.rating.sprt import Sprt

RESULTS_FILE = "games.jsonl"
PLAYERS_FILE = "players.json"
WEIGHTS_FOLDER = "weights"


def run_match(
    config: MatchConfig,
    out: Path,
    console: Console | None = None,
    crew: CrewMaker = ProcessCrew,
) -> Standings:
    """Play a match to its end, or on from where it was interrupted.

    Writes into `out`: games.jsonl (the truth), players.json (what their names stand for), weights/
    of runs, sgf/, standings.json, ladder.png, transcripts/ of external engines. The same call with
    the same settings goes on; players and games may be added.
    `crew` makes the workers' places, unless `config.workers` is 0.
    """
    players = check_match(config)
    for folder in (out / "sgf", out / "transcripts"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HonteError(f"cannot write to {out}: {error.strerror}") from None
    lock = FolderLock(out / ".lock")
    try:
        lock.acquire()
    except HonteError:
        raise HonteError(
            f"another match is running in {out}: wait for it, or use another --out"
        ) from None
    try:
        with closing(MatchLog(out / RESULTS_FILE, config.settings())) as log:
            players = _settle_players(players, log, out)
            _check_openings(config, log)
            _play_missing(config, players, log, out, console, crew)
            names = {player.name for player in players}
            records = [r for r in log.records if {r.first, r.second} <= names]
            feed = _sequential_test(config, players, records)
            return _publish(config, records, None if feed is None else feed.test, out, console)
    finally:
        lock.release()


def check_match(config: MatchConfig) -> tuple[Player, ...]:
    """Return the players of a match, or raise what is wrong with it; nothing is written."""
    players = parse_players(config.players)
    for spec in (*(player.spec for player in players), config.referee):
        if spec is not None:
            check_spec(spec)
            _require_text(pinned_spec(spec))
    _anchor_name(config.anchor, [player.name for player in players])
    if (system := config.time_system()) and any(player.external for player in players):
        check_told_time(system)
    make_openings(config, config.to_rules())
    return players


def _require_text(spec: str) -> None:
    """Refuse a SPEC with bytes that are no text: the record of a game holds it as UTF-8."""
    try:
        spec.encode()
    except UnicodeEncodeError:
        raise HonteError(f"player {spec!r} is not UTF-8 text: rename its files") from None


def rate_results(
    paths: Sequence[Path], *, anchor: str | None = None, prior: float = 1.0
) -> Standings:
    """Rate the games of several matches together; a path is a result file or a match's folder."""
    if not 0 <= prior < math.inf:
        raise HonteError(f"--prior must be a finite number of draws, 0 or more (given {prior:g})")
    records: list[GameRecord] = []
    settings: list[dict[str, Any]] = []
    played_as: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        file = path / RESULTS_FILE if path.is_dir() else path
        try:
            data = file.read_bytes()
        except OSError as error:
            raise HonteError(f"cannot read {file}: {error.strerror}") from None
        played, games = parse_log(data, file)
        settings.append(played)
        records += games
        for name, entry in _read_players(file.with_name(PLAYERS_FILE)).items():
            played_as[name].add(entry["plays"])
    known = list(dict.fromkeys(name for r in records for name in (r.first, r.second)))
    standings = make_standings(records, anchor=_anchor_name(anchor, known), prior=prior)
    notes = (*_differences(settings), *_namesakes(played_as), *standings.notes)
    return replace(standings, notes=notes)


def _differences(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Return a remark if matches that are rated together were played under different rules."""
    told = []
    for key in ("size", "komi", "rules"):
        values = list(dict.fromkeys(played.get(key) for played in settings))
        if len(values) > 1:
            told.append(f"{key} ({', '.join(map(str, values))})")
    if not told:
        return []
    return [f"The matches differ in {', '.join(told)}: one rating stands for all of them"]


def _namesakes(played_as: Mapping[str, Collection[str]]) -> list[str]:
    """Return a remark on each name that did not mean the same player in all matches."""
    return [
        f"{name!r} is rated as one player, but was {' and '.join(sorted(plays))}: "
        "give each a name of its own (NAME=SPEC) to tell them apart"
        for name, plays in played_as.items()
        if len(plays) > 1
    ]


def _read_players(path: Path) -> dict[str, dict[str, str]]:
    """Return what a match's names stand for; nothing where that was not written down."""
    if not path.is_file():
        return {}
    try:
        known = {
            name: {"spec": entry, "plays": entry} if isinstance(entry, str) else dict(entry)
            for name, entry in json.loads(path.read_bytes()).items()  # a text: as once written
        }
        if all(entry.keys() >= {"spec", "plays"} for entry in known.values()):
            return known
    except (ValueError, TypeError, AttributeError):
        pass
    raise HonteError(f"{path} is damaged: restore it, or remove it to go on")


def _settle_players(players: Sequence[Player], log: MatchLog, out: Path) -> tuple[Player, ...]:
    """Write down what names stand for and return it; refuse another SPEC for a name that has games.

    A name means one player: the champion that a run had at the name's first game plays all of them.
    """
    path = out / PLAYERS_FILE
    known = _read_players(path)
    played = {name for record in log.records for name in (record.first, record.second)}
    for player in players:
        entry = known.get(player.name)
        if entry is None or player.name not in played:
            entry = {"spec": player.spec, "plays": pinned_spec(player.spec)}
        elif entry["spec"] != player.spec:
            raise HonteError(
                f"{out} holds games of {player.name!r} as {entry['spec']!r}, not {player.spec!r}: "
                "use another name or --out"
            )
        known[player.name] = _keep_weights(player.name, entry, out)
    publish_text(path, json.dumps(known, indent=1) + "\n")
    return tuple(_settled(player, known[player.name], out) for player in players)


def _keep_weights(name: str, entry: dict[str, str], out: Path) -> dict[str, str]:
    """Return what a name stands for, with a copy of a run's model: runs delete their old ones."""
    folder = out / WEIGHTS_FOLDER
    if entry["plays"] == entry["spec"] or (folder / entry.get("weights", "")).is_file():
        return entry
    try:
        path = weights_of(entry["plays"])
        data = path.read_bytes()
    except (HonteError, OSError) as error:
        raise HonteError(
            f"the weights of {name!r} in {out} are gone ({error}): put them back, or use another "
            "name or --out"
        ) from None
    folder.mkdir(exist_ok=True)
    run = file_slug(path.parent.parent.name, 40)
    copy = folder / f"{run}-{path.stem}-{zlib.crc32(data):08x}.safetensors"
    publish_bytes(copy, data)
    return {**entry, "weights": copy.name}


def _settled(player: Player, entry: dict[str, str], out: Path) -> Player:
    copy = entry.get("weights")
    weights = None if copy is None else (out / WEIGHTS_FOLDER / copy).absolute()
    return replace(player, spec=entry["plays"], weights=weights)


def _check_openings(config: MatchConfig, log: MatchLog) -> None:
    """Refuse to go on with other openings: both games of a pair must have the same one."""
    openings = make_openings(config, config.to_rules()) if log.records else []
    for record in log.records:
        if record.pair < len(openings):
            moves = openings[record.pair].moves
            vertices = [vertex_from_action(action, config.size) for action in moves]
            if record.moves.split()[: len(moves)] != vertices:
                raise HonteError(
                    f"{log.path} holds games from other openings (pair {record.pair}): "
                    "restore the book of openings, or choose another --out"
                )


def _play_missing(
    config: MatchConfig,
    players: Sequence[Player],
    log: MatchLog,
    out: Path,
    console: Console | None,
    crew: CrewMaker,
) -> None:
    finished = {record.key for record in log.records}
    tasks = plan(config, players, finished)
    stream = (len(log.records),)  # a resumed match does not repeat the random numbers of its start
    total = sum(len(task.fixtures) for task in tasks)
    specs = {player.name: player.spec for player in players}
    feed = _sequential_test(config, players, log.records)
    if not tasks or (feed is not None and feed.decided):
        return
    with (
        _progress(console, total) as advance,
        closing(_games(config, tasks, stream, out / "transcripts", crew)) as games,
    ):
        for task, game in games:
            record = GameRecord.of(game, task.first.name, task.second.name, config.size)
            write_sgf(out / "sgf" / _sgf_name(record), _sgf(record, specs, config))
            log.add(record)
            if feed is None:
                advance("")
                continue
            feed.add(record)
            advance(sprt_line(feed.test))
            if feed.decided:
                break


def _sequential_test(
    config: MatchConfig, players: Sequence[Player], records: Sequence[GameRecord]
) -> SprtFeed | None:
    """Return the match's sequential test, if it has one, as its finished games leave it."""
    if config.sprt is None:
        return None
    feed = SprtFeed(Sprt(config.sprt), players[0].name, players[1].name)
    for record in records:
        feed.add(record)
    return feed


def _games(
    config: MatchConfig,
    tasks: Sequence[Task],
    stream: tuple[int, ...],
    transcripts: Path,
    crew: CrewMaker,
) -> Generator[tuple[Task, MatchGame]]:
    """Play tasks here or by workers."""
    if config.workers == 0:
        with closing(TaskPlayer(config, stream, transcripts)) as player:
            for task in tasks:
                for game in player.play(task):
                    yield task, game
        return
    with closing(WorkerPool(crew(config, transcripts), config.workers, stream)) as pool:
        yield from pool.play(tasks)


def _publish(
    config: MatchConfig,
    records: Sequence[GameRecord],
    test: Sprt | None,
    out: Path,
    console: Console | None,
) -> Standings:
    anchor = _anchor_name(config.anchor, [player.name for player in parse_players(config.players)])
    standings = make_standings(records, anchor=anchor)
    data = {"match": config.settings(), **standings_json(standings, test)}
    publish_text(out / "standings.json", json.dumps(data, indent=1) + "\n")
    rules = config.to_rules()
    title = f"{rules.size}x{rules.size}, komi {rules.komi:g}"
    if standings.ratings is not None:
        publish(out / "ladder.png", lambda path: draw_ladder(standings, path, title))
    if console is not None:
        print_standings(standings, console, test)
    return standings


@contextmanager
def _progress(console: Console | None, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar; the callable counts one game and sets the text beside it."""
    if console is None:
        yield lambda text: None
        return
    columns = (TextColumn("games"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as progress:
        bar = progress.add_task("games", total=total, state="")
        yield lambda text: progress.update(bar, advance=1, state=text)


def _anchor_name(anchor: str | None, names: Sequence[str]) -> str | None:
    """Return the name of the player that a person calls the anchor, by its name or its label."""
    name = None if anchor is None else resolve_label(anchor, names)
    if anchor is not None and name is None:
        raise HonteError(f"the anchor {anchor!r} is not a player; there are {', '.join(names)}")
    return name


def _sgf_name(record: GameRecord) -> str:
    """Return a file name that tells the game and is unique in its match."""
    slugs = [file_slug(name, 40) for name in (record.first, record.second)]
    check = zlib.crc32(f"{record.first}\n{record.second}".encode()) & 0xFFFF
    return f"{slugs[0]}-{slugs[1]}-{check:04x}-{record.pair:04d}{'ab'[record.leg]}.sgf"


def _sgf(record: GameRecord, specs: dict[str, str], config: MatchConfig) -> SgfGame:
    rules = config.to_rules()
    moves = [action_from_vertex(vertex, rules.size) for vertex in record.moves.split()]
    position = Position.from_moves(rules, moves)
    comments = {0: _root_comment(record, specs, config)}
    for ply, value in enumerate(record.values):
        if value is not None:
            mover = "Black" if position.moves[ply][0] == BLACK else "White"
            comments[ply + 1] = f"{mover} expects {value:+.2f}"
    if record.note:
        comments[len(moves)] = f"{comments.get(len(moves), '')}\n{record.note}".strip()
    return SgfGame.from_position(
        position,
        black=record.black,
        white=record.white,
        result=record.result,
        rules=config.rules,
        comments=comments,
    )


def _root_comment(record: GameRecord, specs: dict[str, str], config: MatchConfig) -> str:
    lines = [
        f"Black: {specs[record.black]}",
        f"White: {specs[record.white]}",
        f"Opening {record.pair}: {record.opening}",
        f"Ended by {record.reason}; seconds used: Black {record.seconds[0]:g},"
        f" White {record.seconds[1]:g}",
    ]
    if config.clock is not None:
        lines.append(f"Clock: {config.clock}")
    if config.seconds is not None:
        lines.append(f"Seconds per move: {config.seconds:g}")
    if config.referee is not None:
        lines.append(f"Referee: {config.referee}")
    return "\n".join(lines)
