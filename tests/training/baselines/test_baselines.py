"""Learners as wholes: each solves the identity task; tables equal the solver; runs go on."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bandit_env
from agents.checkpoint import load_tensors, save_tensors
from agents.network import NetworkConfig
from agents.registry import make_agent
from bandit_env import ShownActionEnv
from go_env.errors import HonteError
from go_env.features import feature_set
from go_env.position import Position
from go_env.rules import Rules
from training.baselines import local_runner, trainer
from training.baselines.collectors import (
    PolicyCollector,
    PolicyTask,
    QCollector,
    QTask,
    go_games,
    unload,
)
from training.baselines.config import (
    BaselineLoop,
    DqnConfig,
    Exploration,
    Optimization,
    PolicyGradientConfig,
    PolicyGradientRunConfig,
    QRunConfig,
    load_baseline,
)
from training.baselines.dqn import DqnLearner
from training.baselines.learner import NetworkLearner
from training.baselines.policy_gradient import PolicyGradientLearner
from training.baselines.tabular import BOTH, TableLearner
from training.baselines.trainer import make_collector
from training.config import preset_names

PLANES = feature_set("lean").num_planes
NETWORK = NetworkConfig.sized(1, 8, "lean", 1, PLANES)
FAST = Optimization(learning_rate=1e-2, final_rate=1.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks this small lose time to a second thread, and whole cores where others work too."""
    torch.set_num_threads(1)


def hits(logits: torch.Tensor, planes: torch.Tensor) -> float:
    """Share of positions in which the best action is the one that is shown."""
    return float((logits.argmax(dim=1) == planes[:, 0].flatten(1).argmax(dim=1)).float().mean())


def shown(count: int = 64) -> torch.Tensor:
    env = ShownActionEnv(count, PLANES)
    return torch.from_numpy(env.reset(seed=99)[0])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"double": False},
        {"target_network": False},
        {"replay": False, "warmup": 0},
        {"steps": 1, "two_player": False},
        {"mask": False, "symmetries": False},
    ],
    ids=lambda change: " ".join(change) or "all",
)
def test_dqn_solves_the_identity_task(change: dict[str, bool]) -> None:
    dqn = DqnConfig(games=32, plies=4, warmup=200, batch=64, optimization=FAST)
    learner = DqnLearner(QRunConfig(network=NETWORK, dqn=replace(dqn, **change)))
    collector = QCollector(ShownActionEnv(32, PLANES), NETWORK, dqn.mask, seed=1)
    for _ in range(40):
        learner.absorb([collector.collect(QTask(unload(learner.network), 0.3, 4))], 0.0)
    with torch.no_grad():
        assert hits(learner.network(shown()), shown()) == 1.0


@pytest.mark.parametrize("method", ["reinforce none", "reinforce mean", "reinforce", "a2c", "ppo"])
def test_policy_gradients_solve_the_identity_task(method: str) -> None:
    name, _, base = method.partition(" ")
    settings = PolicyGradientConfig(
        method=name,  # type: ignore[arg-type]
        baseline=base or "value",  # type: ignore[arg-type]
        games=64,
        minibatch=32,
        opponents="self",
        optimization=FAST,
    )
    learner = PolicyGradientLearner(
        PolicyGradientRunConfig(network=NETWORK, policy_gradient=settings)
    )
    collector = PolicyCollector(ShownActionEnv(64, PLANES), NETWORK, symmetries=True, seed=1)
    for _ in range(60):
        learner.absorb([collector.collect(task) for task in learner.tasks(1, 0.0)], 0.0)
    with torch.no_grad():
        assert hits(learner.network(shown())[0], shown()) > 0.95


def run_table(preset: str, rounds: int) -> TableLearner:
    config = load_baseline("q-learning", preset)
    assert isinstance(config, QRunConfig)
    learner = TableLearner(config)
    collector = make_collector(config, 0, 1, 1)
    for i in range(rounds):
        learner.absorb([collector.collect(t) for t in learner.tasks(1, i / rounds)], i / rounds)
    return learner


