"""Chunks of games: there and back, and what is not let in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from go_env.errors import HonteError
from go_env.rules import Rules
from self_played import CONFIG, RULES, made_games, one_move, same
from training import records
from training.records import LIMIT, SETTLED, GameRecord, load_games, save_games, why_refused

ILLEGAL = "illegal move, or one after the end"
LIMITED = CONFIG.rules(RULES, 5)


def test_games_come_back_as_they_were(tmp_path: Path) -> None:
    games = made_games()
    save_games(tmp_path / "games.npz", games)
    read = load_games(tmp_path / "games.npz")
    assert len(read) == len(games)
    for game, back in zip(games, read, strict=True):
        for name, value in vars(game).items():
            np.testing.assert_array_equal(getattr(back, name), value)
            assert type(getattr(back, name)) is type(value), name


def test_games_of_several_sizes_share_a_chunk(tmp_path: Path) -> None:
    small = one_move(3, 0)
    save_games(tmp_path / "games.npz", [small, *made_games()[:2], small])
    read = load_games(tmp_path / "games.npz")
    assert [game.size for game in read] == [3, 5, 5, 3]
    np.testing.assert_array_equal(read[3].policies, small.policies)


@pytest.mark.parametrize("kept", [0, 10, 400, -30, -1])
def test_a_truncated_chunk_is_one_clear_error(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "games.npz"
    save_games(path, made_games()[:8])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(records.DamagedChunk, match="not a readable chunk"):
        load_games(path)


@pytest.mark.parametrize(
    ("error", "says"),
    [(OSError(24, "Too many open files"), "Too many open files"), (MemoryError(), "out of memory")],
)
def test_what_cannot_be_read_now_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    path = tmp_path / "games.npz"
    save_games(path, made_games()[:8])
    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(HonteError, match=f"cannot read .*: {says}") as told:
        load_games(path)
    assert not isinstance(told.value, records.DamagedChunk)


def test_flipped_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "games.npz"
    save_games(path, made_games()[:8])
    data = bytearray(path.read_bytes())
    for at in range(200, len(data) - 200, len(data) // 7):
        broken = data.copy()
        broken[at] ^= 0xFF
        path.write_bytes(bytes(broken))
        try:
            games = load_games(path)
        except HonteError:
            continue
        assert all(map(same, games, made_games()))  # a date or a spare byte


def finished(ending: int) -> GameRecord:
    return next(game for game in made_games() if game.ending == ending)


def test_sound_games_are_taken() -> None:
    assert why_refused(one_move(3, 4), Rules(3, 7.0)) is None
    assert why_refused(one_move(5, 4), LIMITED) is None


@pytest.mark.parametrize("ending", [LIMIT, SETTLED])
def test_wrong_scores_are_refused(ending: int) -> None:
    game = one_move(5, 4) if ending == LIMIT else finished(SETTLED)
    assert why_refused(game, LIMITED) is None
    assert why_refused(replace(game, score=game.score + 1), LIMITED) is not None
    assert why_refused(replace(game, score=-game.score), LIMITED) is not None
    assert why_refused(replace(game, ownership=-game.ownership), LIMITED) is not None
    assert why_refused(replace(game, komi=game.komi + 1), LIMITED) is not None
    assert why_refused(replace(game, score=float("nan")), LIMITED) is not None


def test_a_game_that_is_not_settled_cannot_say_so() -> None:
    assert why_refused(replace(one_move(5, 4), ending=SETTLED), LIMITED) is not None


def broken_policy(value: float) -> GameRecord:
    game = one_move(5, 4)
    policies = game.policies.copy()
    policies[0, 7] = value
    return replace(game, policies=policies)


POISON = {
    "NaN policy": broken_policy(np.nan),
    "policy of another sum": broken_policy(0.5),
    "infinite policy": broken_policy(np.inf),
    "negative policy": replace(broken_policy(-0.5), policies=np.array(
        [[-0.5, 1.5, *[0] * 24]], np.float16)),
    "policy of another board": replace(one_move(5, 4), policies=np.ones((1, 10), np.float16) / 10),
    "target of a ply beyond the end": replace(one_move(5, 4), policy_plies=np.array([1], np.int16)),
    "target of a negative ply": replace(one_move(5, 4), policy_plies=np.array([-1], np.int16)),
    "NaN value": replace(one_move(5, 4), values=np.array([np.nan], np.float16)),
    "no values": replace(one_move(5, 4), values=np.zeros(0, np.float16)),
    "value out of range": replace(one_move(5, 4), values=np.array([3], np.float16)),
    "occupied point": replace(one_move(5, 4), moves=np.array([4, 4], np.int16),
                              values=np.zeros(2, np.float16)),
    "off the board": replace(one_move(5, 4), moves=np.array([26], np.int16)),
    "negative move": replace(one_move(5, 4), moves=np.array([-1], np.int16)),
    "no moves": replace(one_move(5, 4), moves=np.zeros(0, np.int16),
                        values=np.zeros(0, np.float16)),
    "another size": one_move(3, 4),
    "moves after the end": replace(one_move(5, 4), moves=np.array([4, 25, 25, 3], np.int16),
                                   values=np.zeros(4, np.float16)),
    "ownership of another board": replace(one_move(5, 4), ownership=np.ones(9, np.int8)),
}  # fmt: skip


@pytest.mark.parametrize("what", POISON)
def test_poisoned_games_are_refused(what: str) -> None:
    assert why_refused(POISON[what], LIMITED) is not None


def test_superko_is_checked() -> None:
    # On 2x2, B A1, W B2 cannot be captured soon; a repeated board is made by a ko of three moves.
    # . a b .   Black 1, 4, 9, 6 around point 5; White 2, 7, 10, 5 around point 6 on 4 columns.
    moves = [1, 2, 4, 7, 9, 10, 6, 5]  # Black fills the mouth 6, White takes it with 5
    retake = [*moves, 6]  # forbidden by positional superko: the board before White's move
    game = replace(one_move(4, 0), moves=np.array(retake, np.int16), values=np.zeros(9, np.float16))
    assert why_refused(game, Rules(4)) == ILLEGAL
    elsewhere = replace(game, moves=np.array([*moves, 15], np.int16))
    assert why_refused(elsewhere, Rules(4)) != ILLEGAL


def test_chunks_of_older_versions_lack_what_is_newer(tmp_path: Path) -> None:
    games = made_games()[:3]
    save_games(tmp_path / "new.npz", games)
    with np.load(tmp_path / "new.npz") as data:
        arrays = {name: data[name] for name in data.files if name != "verdict"}
    np.savez_compressed(tmp_path / "old.npz", **arrays)
    old = load_games(tmp_path / "old.npz")
    assert all(map(same, old, (replace(game, verdict=0) for game in games)))
