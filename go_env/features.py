"""Versioned sets of input planes: what a network, or a student of the environment, sees.

All planes are float32 from the view of the player to move. The set's name and version are stored
in each checkpoint; a change of what a plane means is a new version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from go_env.batch import PositionBatch
from go_env.board import chain_slot
from go_env.coords import BLACK, EMPTY, WHITE
from go_env.errors import HonteError
from go_env.jit import kernel
from go_env.layout import KO_BANNED, at
from go_env.symmetry import NUM_SYMMETRIES, point_tables

KOMI_SCALE = 10.0  # points of komi per unit of the komi plane
LAST_MOVES = 5
ZERO_HISTORY = 8


@dataclass(frozen=True)
class FeatureSet:
    """A named, versioned list of planes; `history` is how many snapshots of the board it reads."""

    name: str
    version: int
    planes: tuple[str, ...]
    history: int

    @property
    def num_planes(self) -> int:
        """The letter C in shapes."""
        return len(self.planes)


#: AlphaGo Zero's planes (Silver et al. 2017, Methods): own and enemy stones of the last eight
#: positions, newest first, and a plane of ones if Black is to play.
ZERO = FeatureSet(
    "zero",
    1,
    (
        *(f"{who} stones, {t} moves ago" for t in range(ZERO_HISTORY) for who in ("own", "enemy")),
        "Black to play",
    ),
    ZERO_HISTORY,
)
#: Made for small networks and mixed board sizes; after KataGo's inputs (Wu 2019, table 1).
LEAN = FeatureSet(
    "lean",
    1,
    (
        "on board",
        *(f"{who} stones with {n} liberties" for who in ("own", "enemy") for n in ("1", "2", "3+")),
        "forbidden by ko or superko",
        *(f"action {t} moves ago" for t in range(1, LAST_MOVES + 1)),
        f"komi for the player to move / {KOMI_SCALE:g}",
        "last action was a pass",
    ),
    0,
)
FEATURE_SETS = {features.name: features for features in (ZERO, LEAN)}


def feature_set(name: str, version: int | None = None) -> FeatureSet:
    """Return a feature set by name, and check the version that a file asks for."""
    if name not in FEATURE_SETS:
        raise HonteError(f"unknown feature set {name!r}: use one of {', '.join(FEATURE_SETS)}")
    features = FEATURE_SETS[name]
    if version is not None and version != features.version:
        raise HonteError(
            f"feature set {name!r} version {version} is not known here (this is version "
            f"{features.version}): use the Honte version that wrote the file"
        )
    return features


def encode(
    batch: PositionBatch,
    features: FeatureSet,
    out: NDArray[np.float32],
    symmetry: int | NDArray[np.int64] = 0,
) -> None:
    """Write the planes of B positions into out [>=B, C, N, N], seen under a symmetry (or one each).

    Raises:
        HonteError: if the batch's snapshots do not reach back as far as the features look.
    """
    if batch.snapshots.shape[1] < features.history:
        raise HonteError(f"features {features.name!r} need {features.history} snapshots of history")
    if isinstance(symmetry, int):
        symmetries = np.full(len(batch), symmetry % NUM_SYMMETRIES)
    else:
        symmetries = np.asarray(symmetry, np.int64) % NUM_SYMMETRIES
    tables = point_tables(batch.size)
    flat = out.reshape(len(out), features.num_planes, -1)
    if features == ZERO:
        _encode_zero(batch.boards, batch.snapshots, symmetries, tables, flat)
    else:
        _encode_lean(batch.boards, batch.legal, symmetries, tables, flat)


@kernel(forceinline=True)
def _count_liberties(b, scratch):
    """Write the exact number of liberties of each chain at its head into scratch[0] [cells].

    Pseudo-liberties count an empty cell once for each of the chain's stones beside it; the surplus
    is taken off where a cell has a chain on two sides. Such cells are rare, and found without a
    branch in one vectorized pass (scratch[1]) and listed (scratch[2]).
    """
    w = np.int64(b.side) + 1
    for cell in range(len(b.liberty_count)):
        scratch[0, cell] = b.liberty_count[cell]
    for cell in range(w + 1, w * w):
        h0, h1 = b.head[at(cell - w)], b.head[at(cell - 1)]
        h2, h3 = b.head[at(cell + 1)], b.head[at(cell + w)]
        twice = ((h1 == h0) | (h2 == h0) | (h3 == h0)) & (h0 != 0)
        twice |= ((h2 == h1) | (h3 == h1)) & (h1 != 0)
        twice |= (h3 == h2) & (h2 != 0)
        scratch[1, at(cell)] = twice
    found = 0
    for k in range(b.num_empty):
        cell = b.empties[at(k)]
        scratch[2, at(found)] = cell
        found += scratch[1, at(cell)]
    for k in range(found):
        cell = np.int64(scratch[2, at(k)])
        h0, h1 = chain_slot(b, cell - w), chain_slot(b, cell - 1)
        h2, h3 = chain_slot(b, cell + 1), chain_slot(b, cell + w)
        scratch[0, at(h1)] -= h1 == h0
        scratch[0, at(h2)] -= (h2 == h0) | (h2 == h1)
        scratch[0, at(h3)] -= (h3 == h0) | (h3 == h1) | (h3 == h2)


@kernel
def encode_lean_one(b, legal, row, table, scratch, out, i):
    """Write the planes of `LEAN` into out[i] [C, N*N]; table [N*N] is the symmetry.

    scratch: int16 [3, cells].
    """
    side, w, own = np.int64(b.side), np.int64(b.side) + 1, b.to_play
    points = side * side
    komi = (b.komi if own == WHITE else -b.komi) / KOMI_SCALE
    passed = 1.0 if b.ply > 0 and b.recent[0] == points else 0.0
    _count_liberties(b, scratch)
    point = 0
    for y in range(side):
        for cell in range((y + 1) * w + 1, (y + 1) * w + 1 + side):
            color = np.int64(b.color[at(cell)])
            liberties = min(np.int64(scratch[0, at(b.head[at(cell)])]), 3)
            banned = 7 if legal[at(row), at(point)] == KO_BANNED else 0
            plane = banned if color == EMPTY else liberties + (0 if color == own else 3)
            scratch[1, at(table[at(point)])] = plane
            point += 1
    for point in range(points):
        out[i, 0, point] = 1.0
    for plane in range(1, 8):
        for point in range(points):
            out[i, plane, point] = np.float32(scratch[1, point] == plane)
    for plane in range(8, 13):
        for point in range(points):
            out[i, plane, point] = 0.0
    for point in range(points):
        out[i, 13, point] = komi
    for point in range(points):
        out[i, 14, point] = passed
    for t in range(LAST_MOVES):
        action = b.recent[t]
        if 0 <= action < points:
            out[i, 8 + t, table[action]] = 1.0


@kernel(allocates=True)
def _encode_lean(boards, legal, symmetries, tables, out):
    scratch = np.empty((3, boards[0].color.shape[0]), np.int16)
    for i in range(len(boards)):
        encode_lean_one(boards[i], legal, i, tables[symmetries[i]], scratch, out, i)


@kernel
def encode_zero_one(b, snapshots, row, table, out, i):
    """Write the planes of `ZERO` into out[i] [17, N*N]; table [N*N] is the symmetry."""
    points = np.int64(b.side) * np.int64(b.side)
    own = np.int8(b.to_play)
    enemy = np.int8(3 - b.to_play)
    depth = snapshots.shape[1]
    upright = table[0] == 0 and table[1] == 1
    for t in range(ZERO_HISTORY):
        if t < b.length:
            slot = (b.length - 1 - t) % depth
            if upright:
                for point in range(points):
                    out[i, 2 * t, point] = np.float32(snapshots[row, slot, point] == own)
                for point in range(points):
                    out[i, 2 * t + 1, point] = np.float32(snapshots[row, slot, point] == enemy)
                continue
            for point in range(points):
                color = snapshots[row, slot, point]
                turned = at(table[at(point)])
                out[i, 2 * t, turned] = np.float32(color == own)
                out[i, 2 * t + 1, turned] = np.float32(color == enemy)
        else:
            for point in range(points):
                out[i, 2 * t, point] = 0.0
                out[i, 2 * t + 1, point] = 0.0
    for point in range(points):
        out[i, 16, point] = 1.0 if own == BLACK else 0.0


@kernel
def _encode_zero(boards, snapshots, symmetries, tables, out):
    for i in range(len(boards)):
        encode_zero_one(boards[i], snapshots, i, tables[symmetries[i]], out, i)