def check_greedy_lines(learner: TableLearner, colors: tuple[int, ...]) -> None:
    """Compare values and best moves with the solver wherever greedy play can lead."""
    legal = learner.graph.legal
    learned = np.where(legal, learner.values, -np.inf)
    for color in colors:
        rows = learner.lines(color)
        error = np.abs(learned.max(axis=1) - learner.exact.max(axis=1))[rows]
        assert error.max() < 0.01
        best = np.take_along_axis(learner.exact, learned.argmax(axis=1)[:, None], axis=1)[:, 0]
        assert (best == learner.exact.max(axis=1))[rows].all()


def test_tabular_q_learning_is_exact_on_2x2() -> None:
    learner = run_table("2x2", 400)
    check_greedy_lines(learner, (0, 1, BOTH))
    assert learner.facts()["root_error"] < 1e-3
    assert learner.exact[0].max() == 1.0  # Black wins by a point, as on 2x2 with superko


def test_tabular_q_learning_plays_3x3_perfectly() -> None:
    learner = run_table("3x3", 4000)
    check_greedy_lines(learner, (BOTH,))
    # Black takes the whole board, but only from the middle.
    assert learner.exact[0].tolist() == [-1.0] * 4 + [1.0] + [-1.0] * 5
    assert learner.facts()["value_error"] < 0.1


def test_table_player_finds_its_rows_under_every_symmetry(tmp_path: Path) -> None:
    learner = run_table("2x2", 200)
    learner.publish(tmp_path / "table.safetensors", {})
    agent = make_agent(f"q:{tmp_path / 'table.safetensors'}", size=2)
    table = learner.table()
    for first in range(4):
        position = Position.initial(learner.config.rules).play(first)
        values = table.look_up(position)
        assert values is not None
        decision = agent.choose([position])[0]
        assert position.is_legal(decision.action)
        assert decision.value == pytest.approx(-1.0, abs=0.01)


def test_a_game_that_an_illegal_move_ended_is_counted_and_not_shown() -> None:
    env = go_games(Rules(3, 0.5, move_limit=9), "lean", 16)
    collector = QCollector(env, NETWORK, mask=False, seed=3)
    network = DqnLearner(QRunConfig(network=NETWORK)).network
    tallies = [collector.collect(QTask(unload(network), 1.0, 4)).tally for _ in range(20)]
    assert all(tally.games for tally in tallies)
    shown = [tally.sample for tally in tallies if tally.sample]
    assert shown
    assert all(Position.from_moves(Rules(3, 0.5, move_limit=9), moves).ended for moves in shown)


def test_a_step_without_plies_of_the_learner_trains_the_critic_only() -> None:
    learner = PolicyGradientLearner(PolicyGradientRunConfig(network=NETWORK))
    games = PolicyCollector(ShownActionEnv(4, PLANES), NETWORK, True, seed=1).collect(
        PolicyTask(*[unload(learner.network)] * 2)
    )
    plies = learner._judge(games)
    told = learner._update(plies, np.flatnonzero(~plies.own), 0.0)
    assert told["policy_loss"] == told["policy_entropy"] == 0.0
    assert told["value_loss"] > 0
    assert told["grad_norm"] > 0


def test_pool_games_alternate_between_learner_and_opponent() -> None:
    env = go_games(Rules(3, 0.5, move_limit=9), "lean", 4)
    network = PolicyGradientLearner(PolicyGradientRunConfig(network=NETWORK)).network
    games = PolicyCollector(env, NETWORK, True, seed=3).collect(PolicyTask(*[unload(network)] * 2))
    own = np.zeros(games.active.shape, np.bool_)
    own[games.active] = games.own
    plies = np.arange(len(own))[:, None]
    learner_is_white = np.arange(4) % 2
    assert (own == ((plies % 2 == learner_is_white) & games.active)).all()
    ends = games.active.sum(axis=0) - 1
    assert (np.abs(games.rewards[ends, np.arange(4)]) == 1).all()  # half-point komi: no draws
    assert np.count_nonzero(games.rewards) == 4


