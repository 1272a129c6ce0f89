"""Answers of KataGo's JSON analysis protocol. Source: KataGo docs/Analysis_Engine.md."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.gtp.analysis_format import score_spread
from agents.gtp.json_query import Perspective, Query
from agents.gtp.judge import estimate_ownership, is_informative
from agents.gtp.restriction import root_allowed
from agents.mcts_agent import Analysis, MoveInfo
from go_env.batch import PositionBatch
from go_env.coords import BLACK, WHITE, letter_from_color, vertex_from_action
from go_env.position import Position
from go_env.symmetry import point_tables
from mcts.evaluator import Evaluator

_DIGITS = 6


def format_reply(
    query: Query,
    turn_index: int,
    analysis: Analysis,
    evaluator: Evaluator | None,
    during_search: bool,
    default_perspective: Perspective,
) -> dict[str, Any]:
    """Return the answer for one turn; values are from the query's perspective."""
    position = query.positions[turn_index]
    side = {"BLACK": BLACK, "WHITE": WHITE}.get(query.perspective or default_perspective)
    view = _View(position, 1.0 if side in (None, position.to_play) else -1.0, analysis, evaluator)
    allowed = root_allowed(query.bans, position.to_play, position.size**2 + 1)
    moves = sorted((m for m in analysis.moves if allowed[m.action]), key=lambda m: m.order)
    reply: dict[str, Any] = {
        "id": query.id,
        "isDuringSearch": during_search,
        "turnNumber": query.turns[turn_index],
        "moveInfos": [view.move_info(move, order, query) for order, move in enumerate(moves)],
        "rootInfo": view.root_info(),
    }
    if query.include_ownership:
        reply["ownership"] = _numbers(view.ownership())
    if query.include_policy:
        reply["policy"] = view.policy()
    return reply


class _View:
    """One analyzed position, seen from one side."""

    def __init__(
        self, position: Position, sign: float, analysis: Analysis, evaluator: Evaluator | None
    ) -> None:
        """Prepare a view; `sign` is 1 for the player to move, -1 for the other side."""
        self._position = position
        self._sign = sign
        self._analysis = analysis
        self._evaluator = evaluator
        self._lead = 0.0 if analysis.score is None else analysis.score
        self._spread = score_spread(analysis.ownership)

    def move_info(self, move: MoveInfo, order: int, query: Query) -> dict[str, Any]:
        size, sign = self._position.size, self._sign
        pv = move.pv[: query.pv_length + 1]
        info: dict[str, Any] = {
            "move": vertex_from_action(move.action, size),
            "visits": move.visits,
            "edgeVisits": move.visits,
            **self._values(move.value, self._lead if move.score is None else move.score),
            "prior": round(move.prior, _DIGITS),
            "lcb": round((1 + sign * move.lcb) / 2, _DIGITS),
            "utilityLcb": round(sign * move.lcb, _DIGITS),
            "weight": float(move.visits),
            "edgeWeight": float(move.visits),
            "playSelectionValue": float(move.visits),
            "order": order,
            "pv": [vertex_from_action(action, size) for action in pv],
        }
        if query.include_pv_visits:
            info["pvVisits"] = info["pvEdgeVisits"] = move.pv_visits[: len(pv)]
        if query.include_moves_ownership:
            info["ownership"] = _numbers(self._ownership_after(move.action))
        return info

    def root_info(self) -> dict[str, Any]:
        analysis = self._analysis
        return {
            "currentPlayer": letter_from_color(self._position.to_play).upper(),
            "visits": analysis.visits,
            **self._values(analysis.value, self._lead),
            "weight": float(analysis.visits),
            "lcb": round((1 + self._sign * analysis.value) / 2, _DIGITS),
            "thisHash": position_hash(self._position, 0),
            "symHash": min(position_hash(self._position, s) for s in range(8)),
        }

    def ownership(self) -> NDArray[np.float32]:
        if is_informative(self._analysis.ownership):
            return self._sign * self._analysis.ownership
        return self._from_black(estimate_ownership(self._position, self._evaluator))

    def policy(self) -> list[float]:
        """Return [A]: the evaluator's policy over legal actions, -1 for illegal ones."""
        legal, policy = self._position.legal(), self._analysis.policy
        if self._evaluator is not None:
            batch = PositionBatch.of([self._position], self._evaluator.history)
            policy = self._evaluator.evaluate(batch).policy[0]
        policy = np.where(legal, policy, 0.0)
        total = float(policy.sum())
        shares = policy / total if total > 0 else legal / legal.sum()
        return [round(float(p), 8) if ok else -1.0 for p, ok in zip(shares, legal, strict=True)]

    def _values(self, value: float, lead: float) -> dict[str, float]:
        sign = self._sign
        lead = round(sign * lead, _DIGITS)
        return {
            "winrate": round((1 + sign * value) / 2, _DIGITS),
            "utility": round(sign * value, _DIGITS),
            "scoreLead": lead,
            "scoreMean": lead,
            "scoreSelfplay": lead,
            "scoreStdev": round(self._spread, _DIGITS),
        }

    def _ownership_after(self, action: int) -> NDArray[np.float32]:
        child = self._position.play(action)
        return self._from_black(estimate_ownership(child, self._evaluator))

    def _from_black(self, ownership: NDArray[np.float32]) -> NDArray[np.float32]:
        to_mover = 1.0 if self._position.to_play == BLACK else -1.0
        return np.asarray(ownership * to_mover * self._sign, np.float32)


def _numbers(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 4) for value in values]


def position_hash(position: Position, symmetry: int) -> str:
    """Return 32 hexadecimal digits for stones and player to move, on one image of the board."""
    image = np.empty(position.size**2, np.int8)
    image[point_tables(position.size)[symmetry]] = position.board.ravel()
    data = bytes([position.size, position.to_play]) + image.tobytes()
    return hashlib.blake2b(data, digest_size=16).hexdigest().upper()
