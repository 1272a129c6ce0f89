"""Finished games as arrays: what self-play hands on, what is kept on disk, what is checked.

Letters: T moves of a game, R of them with a policy target, P = N*N points, A = P + 1 actions.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from go_env.benson import fill_pass_alive_all
from go_env.board import classify, fill_area, is_over, play, start_all
from go_env.coords import WHITE
from go_env.errors import HonteError
from go_env.jit import kernel
from go_env.layout import LEGAL, new_boards
from go_env.layout import cell_of as cell_of_point
from go_env.rules import Rules


class DamagedChunk(HonteError):
    """A file holds other bytes than `save_games` wrote; no later reading will mend it."""


PASSES, SETTLED, LIMIT = 0, 1, 2  # why a game ended
FORMAT_VERSION = 1


@dataclass(frozen=True)
class GameRecord:
    """One game of self-play, Black first, from the empty board."""

    size: int
    komi: float
    moves: NDArray[np.int16]  # [T] actions
    values: NDArray[np.float16]  # [T] value that the search found, for the player to move
    policy_plies: NDArray[np.int16]  # [R] ascending: the moves that have a policy target
    policies: NDArray[np.float16]  # [R, A]
    score: float  # Black minus White minus komi
    ownership: NDArray[np.int8]  # [P] +1 Black's, -1 White's, 0 neither
    ending: int  # PASSES, SETTLED or LIMIT
    opening: int  # so many first moves were drawn from the raw policy
    model: int  # number of the weights that finished the game
    game_id: int
    evaluations: int  # positions that the network judged for it
    surprise: float  # mean KL divergence (nats) of the policy targets from the priors
    raw_gap: float  # mean |search value - network value|
    verdict: int = 0  # control games: who was sure to win first, +1 Black, -1 White; 0: nobody

    @property
    def verdict_is_wrong(self) -> bool:
        """Whether a control game ended otherwise than decided; a draw is a wrong verdict too."""
        return self.verdict != 0 and np.sign(self.score) != self.verdict


_SCALARS = ("size", "komi", "score", "ending", "opening", "model", "game_id", "evaluations",
            "surprise", "raw_gap", "verdict")  # fmt: skip


def save_games(path: Path, games: Sequence[GameRecord]) -> None:
    """Write games of any sizes into one compressed npz file (no pickle)."""
    arrays: dict[str, NDArray[np.generic]] = {
        "format_version": np.array(FORMAT_VERSION),
        "lengths": np.array([len(game.moves) for game in games], np.int32),
        "targets": np.array([len(game.policy_plies) for game in games], np.int32),
        "moves": np.concatenate([game.moves for game in games]),
        "values": np.concatenate([game.values for game in games]),
        "policy_plies": np.concatenate([game.policy_plies for game in games]),
        "policies": np.concatenate([game.policies.ravel() for game in games]),
        "ownership": np.concatenate([game.ownership for game in games]),
    }
    for name in _SCALARS:
        arrays[name] = np.array([getattr(game, name) for game in games])
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_games(path: Path) -> list[GameRecord]:
    """Read games back.

    Raises:
        DamagedChunk: the file is damaged.
        HonteError: it cannot be read now, or not by this version.
    """
    try:
        file = io.BytesIO(path.read_bytes())  # beyond here every error but one is damage
        with np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        version = int(arrays["format_version"])
        if version == FORMAT_VERSION:
            return _split(arrays)
    except (OSError, MemoryError) as error:
        reason = "out of memory" if isinstance(error, MemoryError) else error.strerror
        raise HonteError(f"cannot read {path}: {reason}; the file was left as it is") from None
    except Exception as error:  # damage shows anywhere in zipfile, zlib and numpy
        raise DamagedChunk(f"{path} is not a readable chunk of games: {error}") from None
    raise HonteError(
        f"{path} has format {version}, this version of Honte reads {FORMAT_VERSION}: "
        "go on with the version that wrote it, or use a new --run directory"
    )


def _split(arrays: dict[str, NDArray[np.generic]]) -> list[GameRecord]:
    games = []
    scalars = [name for name in _SCALARS if name in arrays]  # older files lack the newest
    move = target = cell = point = 0
    for i, (length, targets) in enumerate(zip(arrays["lengths"], arrays["targets"], strict=True)):
        points = int(arrays["size"][i]) ** 2
        values = {name: arrays[name][i].item() for name in scalars}
        games.append(
            GameRecord(
                moves=arrays["moves"][move : move + length],  # type: ignore[arg-type]
                values=arrays["values"][move : move + length],  # type: ignore[arg-type]
                policy_plies=arrays["policy_plies"][target : target + targets],  # type: ignore[arg-type]
                policies=arrays["policies"][cell : cell + targets * (points + 1)].reshape(
                    targets, points + 1
                ),  # type: ignore[arg-type]
                ownership=arrays["ownership"][point : point + points],  # type: ignore[arg-type]
                **values,
            )
        )
        move, target = move + length, target + targets
        cell, point = cell + targets * (points + 1), point + points
    return games


def why_refused(game: GameRecord, rules: Rules) -> str | None:
    """Replay a game through the rules and check its targets; return what is wrong, or None."""
    reason = _why_targets_refused(game, rules.size)
    if reason is not None:
        return reason
    points, length = game.size * game.size, len(game.moves)
    boards = new_boards(1, rules)
    boards["komi"] = game.komi
    hashes = np.zeros((1, length + 2), np.uint64)
    start_all(boards, hashes, np.zeros((1, 0, 0), np.int8))
    owner = np.zeros((1, points), np.int8)
    legal, margin = _replay(boards, hashes, game.moves, owner)
    if not legal:
        return "illegal move, or one after the end"
    if game.ending == SETTLED:
        fill_pass_alive_all(boards, owner)
        if not owner.all():
            return "not settled where it ended"
        owner[owner == WHITE] = -1
        margin = int(owner.sum())
    if abs(margin - game.komi - game.score) > 1e-3 or (owner[0] != game.ownership).any():
        return "score does not follow from the moves"
    return None


def _why_targets_refused(game: GameRecord, size: int) -> str | None:
    """Check shapes and numbers of a game on a board of this size."""
    points, length, plies = size * size, len(game.moves), game.policy_plies
    if game.size != size or length == 0:
        return "wrong size or no moves"
    if game.policies.shape != (len(plies), points + 1):
        return "policy targets of the wrong shape"
    if game.values.shape != (length,) or game.ownership.shape != (points,):
        return "values or ownership of the wrong shape"
    policies = game.policies.astype(np.float32)
    if not np.isfinite(policies).all() or (policies < 0).any():
        return "policy targets that are not probabilities"
    if (np.abs(policies.sum(axis=1) - 1) > 0.02).any():
        return "policy targets that do not add up to 1"
    if not (np.abs(game.values) <= 1).all() or not np.isfinite(game.score):
        return "values that are not finite or out of range"
    if game.moves.min() < 0 or game.moves.max() > points:
        return "moves off the board"
    if len(plies) and (plies.min() < 0 or plies.max() >= length or (np.diff(plies) <= 0).any()):
        return "policy targets of moves that were not played"
    return None


@kernel(allocates=True)
def _replay(boards, hashes, moves, owner):
    """Play moves on boards[0]; return (all legal and in time, Black's area minus White's)."""
    b = boards[0]
    side = np.int64(b.side)
    snapshots = np.zeros((1, 0, 0), np.int8)
    for i in range(len(moves)):
        action = np.int64(moves[i])
        if is_over(b):
            return False, 0
        if action < side * side:
            cell = cell_of_point(action, side)
            if classify(b, hashes, 0, cell, np.int64(b.to_play)) != LEGAL:
                return False, 0
        play(b, hashes, 0, snapshots, 0, action)
    return True, fill_area(b, owner, 0)