def small_run(algorithm: str, rounds: int) -> QRunConfig | PolicyGradientRunConfig:
    overrides = [
        "rules.size=3", "rules.komi=0.5", "rules.move_limit=12", "network.channels=8",
        "network.blocks=1", f"loop.rounds={rounds}", "loop.evaluations=2", "loop.anchor_games=4",
        "dqn.games=16", "dqn.warmup=256", "dqn.batch=64", "policy_gradient.games=8",
    ]  # fmt: skip
    other = "dqn" if algorithm == "policy-gradient" else "policy_gradient"
    chosen = [text for text in overrides if not text.startswith(f"{other}.")]
    return load_baseline(algorithm, "5x5", chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(("algorithm", "kind"), [("q-learning", "q"), ("policy-gradient", "pg")])
def test_run_goes_on_and_its_file_plays(tmp_path: Path, algorithm: str, kind: str) -> None:
    local_runner.run(small_run(algorithm, 4), tmp_path, name="first")
    local_runner.run(small_run(algorithm, 8), tmp_path, name="again")
    events = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    configs = [event for event in events if event["kind"] == "config"]
    assert [event["resumed"] for event in configs] == [False, True]
    games = [event["games"] for event in events if event["kind"] == "publish"]
    assert games == sorted(games)
    assert {event["opponent"] for event in events if event["kind"] == "evaluation"} == {"random"}
    decision = make_agent(f"{kind}:{tmp_path}", size=3).choose([Position.initial(Rules(3))])[0]
    assert decision.value is not None
    assert -1 <= decision.value <= 1
    wrong = "pg" if kind == "q" else "q"
    with pytest.raises(HonteError, match="use the player that fits"):
        make_agent(f"{wrong}:{tmp_path}", size=3)


def test_a_finished_run_ends_at_once_and_more_budget_goes_on(tmp_path: Path) -> None:
    def checkpoints() -> list[str]:
        return sorted(path.name for path in (tmp_path / "checkpoints").iterdir())

    local_runner.run(small_run("q-learning", 4), tmp_path)
    before = checkpoints()
    local_runner.run(small_run("q-learning", 4), tmp_path)
    assert checkpoints() == before
    events = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    ends = [event for event in events if event["kind"] == "done"]
    assert [end["champion"] for end in ends] == [ends[0]["champion"]] * 2
    assert "--minutes" in ends[1]["reason"]
    local_runner.run(small_run("q-learning", 6), tmp_path)
    assert checkpoints() > before


def test_an_evaluation_that_was_cut_short_is_made_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    def told() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    config = small_run("q-learning", 2)
    config = replace(config, loop=replace(config.loop, evaluations=1))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(trainer, "meet_anchor", stop)
        local_runner.run(config, tmp_path)
    for _ in range(2):
        local_runner.run(config, tmp_path)
    models = [event["model"] for event in told() if event["kind"] == "evaluation"]
    assert models == [event["model"] for event in told() if event["kind"] == "publish"]


def test_more_budget_is_evaluated_as_evenly_and_keeps_as_many_files(tmp_path: Path) -> None:
    for rounds in (8, 16):
        config = small_run("q-learning", rounds)
        loop = replace(config.loop, evaluations=4, keep_last=2, anchor_games=0)
        local_runner.run(replace(config, loop=loop), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    models = [line["model"] for line in lines if line["kind"] == "publish"]
    assert models == [1, 2, 3, 4, 5, 6, 7]  # at 0, 2, 4, 6, 8, then at 12 and 16 rounds
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def anchored(fault: str, games: int, run_dir: Path) -> list[dict[str, object]]:
    """Return the events of a run of one evaluation against an engine."""
    engine = f"gtp:{sys.executable} {Path(bandit_env.__file__).with_name('fake_engine.py')} {fault}"
    config = small_run("q-learning", 1)
    loop = replace(config.loop, evaluations=1, anchors=(engine,), anchor_games=games)
    local_runner.run(replace(config, loop=loop), run_dir)
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_games_that_an_anchor_loses_by_its_conduct_are_not_scored(tmp_path: Path) -> None:
    events = anchored("crash-always", 2, tmp_path)
    assert not [event for event in events if event["kind"] == "evaluation"]
    assert [event for event in events if event["kind"] == "alarm" and event["name"] == "anchor"]


def test_anchors_are_met_from_different_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = []
    meet = trainer.meet_anchor
    monkeypatch.setattr(
        trainer, "meet_anchor", lambda *given: met.append(given[-1]) or meet(*given)
    )
    anchored("none", 6, tmp_path)
    assert all(len({opening.moves for opening in openings}) == 3 for openings in met)


def test_a_table_does_not_become_a_network(tmp_path: Path) -> None:
    config = load_baseline("q-learning", "2x2", ["loop.rounds=1", "loop.anchor_games=0"])
    assert isinstance(config, QRunConfig)
    local_runner.run(config, tmp_path)
    with pytest.raises(HonteError, match="begun with another function: use a new --run"):
        local_runner.run(replace(config, function="network"), tmp_path)


def test_a_state_without_a_value_is_one_line(tmp_path: Path) -> None:
    config = small_run("q-learning", 1)
    local_runner.run(config, tmp_path)
    path = tmp_path / "state" / "baseline.safetensors"
    tensors, state = load_tensors(path)
    del state["starts"]
    save_tensors(path, tensors, state)
    with pytest.raises(HonteError, match="lacks 'starts': use a new --run directory"):
        local_runner.run(config, tmp_path)


@pytest.mark.parametrize("algorithm", ["q-learning", "policy-gradient"])
def test_local_runs_are_equal_to_the_bit(tmp_path: Path, algorithm: str) -> None:
    files = []
    for name in ("one", "two"):
        local_runner.run(small_run(algorithm, 5), tmp_path / name)
        newest = sorted((tmp_path / name / "checkpoints").iterdir())[-1]
        files.append(newest.read_bytes())
    assert files[0] == files[1]


def test_presets_are_complete_and_refuse_what_they_do_not_know() -> None:
    for algorithm in ("q-learning", "policy-gradient"):
        for preset in preset_names(algorithm):
            config = load_baseline(algorithm, preset)  # type: ignore[arg-type]
            assert config.rules.move_limit is not None
    with pytest.raises(HonteError, match=r"did you mean 'dqn\.steps'"):
        load_baseline("q-learning", "5x5", ["dqn.step=3"])
    for algorithm in ("q-learning", "policy-gradient"):
        with pytest.raises(HonteError, match="workers and anchor_games must not be negative"):
            load_baseline(algorithm, "5x5", ["loop.workers=-1"])  # type: ignore[arg-type]
        with pytest.raises(HonteError, match="seed must not be negative"):
            load_baseline(algorithm, "5x5", ["seed=-1"])  # type: ignore[arg-type]
    for bad in ("table.episodes=0", "dqn.reuse=-1", "dqn.optimization.weight_decay=-1"):
        with pytest.raises(HonteError, match="must"):
            load_baseline("q-learning", "5x5", [bad])
    with pytest.raises(HonteError, match="Markov"):
        load_baseline("q-learning", "3x3", ["rules.ko=positional"])


@pytest.mark.ray
@pytest.mark.parametrize("algorithm", ["q-learning", "policy-gradient"])
def test_several_collectors_on_ray(tmp_path: Path, algorithm: str) -> None:
    from training.baselines import ray_runner

    config = small_run(algorithm, 4)
    workers = len(os.sched_getaffinity(0)) + 1  # more than there are cores: they share
    config = replace(config, loop=replace(config.loop, workers=workers))
    ray_runner.run(config, tmp_path)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert '"kind": "done"' in text


def test_collectors_build_no_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its network would go to the GPU, in every process that plays."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a learner was built")

    for kind in (NetworkLearner, TableLearner):
        monkeypatch.setattr(kind, "__init__", fail)
    for config in (
        small_run("q-learning", 1), small_run("policy-gradient", 1),
        load_baseline("q-learning", "2x2"),
    ):  # fmt: skip
        make_collector(config, 0, 1, 1)


def test_exploration_falls_and_stays() -> None:
    plan = Exploration(first=1.0, last=0.2, until=0.5)
    assert [plan.epsilon(p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert BaselineLoop(minutes=2.0).progress(60.0, 0) == 0.5
