"""The learner: it can learn, goes on exactly, averages, and survives a bad batch."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.checkpoint import load_tensors, save_tensors
from agents.network import NetworkConfig
from go_env.errors import HonteError
from training.learner import Learner, LearnerConfig, _has_fast_bf16
from training.replay import Batch

NETWORK = NetworkConfig.sized(2, 8, "lean", 1, 15)
PLAIN = LearnerConfig(precision="fp32", warmup_steps=1, batch=16)
OPTIMIZERS = {
    "adamw": PLAIN,
    "sgd": replace(PLAIN, optimizer="sgd", learning_rate=0.01),
}


def batch(seed: int = 0, count: int = 16, size: int = 5) -> Batch:
    """Return a batch of noise with proper targets."""
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.full(size * size + 1, 0.2), count)
    score = rng.integers(-20, 21, count)
    return Batch(
        planes=rng.standard_normal((count, 15, size, size)).astype(np.float32),
        policy=policy.astype(np.float32),
        value=np.sign(score).astype(np.float32),
        short_term_value=rng.uniform(-1, 1, count).astype(np.float32),
        score=score.astype(np.float32),
        ownership=rng.choice([-1, 0, 1], (count, size * size)).astype(np.float32),
    )


def weights_of(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fixed_batch_is_learned_by_heart(name: str) -> None:
    steps = 400
    learner = Learner(
        replace(NETWORK, channels=16), replace(OPTIMIZERS[name], learning_rate=0.01), 1
    )
    data = batch(count=8)
    first = learner.step(data, 0.0)
    for _ in range(steps):
        last = learner.step(data, 0.0)
    entropy = float(-(data.policy * np.log(np.maximum(data.policy, 1e-9))).sum(axis=1).mean())
    assert first["policy"] == pytest.approx(math.log(26), abs=1e-3)  # it starts uniform
    assert last["policy"] < entropy + 0.1
    assert last["value"] < 0.1 * first["value"]
    assert last["score"] < 0.2 * first["score"]
    assert last["ownership"] < 0.6 * first["ownership"]
    terms, values, _ = learner.judge(data)
    assert terms["value"] == pytest.approx(last["value"], abs=0.05)
    assert np.abs(values - data.value).max() < 0.3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_from_a_file_is_exact(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    learner = Learner(NETWORK, OPTIMIZERS[name], seed=1)
    for i in range(5):
        learner.step(batch(i), 0.1)
    tensors, values = learner.state()
    save_tensors(tmp_path / "learner.safetensors", tensors, values)
    read, facts = load_tensors(tmp_path / "learner.safetensors")
    twin = Learner(NETWORK, OPTIMIZERS[name], seed=99)
    twin.restore(read, facts)
    for i in range(5, 9):
        assert learner.step(batch(i), 0.7) == twin.step(batch(i), 0.7)
        assert equal(weights_of(learner), weights_of(twin))
        assert equal(learner.averaged, twin.averaged)
    assert (learner.steps, learner.samples) == (twin.steps, twin.samples) == (9, 9 * 16)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_with_the_other_optimizer(name: str) -> None:
    learner = Learner(NETWORK, OPTIMIZERS[name], seed=1)
    learner.step(batch(0), 0.0)
    (other,) = OPTIMIZERS.keys() - {name}
    twin = Learner(NETWORK, OPTIMIZERS[other], seed=99)
    twin.restore(*learner.state())
    assert equal(weights_of(learner), weights_of(twin))
    for i in (1, 2):
        assert math.isfinite(twin.step(batch(i), 0.1)["loss"])
    assert twin.steps == 3


def test_emulated_bf16_is_not_taken_for_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Ampere a GPU emulates bf16, slower than fp32."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )
    assert not _has_fast_bf16()


def test_the_seed_decides_the_weights() -> None:
    one, again, other = (Learner(NETWORK, PLAIN, seed) for seed in (1, 1, 2))
    assert equal(weights_of(one), weights_of(again))
    assert not equal(weights_of(one), weights_of(other))


def poisoned(field: str) -> Batch:
    data = batch(7)
    getattr(data, field)[3] = np.nan
    return data


@pytest.mark.parametrize("field", ["planes", "policy", "score"])
def test_steps_that_are_not_finite_are_left_out(field: str) -> None:
    learner = Learner(NETWORK, PLAIN, seed=1)
    learner.step(batch(0), 0.0)
    before, averaged = weights_of(learner), {k: v.clone() for k, v in learner.averaged.items()}
    facts = learner.step(poisoned(field), 0.0)
    assert not math.isfinite(facts["loss"])
    assert learner.skipped == 1
    assert equal(before, weights_of(learner))
    assert equal(averaged, learner.averaged)
    assert math.isfinite(learner.step(batch(1), 0.0)["loss"])
    assert not equal(before, weights_of(learner))


def test_three_bad_steps_in_a_row_are_an_error() -> None:
    learner = Learner(NETWORK, PLAIN, seed=1)
    for data in (poisoned("planes"), poisoned("planes"), batch(0), poisoned("planes")):
        learner.step(data, 0.0)
    learner.step(poisoned("planes"), 0.0)
    with pytest.raises(HonteError, match="diverged"):
        learner.step(poisoned("planes"), 0.0)


def test_the_average_follows_the_weights() -> None:
    learner = Learner(NETWORK, replace(PLAIN, average=0.5), seed=1)
    expected = weights_of(learner)
    for step in range(12):
        learner.step(batch(step), 0.0)
        decay = min(0.5, (1 + step) / (10 + step))  # young averages forget faster
        now = weights_of(learner)
        expected = {k: decay * expected[k] + (1 - decay) * now[k] for k in now}
    for name, tensor in learner.weights().items():
        torch.testing.assert_close(tensor, expected[name])
    raw = Learner(NETWORK, replace(PLAIN, average=0.0), seed=1)
    raw.step(batch(0), 0.0)
    assert equal(raw.weights(), weights_of(raw))


def test_playing_weights_are_copies() -> None:
    learner = Learner(NETWORK, PLAIN, seed=1)
    held = learner.weights()
    before = {name: tensor.clone() for name, tensor in held.items()}
    network = learner.playing_network()
    learner.step(batch(0), 0.0)
    assert equal(held, before)
    assert equal(dict(network.state_dict()), before)


def test_rate_warms_up_holds_and_falls() -> None:
    config = LearnerConfig(learning_rate=1.0, warmup_steps=100, hold=0.6, final_rate=0.1)
    assert config.rate(0, 0.0) == pytest.approx(0.01)
    assert config.rate(49, 0.0) == pytest.approx(0.5)
    assert config.rate(100, 0.6) == pytest.approx(1.0)
    assert config.rate(100, 0.8) == pytest.approx(0.55)  # half of the cosine: (1 + 0.1) / 2
    assert config.rate(100, 1.0) == config.rate(100, 1.5) == pytest.approx(0.1)


def test_gradients_are_clipped() -> None:
    config = replace(PLAIN, optimizer="sgd", momentum=0.0, clip_norm=0.01, weight_decay=0.0)
    learner = Learner(NETWORK, replace(config, learning_rate=1.0), seed=1)
    before = [parameter.detach().clone() for parameter in learner.network.parameters()]
    assert learner.step(batch(0), 0.0)["grad_norm"] > 0.1
    after = [parameter.detach() for parameter in learner.network.parameters()]
    moved = sum(float((b - a).square().sum()) for a, b in zip(before, after, strict=True))
    assert math.sqrt(moved) == pytest.approx(0.01, rel=1e-3)


def test_boards_of_several_sizes() -> None:
    learner = Learner(NETWORK, PLAIN, seed=1)
    for size in (3, 5, 4):
        assert math.isfinite(learner.step(batch(0, size=size), 0.0)["loss"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"learning_rate": 0.0},
        {"hold": 1.5},
        {"average": 1.0},
        {"learning_rate": math.nan},
        {"weight_decay": math.nan},
        {"clip_norm": math.inf},
    ],
)
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(HonteError, match="learner"):
        LearnerConfig(**wrong)  # type: ignore[arg-type]


def test_a_compiled_network_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_nothing(network: torch.nn.Module) -> torch.nn.Module:
        compiled.append(network)
        return torch.nn.Sequential(network)  # a wrapper, as torch's: the weights stay the network's

    monkeypatch.setattr(torch, "compile", compile_nothing)
    plain, wrapped = Learner(NETWORK, PLAIN, 1), Learner(NETWORK, replace(PLAIN, compile=True), 1)
    assert compiled == [wrapped.network]
    for seed in range(3):
        assert plain.step(batch(seed), 0.0) == wrapped.step(batch(seed), 0.0)
    assert equal(plain.weights(), wrapped.weights())
    assert equal(plain.state()[0], wrapped.state()[0])
