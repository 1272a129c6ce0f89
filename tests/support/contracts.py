"""Promises that every implementation of a seam keeps, checked by one function each."""

from __future__ import annotations

import numpy as np

from go_env.batch import PositionBatch
from go_env.position import Position
from mcts.evaluator import Evaluation, Evaluator


def check_evaluator(
    evaluator: Evaluator, positions: list[Position], tolerance: float | None = 0.0
) -> None:
    """Check shapes, ranges and independence of rows.

    tolerance: how far a row may move when its neighbors change; None: its answers are random.
    """
    batch = PositionBatch.of(positions, evaluator.history)
    before = [array.copy() for array in (batch.boards, batch.legal, batch.snapshots)]
    whole = copied(evaluator.evaluate(batch))
    for array, old in zip((batch.boards, batch.legal, batch.snapshots), before, strict=True):
        assert array.tobytes() == old.tobytes(), "an evaluator changed its input"
    _check_arrays(whole, batch)
    if tolerance is None:
        return
    for rows in ([0], [len(positions) - 1], list(range(len(positions)))[::-2]):
        part = PositionBatch.of([positions[i] for i in rows], evaluator.history)
        answer = evaluator.evaluate(part)
        for name, array in vars(whole).items():
            if array is not None:
                np.testing.assert_allclose(getattr(answer, name), array[rows], atol=tolerance)


def copied(answer: Evaluation) -> Evaluation:
    """Return an answer that the next call cannot overwrite."""
    arrays = {name: None if a is None else a.copy() for name, a in vars(answer).items()}
    return Evaluation(**arrays)  # type: ignore[arg-type]


def _check_arrays(answer: Evaluation, batch: PositionBatch) -> None:
    count, points = len(batch), batch.size * batch.size
    shapes = {"policy": (count, points + 1), "value": (count,), "score": (count,),
              "ownership": (count, points)}  # fmt: skip
    for name, shape in shapes.items():
        array = getattr(answer, name)
        if array is None:
            assert name in ("score", "ownership")
            continue
        assert array.shape == shape, name
        assert array.dtype == np.float32, name
        assert np.isfinite(array).all(), name
    assert (answer.policy >= 0).all()
    legal_mass = np.where(batch.legal == 1, answer.policy, 0).sum(axis=1)
    assert (legal_mass > 0).all(), "no legal action has a chance"
    assert (np.abs(answer.value) <= 1 + 1e-6).all()
    if answer.ownership is not None:
        assert (np.abs(answer.ownership) <= 1 + 1e-6).all()
    if answer.score is not None:
        assert (np.abs(answer.score) <= 3 * points + 50).all()
