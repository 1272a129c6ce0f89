"""Joining and starting Ray, and what comes back from its actors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import ray
from ray.exceptions import RayError

from go_env.errors import HonteError
from training import ray_cluster

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


def test_a_wrong_question_is_told_as_it_is_and_a_death_in_the_words_of_ray() -> None:
    class Actor:
        def ask(self) -> None:
            raise HonteError("there is no such thing")

        def die(self) -> None:
            os._exit(1)

    with ray_cluster.ray_cluster(None):
        actor = ray_cluster.actor_class(Actor, 1).remote()
        with pytest.raises(HonteError, match=r"^there is no such thing$"):
            ray_cluster.result_of(actor.ask.remote())
        with pytest.raises(RayError):
            ray_cluster.result_of(actor.die.remote())


def test_without_an_address_no_other_cluster_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """RAY_ADDRESS, or a cluster that runs here, would make Ray join and refuse our settings."""
    given: list[str | None] = []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr(ray, "init", lambda address=None, **_: given.append(address))
    for address in (None, "10.0.0.1:6379"):
        with ray_cluster.ray_cluster(address):
            pass
    assert given == ["local", "10.0.0.1:6379"]


def test_the_nodes_of_a_cluster_get_the_environment_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They were started by others: without it, more threads than cores, and no GPU to be seen."""
    given: list[dict[str, str]] = []
    monkeypatch.setattr(ray, "init", lambda **all_: given.append(all_["runtime_env"]["env_vars"]))
    with ray_cluster.ray_cluster("10.0.0.1:6379"):
        pass
    assert given[0]["OMP_NUM_THREADS"] == "1"
    assert given[0]["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"


def test_a_terminated_run_says_how_to_go_on() -> None:
    program = """
import os, signal
from training.matches.cli import ends_in_good_order
from training.ray_cluster import ray_cluster
with ends_in_good_order("stopped; the same command goes on"), ray_cluster(None):
    os.kill(os.getpid(), signal.SIGTERM)
    raise SystemExit("still running")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.splitlines()[0] == "stopped; the same command goes on"
    assert "SIGTERM" not in done.stderr
