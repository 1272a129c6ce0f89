"""The measuring functions of inference: what they count and that they cover every backend."""

from __future__ import annotations

import pytest

from agents.backend_choice import find_candidates
from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig
from go_env.errors import HonteError
from training.bench.inference import (
    flop_per_position,
    measure_inference,
    parse_network,
    table,
)


def test_the_arithmetic_is_counted_by_hand() -> None:
    config = NetworkConfig(blocks=1, channels=2, planes=3, head_channels=4)
    stem, block, heads = 3 * 2 * 9, 2 * (2 * 2 * 9), 3 * (2 * 4)
    assert flop_per_position(config, 5) == 2 * 25 * (stem + block + heads)


def test_networks_are_named_by_blocks_and_channels() -> None:
    assert str(parse_network("6x64")) == "6x64"
    with pytest.raises(HonteError, match="'big' is not understood"):
        parse_network("big")


def test_every_backend_is_measured_at_every_batch() -> None:
    ceilings = {"fp32": 100.0, "bf16": 1000.0, "int8": 2000.0}
    rows = list(measure_inference(["1x8"], [1, 4], size=5, seconds=0.0, ceilings=ceilings))
    candidates = find_candidates(parse_network("1x8"), InferenceConfig())
    assert [(row.backend, row.batch) for row in rows] == [
        (candidate.name, batch) for candidate in candidates for batch in (1, 4)
    ]
    for row in rows:
        assert row.positions_per_s > 0
        assert row.ceiling_share == pytest.approx(
            row.gflop_per_s / ceilings[row.backend.split()[-1]]
        )
    assert len(table(rows, ceilings).splitlines()) == len(rows) + 2
