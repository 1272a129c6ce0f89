"""Open a run directory for training: lock, configuration, logs, progress, trainer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from go_env.errors import HonteError
from training.config import (
    FIXED_KEYS,
    RunConfig,
    changed_keys,
    config_hash,
    config_toml,
    load_earlier,
    provenance,
    read_values,
)
from training.files import publish_text
from training.metrics import MetricsLog, TensorBoard, games_so_far
from training.model_store import ModelStore
from training.progress import Progress
from training.settings import to_mapping
from training.trainer import Trainer
from training.worker import is_installed

T = TypeVar("T")


@contextmanager
def open_run(
    config: RunConfig,
    run_dir: Path,
    hours: float | None,
    name: str,
    runner: str,
    workers: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Trainer]:
    """Yield the trainer of a run directory, new or gone on with; close everything after.

    `hours` takes the place of the configuration's budget, and `clock` (seconds) counts it.
    """
    torch.set_num_threads(config.learner.threads)
    if hours is not None:
        config = replace(config, loop=replace(config.loop, hours=hours, games=0))
    store = ModelStore(Path(run_dir))
    with store:
        earlier = earlier_config(config, store, load_earlier)
        if earlier and not config.start_from and store.numbers():
            config = replace(config, start_from=earlier.start_from)  # said once, it holds
        changed, resumed = settle_config(config, earlier, store), earlier is not None
        with open_log(store, clock) as log:
            log.emit("config", **_description(config, name, runner, workers, changed, resumed))
            for spec in config.loop.anchors if config.loop.rate_games else ():
                if not is_installed(spec):
                    log.emit("notice", message=f"rated without '{spec}': it is not installed")
            yield Trainer(config, store, log)


@contextmanager
def open_log(
    store: ModelStore, clock: Callable[[], float] = time.monotonic
) -> Iterator[MetricsLog]:
    """Yield the event log of a run directory, with the terminal and TensorBoard listening."""
    with closing(Progress()) as progress:
        board = TensorBoard(store.tensorboard_dir, games_so_far(store.metrics_path))
        with closing(MetricsLog(store.metrics_path, [board, progress], clock)) as log:
            yield log


def earlier_config(config: object, store: ModelStore, load: Callable[[str], T]) -> T | None:
    """Return what `load` reads of the run that lies in the directory; None if there is none.

    Raises HonteError if that has sections that the kind of `config` does not have.
    """
    if not store.config_path.is_file():
        return None
    path = str(store.config_path)
    other = read_values(path).keys() - to_mapping(config).keys()
    if other:
        raise HonteError(
            f"{store.root} holds a run of another kind (config.toml has '{min(other)}'): "
            "use a new --run directory"
        )
    return load(path)


def settle_config(config: object, earlier: object | None, store: ModelStore) -> list[str]:
    """Write the configuration, after a check against the one that the run began with.

    Returns the keys in which it differs from the earlier one.
    """
    changed: list[str] = []
    if earlier is not None:
        changed = changed_keys(to_mapping(earlier), to_mapping(config))
        fixed = [key for key in changed if key.split(".")[0] in FIXED_KEYS]
        if fixed and (store.numbers() or store.chunks()):  # else there is nothing to spoil
            raise HonteError(
                f"{store.root} was begun with another {fixed[0]}: use a new --run directory"
            )
    publish_text(store.config_path, config_toml(config))
    return changed


def _description(
    config: RunConfig, name: str, runner: str, workers: int, changed: list[str], resumed: bool
) -> dict[str, object]:
    from agents.network import new_network

    network = new_network(config.network, config.seed)
    facts = provenance(config)
    return {
        "name": name,
        "config_hash": config_hash(config),
        "size": config.rules.size,
        "komi": config.rules.komi,
        "network": str(config.network),
        "parameters": sum(p.numel() for p in network.parameters()),
        "simulations": config.self_play.simulations,
        "search": config.search.root,
        "runner": runner,
        "workers": workers,
        "seed": config.seed,
        "resumed": resumed,
        "budget_s": None if config.loop.games else config.loop.hours * 3600,
        "git_commit": facts["git_commit"],
        "versions": facts["versions"],
        "changed": changed,
    }
