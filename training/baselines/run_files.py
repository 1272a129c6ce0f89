"""Opening the run directory of a baseline, new or gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.baselines.config import Algorithm, BaselineConfig, QRunConfig, load_baseline
from training.baselines.trainer import BaselineTrainer
from training.config import config_hash, provenance
from training.model_store import ModelStore
from training.run_files import earlier_config, open_log, settle_config


@contextmanager
def open_baseline(
    config: BaselineConfig,
    run_dir: Path,
    minutes: float | None,
    name: str,
    runner: str,
    workers: int,
) -> Iterator[BaselineTrainer]:
    """Yield the trainer of a run directory, new or gone on with; close everything after."""
    torch.set_num_threads(config.loop.threads)
    if minutes is not None:
        config = replace(config, loop=replace(config.loop, minutes=minutes, rounds=0))
    store = ModelStore(Path(run_dir))
    with store:
        algorithm = _algorithm(config)
        earlier = earlier_config(config, store, lambda path: load_baseline(algorithm, path))
        changed, resumed = settle_config(config, earlier, store), earlier is not None
        with open_log(store) as log:
            trainer = BaselineTrainer(config, store, log)
            facts = _description(trainer) | {"changed": changed, "resumed": resumed}
            log.emit("config", name=name, runner=runner, workers=workers, **facts)
            if trainer.unmeasured:
                trainer.measure()
            yield trainer


def _algorithm(config: BaselineConfig) -> Algorithm:
    return "q-learning" if isinstance(config, QRunConfig) else "policy-gradient"


def _description(trainer: BaselineTrainer) -> dict[str, Any]:
    config, facts = trainer.config, provenance(trainer.config)
    return {
        "config_hash": config_hash(config),
        "size": config.rules.size,
        "komi": config.rules.komi,
        "network": trainer.learner.shape,
        "parameters": trainer.learner.parameters,
        "simulations": 0,
        "search": "no search,",
        "seed": config.seed,
        "budget_s": None if config.loop.rounds else config.loop.minutes * 60,
        "git_commit": facts["git_commit"],
        "versions": facts["versions"],
    }
