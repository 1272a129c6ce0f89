"""A baseline's rounds in this process: collect, learn, evaluate; equal to the bit from its seed."""

from __future__ import annotations

from pathlib import Path

from training.baselines.config import BaselineConfig
from training.baselines.run_files import open_baseline
from training.baselines.trainer import make_collector


def run(
    config: BaselineConfig, run_dir: Path, minutes: float | None = None, name: str = ""
) -> None:
    """Train in this process until the budget is spent; the same call goes on where one stopped."""
    with open_baseline(config, run_dir, minutes, name, runner="local", workers=1) as trainer:
        collector = make_collector(trainer.config, 0, trainer.starts, 1)
        while trainer.progress < 1.0:
            if trainer.evaluation_due:
                trainer.evaluate()
            trainer.absorb([collector.collect(task) for task in trainer.tasks(1)])
        trainer.finish()
