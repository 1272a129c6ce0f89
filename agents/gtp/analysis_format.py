"""Analyses as the text that GUIs parse: `lz-analyze`, `kata-analyze`, CGOS.

All numbers are for the player to move. lz lines hold integers only (Lizzie throws on others), kata
lines floats with a point; `pv` ends each move, so that clients that read to the next `info` work,
followed by its visits only for those that ask.

Source: KataGo docs/GTP_Extensions.md; zakki/cgos wiki, GTP tournament game expansion 0.1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.mcts_agent import Analysis, MoveInfo
from go_env.coords import vertex_from_action

_CGOS_SCALE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"
MAX_PV = 20


@dataclass(frozen=True)
class Layout:
    """What to report, and how."""

    size: int
    kata: bool = True
    ownership: bool = False
    root_info: bool = False
    pv_visits: bool = False
    pv_edge_visits: bool = False  # the same numbers: positions are not shared between moves
    min_moves: int = 0
    max_moves: int | None = None


def winrate(value: float) -> float:
    """Map a value in [-1, 1] to [0, 1]."""
    return min(1.0, max(0.0, (value + 1) / 2))


def shown_moves(analysis: Analysis, layout: Layout) -> list[MoveInfo]:
    """Return the moves to report: searched ones, then likely ones up to `min_moves`."""
    moves = sorted(analysis.moves, key=lambda move: move.order)
    seen = {move.action for move in moves}
    for action in np.argsort(-analysis.policy):
        if len(moves) >= layout.min_moves or analysis.policy[action] <= 0:
            break
        if int(action) not in seen:
            moves.append(_unsearched(int(action), len(moves), analysis))
    return moves if layout.max_moves is None else moves[: layout.max_moves]


def _unsearched(action: int, order: int, analysis: Analysis) -> MoveInfo:
    return MoveInfo(
        action=action,
        visits=0,
        value=analysis.value,
        prior=float(analysis.policy[action]),
        score=analysis.score,
        lcb=-1.0,
        pv=[action],
        pv_visits=[0],
        order=order,
    )


def format_line(
    analysis: Analysis, layout: Layout, ownership: NDArray[np.float32] | None = None
) -> str:
    """Return one line of a stream; `ownership` [N*N] is used when the layout asks for it."""
    spread = score_spread(ownership if ownership is not None else analysis.ownership)
    score = analysis.score or 0.0
    parts = []
    for move in shown_moves(analysis, layout):
        fields = _kata_fields(move, score, spread) if layout.kata else _lz_fields(move)
        parts.append(f"info move {vertex_from_action(move.action, layout.size)} {fields} pv")
        parts += [vertex_from_action(action, layout.size) for action in move.pv[:MAX_PV]]
        for name in ["pvVisits"] * layout.pv_visits + ["pvEdgeVisits"] * layout.pv_edge_visits:
            parts += [name, *map(str, move.pv_visits[:MAX_PV])]
    if layout.root_info:
        parts.append(_root_info(analysis, spread))
    if layout.ownership and ownership is not None:
        parts.append("ownership " + " ".join(f"{owner:.4f}" for owner in ownership))
    return " ".join(parts)


def score_spread(ownership: NDArray[np.float32] | None) -> float:
    """Estimate the standard deviation of the score as if points were independent."""
    return 0.0 if ownership is None else float(np.sqrt(np.sum(1 - np.square(ownership))))


def _lz_fields(move: MoveInfo) -> str:
    return (
        f"visits {move.visits} winrate {round(10_000 * winrate(move.value))} "
        f"prior {round(10_000 * move.prior)} lcb {round(10_000 * winrate(move.lcb))} "
        f"order {move.order}"
    )


def _kata_fields(move: MoveInfo, root_score: float, spread: float) -> str:
    score = root_score if move.score is None else move.score
    return (
        f"visits {move.visits} utility {move.value:.6f} winrate {winrate(move.value):.6f} "
        f"scoreMean {score:.4f} scoreStdev {spread:.4f} scoreLead {score:.4f} "
        f"scoreSelfplay {score:.4f} prior {move.prior:.6f} lcb {winrate(move.lcb):.6f} "
        f"utilityLcb {move.lcb:.6f} order {move.order}"
    )


def _root_info(analysis: Analysis, spread: float) -> str:
    score = analysis.score or 0.0
    return (
        f"rootInfo visits {analysis.visits} utility {analysis.value:.6f} "
        f"winrate {winrate(analysis.value):.6f} scoreMean {score:.4f} scoreStdev {spread:.4f} "
        f"scoreLead {score:.4f} scoreSelfplay {score:.4f}"
    )


def cgos_json(analysis: Analysis, layout: Layout, ownership: NDArray[np.float32] | None) -> str:
    """Return the one JSON line of `cgos-genmove_analyze`."""
    report: dict[str, Any] = {
        "winrate": round(winrate(analysis.value), 4),
        "score": round(analysis.score or 0.0, 2),
        "visits": analysis.visits,
        "moves": [
            _cgos_move(move, analysis, layout.size) for move in shown_moves(analysis, layout)
        ],
    }
    if ownership is not None:
        scale = np.clip(np.rint((ownership + 1) / 2 * 62), 0, 62).astype(int)
        report["ownership"] = "".join(_CGOS_SCALE[i] for i in scale)
    return json.dumps(report, separators=(",", ":"))


def _cgos_move(move: MoveInfo, analysis: Analysis, size: int) -> dict[str, Any]:
    score = move.score if move.score is not None else analysis.score or 0.0
    return {
        "move": vertex_from_action(move.action, size),
        "winrate": round(winrate(move.value), 4),
        "score": round(score, 2),
        "prior": round(move.prior, 4),
        "pv": " ".join(vertex_from_action(action, size) for action in move.pv[1:MAX_PV]),
        "visits": move.visits,
    }


def without_moves(analysis: Analysis, allowed: Sequence[bool] | NDArray[np.bool_]) -> Analysis:
    """Return the analysis of the allowed actions only, ranked anew."""
    kept = [move for move in analysis.moves if allowed[move.action]]
    kept.sort(key=lambda move: move.order)
    moves = [replace(move, order=order) for order, move in enumerate(kept)]
    return replace(analysis, moves=moves, policy=analysis.policy * np.asarray(allowed))
