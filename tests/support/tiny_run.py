"""A whole run that takes seconds: `python tiny_run.py RUN_DIR [GAMES]` is the local runner.

Torch in float32 on one thread, so that it is the same on every machine that does the same sums.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agents.inference_config import InferenceConfig
from agents.network import NetworkConfig
from go_env.features import feature_set
from go_env.rules import Rules
from mcts.config import SearchConfig
from training.config import RunConfig
from training.gatekeeper import GateConfig
from training.learner import LearnerConfig
from training.replay import ReplayConfig
from training.schedule import LoopConfig
from training.self_play import SelfPlayConfig


def tiny_config(
    games: int = 150, seed: int = 3, size: int = 3, simulations: int = 4, workers: int = 0
) -> RunConfig:
    """Return a run on a tiny board; every part of the loop happens several times in it."""
    features = feature_set("lean")
    return RunConfig(
        seed=seed,
        rules=Rules(size, 9.0 if size == 3 else 25.0),
        network=NetworkConfig.sized(1, 8, "lean", features.version, features.num_planes),
        inference=InferenceConfig(backend="torch", precision="fp32"),
        search=SearchConfig(considered=4),
        self_play=SelfPlayConfig(games=16, simulations=simulations, first_simulations=2),
        replay=ReplayConfig(first_rows=400, start_rows=100, reuse=2.0),
        learner=LearnerConfig(batch=32, precision="fp32", warmup_steps=4),
        gate=GateConfig(pairs=2, simulations=2),
        loop=LoopConfig(
            games=games, rounds=4, publish_steps=15, gate_every=1, keep_last=100, rate_games=2,
            rate_simulations=2, anchors=("random",), workers=workers,
        ),
    )  # fmt: skip


def main() -> None:
    from training.local_runner import run

    games = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    run(tiny_config(games), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
