"""The backend that was measured the fastest is taken again without measuring, and only then."""

from pathlib import Path

import pytest

from agents import backend_choice, backend_memory
from agents.backend_choice import choose_backend
from agents.inference_config import InferenceConfig
from networks import filled_network

CONFIG = InferenceConfig(backend="torch", precision="fp32")


def test_a_choice_is_remembered_for_the_same_question_only():
    network = filled_network().config
    key = backend_memory.choice_key(network, "a", 9)
    backend_memory.remember(key, "torch fp32")
    assert backend_memory.recall(key) == "torch fp32"
    assert backend_memory.recall(backend_memory.choice_key(network, "a", 5)) is None
    assert backend_memory.recall(backend_memory.choice_key(network, "b", 9)) is None


def test_a_damaged_memory_is_forgotten(tmp_path: Path):
    (tmp_path / "backends.json").write_text("{broken")
    assert backend_memory.recall("key") is None
    backend_memory.remember("key", "torch fp32")
    assert backend_memory.recall("key") == "torch fp32"


def test_the_favorite_comes_first_and_ends_the_measuring(monkeypatch: pytest.MonkeyPatch):
    network = filled_network()
    weights = network.state_dict()
    config = InferenceConfig(backend="torch")
    names = [each.name for each in backend_choice.find_candidates(network.config, config)]
    slowest = names[-1]
    monkeypatch.setattr(backend_choice, "recall", lambda key: slowest)
    chosen = choose_backend(network.config, weights, config, 5)
    assert chosen.name == slowest
    assert len(chosen.report) == 1


def test_what_was_chosen_is_noted():
    network = filled_network()
    candidates = backend_choice.find_candidates(network.config, CONFIG)
    key = backend_memory.choice_key(
        network.config, f"{CONFIG} {[each.name for each in candidates]}", 5
    )
    choose_backend(network.config, network.state_dict(), CONFIG, 5)
    assert backend_memory.recall(key) == "torch fp32"
