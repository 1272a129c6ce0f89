"""What changes as a run's budget is spent."""

import pytest

from mcts.config import SearchConfig
from training.schedule import considered_moves, full_simulations
from training.self_play import SelfPlayConfig


def test_simulations_grow_evenly() -> None:
    config = SelfPlayConfig(first_simulations=32, simulations=64)
    assert [full_simulations(config, share) for share in (0.0, 0.5, 1.0)] == [32, 48, 64]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(0, 12, [12, 12, 12]), (32, 8, [32, 16, 8]), (4, 16, [4, 8, 16]), (2, 2, [2, 2, 2])],
)
def test_considered_moves_fall_or_grow_by_equal_factors(
    first: int, last: int, expected: list[int]
) -> None:
    config, search = SelfPlayConfig(first_considered=first), SearchConfig(considered=last)
    assert [considered_moves(config, search, share) for share in (0.0, 0.5, 1.0)] == expected
