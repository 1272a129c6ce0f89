"""Ray itself: joining or starting a cluster, actors, what calls of theirs bring back.

Ray is imported here and in the three runners of training, baselines and matches.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from go_env.errors import HonteError
from training.cores import own_cores

# One thread each; and the GPUs, which older versions of Ray hide from actors that reserve none.
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_OBJECT_STORE_BYTES = 512 * 1024**2


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """Join a cluster, or start a Ray of our own on this machine; leave or stop it at the end."""
    with _termination_kept():
        _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    for variable, value in _WORKER_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    try:
        if address:
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR,
                runtime_env={"env_vars": _WORKER_ENVIRONMENT},  # its nodes do not inherit ours
            )  # fmt: skip
        else:
            ray.init(
                address="local", num_cpus=own_cores(),
                object_store_memory=_OBJECT_STORE_BYTES, logging_level=logging.ERROR, **quiet,
            )  # fmt: skip
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        raise HonteError(
            f"Ray is not reachable at {address or 'this machine'}: {reason}; "
            "check --address (clusters with tokens: set RAY_AUTH_MODE=token), or use --runner local"
        ) from None


@contextmanager
def _termination_kept() -> Iterator[None]:
    """Handle SIGTERM as before: `ray.init` puts a handler there that dumps a stack and aborts."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def available_cores() -> int:
    """Return the number of workers by default: one a core of the machine or cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]


def actor_class(kind: type, workers: int) -> Any:
    """Return the class of one of so many actors: with a core each, or sharing what there is.

    An actor whose core does not exist would never start, and who waits for it would wait forever.
    """
    cores = 1 if workers <= available_cores() else 0
    return ray.remote(num_cpus=cores, scheduling_strategy="SPREAD")(kind)


def result_of(call: Any) -> Any:
    """Wait for an actor's call and return its result; RayError: the actor or its call broke.

    A HonteError comes out as itself: what was asked is wrong, and a new actor would say the same.
    """
    try:
        return ray.get(call)
    except RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, HonteError):
            raise cause from None
        raise


def last_line(error: RayError) -> str:
    """Return the line of Ray's report that says most."""
    lines = str(error).strip().splitlines()
    return lines[-1][:200] if lines else type(error).__name__
