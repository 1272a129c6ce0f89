"""Batches are cut into the shapes that cost least."""

from __future__ import annotations

import pytest

from agents.inference import batch_sizes, cut_batch


def test_batches_are_made_of_few_sizes() -> None:
    assert batch_sizes(1, 1, run_cost=2) == (1,)
    assert batch_sizes(24, 1, run_cost=2) == (1, 2, 4, 8, 16, 24)
    assert batch_sizes(256, 1, run_cost=2) == (1, 2, 4, 8, 16, 32, 64)  # 3 % of a run are fixed
    assert batch_sizes(64, 1, run_cost=256) == (1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64)
    assert batch_sizes(64, 16, run_cost=2) == (16, 32, 64)
    assert batch_sizes(64, 64, run_cost=256) == (64,)
    assert batch_sizes(128, 128, run_cost=2) == (128,)  # who asks for one shape gets it


def test_batches_are_cut_where_a_run_is_cheap_and_padded_where_it_is_dear() -> None:
    cheap, dear = batch_sizes(256, 1, 2), batch_sizes(256, 1, 256)
    assert cut_batch(200, cheap, 2) == [64, 64, 64, 8]
    assert cut_batch(63, cheap, 2) == [64]
    assert cut_batch(35, cheap, 2) == [32, 4]  # 32 + 2 + 1 would be three runs
    assert cut_batch(200, dear, 256) == [224]
    assert cut_batch(1000, dear, 256) == [256, 256, 256, 256]
    assert cut_batch(7, (16,), 2) == [16]


@pytest.mark.parametrize("run_cost", [1, 2, 13, 256])
def test_a_cut_holds_all_positions_at_the_lowest_cost(run_cost: int) -> None:
    shapes = batch_sizes(16, 1, run_cost)
    costs = {(): 0}
    for _ in range(6):  # all combinations of at most six shapes
        costs |= {
            tuple(sorted((*cut, shape))): cost + shape + run_cost
            for cut, cost in costs.items()
            for shape in shapes
        }
    for count in (*range(1, 17), 40, 333):
        cut = cut_batch(count, shapes, run_cost)
        assert count <= sum(cut) < count + min(cut)  # none of them is empty
        if count <= 16:
            best = min(cost for shapes_, cost in costs.items() if sum(shapes_) >= count)
            assert sum(cut) + run_cost * len(cut) == best


def test_little_is_evaluated_for_nothing() -> None:
    shapes = batch_sizes(256, 1, run_cost=2)
    padded = sum(sum(cut_batch(count, shapes, 2)) for count in range(1, 257))
    assert padded / sum(range(1, 257)) < 1.02
