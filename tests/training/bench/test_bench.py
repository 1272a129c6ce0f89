"""`honte bench`: every part measures what it says and prints it; no time is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.backend_choice import find_candidates
from agents.inference_config import InferenceConfig
from go_env.errors import HonteError
from training.bench import inference, kernels, loop, run
from training.bench.inference import parse_network
from training.bench.timing import Figure

SIZE, NETWORK = 5, "1x8"
ROWS = {
    "rules": (
        "rules, 5x5",
        ["random playouts, positional ko", "random playouts, simple ko", "positions: move",
         "positions with zero", "positions with lean", "vector environment, 6 games"],
    ),
    "search": (
        "search with a constant evaluator, 5x5",
        [f"{root} root, 6 games x {simulations} simulations"
         for root in ("puct", "gumbel") for simulations in (32, 200)],
    ),
    "inference": ("inference, 5x5", []),  # one a candidate and batch
    "selfplay": (
        "self-play, 5x5, 1x8",
        ["self-play, ", "evaluations inside", "padding", "games of 25"],
    ),
    "learner": ("learner, 5x5, 1x8", ["learner step, batch 256", "data: rows"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few games, and workers and matrices of a size that a test can wait for."""
    monkeypatch.setattr(kernels, "lockstep_games", lambda size: 6)
    monkeypatch.setattr(loop, "lockstep_games", lambda size: 6)
    monkeypatch.setattr(loop, "_WORKERS", ((5, 4, 8),))
    monkeypatch.setattr(inference, "_MATMUL_SIDE", 64)


def measured(part: str, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of each section, by its title, as other programs read them."""
    run.run_bench(part, SIZE, NETWORK, seconds=0.0, as_json=True)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    sections = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return {section["title"]: section["figures"] for section in sections}


def check_rows(part: str, figures: list[dict[str, Any]]) -> None:
    names = [figure["name"] for figure in figures]
    wanted = ROWS[part][1]
    if part == "inference":
        candidates = find_candidates(parse_network(NETWORK), InferenceConfig())
        wanted = [f"1x8 {each.name}, batch {n}" for each in candidates for n in (1, 64, 256)]
    assert len(names) == len(wanted)
    for name, start in zip(names, wanted, strict=True):
        assert name.startswith(start)
    for figure in figures:
        amounts = figure["rate"] or {"amount": figure["amount"]}
        assert all(amount >= 0 for amount in amounts.values()), figure
        if figure["rate"]:
            assert figure["rate"]["low"] <= figure["rate"]["per_cpu_s"] <= figure["rate"]["high"]
            assert figure["rate"]["low"] > 0


@pytest.mark.parametrize("part", ROWS)
def test_a_part_measures_nothing_else(
    part: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = {
        (kernels, "measure_rules"): "rules",
        (kernels, "measure_search"): "search",
        (run, "_inference"): "inference",
        (loop, "measure_self_play"): "selfplay",
        (loop, "measure_memory"): "selfplay",
        (loop, "measure_learner"): "learner",
    }
    called = []

    def stand_in(owner: str) -> Callable[..., Iterator[Figure]]:
        def measure(*_: object) -> Iterator[Figure]:
            called.append(owner)
            yield Figure(owner, "units/s", amount=1.0)

        return measure

    for (module, name), owner in measures.items():
        monkeypatch.setattr(module, name, stand_in(owner))
    sections = measured(part, capsys)
    assert set(called) == {part}
    assert set(sections) - {"memory"} == {"this machine", ROWS[part][0]}
    assert ("memory" in sections) == (part == "selfplay")
    assert sections["this machine"][-1]["name"].startswith("memory copy")


def test_all_is_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    sections = measured("all", capsys)
    for part, (title, _) in ROWS.items():
        check_rows(part, sections[title])
    (worker,) = sections["memory"]
    assert worker["name"] == "worker 5x5, 4 games x 8 simulations"
    assert worker["amount"] > 50, "a process with torch takes more MiB than that"


def test_tables_show_what_the_json_says(capsys: pytest.CaptureFixture[str]) -> None:
    run.run_bench("rules", SIZE, NETWORK, seconds=0.0, as_json=False)
    text = capsys.readouterr().out
    for row in ROWS["rules"][1]:
        assert row in text
    assert "per core second" in text


def test_an_unknown_part_is_an_error() -> None:
    with pytest.raises(HonteError, match="unknown part 'tree': use one of rules, search"):
        run.run_bench("tree", SIZE, NETWORK, seconds=0.0, as_json=False)
