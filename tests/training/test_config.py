"""Runs are described by presets, files and overrides, and the description is kept whole."""

import json
import subprocess
from pathlib import Path

import pytest

from go_env.errors import HonteError
from go_env.features import FEATURE_SETS, feature_set
from training import config as config_module
from training.config import (
    changed_keys,
    config_hash,
    config_toml,
    git_commit,
    load_config,
    load_earlier,
    preset_names,
    provenance,
)
from training.cores import own_cores
from training.settings import to_mapping


def test_presets_of_the_readme_exist() -> None:
    assert preset_names() == ["19x19-cluster", "5x5", "7x7", "9x9", "9x9-gpu"]


@pytest.mark.parametrize("name", ["5x5", "7x7", "9x9", "9x9-gpu", "19x19-cluster"])
def test_preset_loads_and_its_resolved_form_loads_to_the_same(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    assert config.rules.size == int(name.partition("x")[0])
    path = tmp_path / "config.toml"
    path.write_text(config_toml(config))
    assert load_config(str(path)) == config


def test_extended_preset_keeps_what_it_does_not_name() -> None:
    base, extended = load_config("9x9"), load_config("9x9-gpu")
    assert extended.rules == base.rules
    assert extended.replay.reuse == base.replay.reuse
    assert extended.learner.batch > base.learner.batch


def test_overrides_lie_over_the_preset() -> None:
    config = load_config("5x5", ["seed=7", "learner.losses.value=2", "loop.small_sizes=4,3"])
    assert (config.seed, config.learner.losses.value, config.loop.small_sizes) == (7, 2.0, (4, 3))
    assert config.rules == load_config("5x5").rules


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_planes_follow_from_the_feature_set(name: str) -> None:
    network = load_config("5x5", [f"network.features={name}"]).network
    features = feature_set(name)
    assert network.planes == len(features.planes)
    assert network.feature_version == features.version


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network.planes=3"], "network.planes is 3, but features"),
        (["network.features=leen"], "leen"),
        (["network.features=[0]"], "'network.features' must be a text"),
        (["self_play.move_limit=1e308"], "a move_limit up to 100"),
        (["network=3"], "'network' must be a table"),
        (["self_play.simulatoins=3"], "did you mean 'self_play.simulations'?"),
        (["simulations=3"], "did you mean 'self_play.simulations' or 'gate.simulations'?"),
        (["learner.losses.valeu=3"], "did you mean 'learner.losses.value'?"),
        (["gate.mode=strickt"], "must be one of latest | strict"),
        (["loop.first_small_share=0.5"], "[loop] loop.first_small_share needs loop.small_sizes"),
        (["loop.workers=-1"], "[loop] loop games, workers, most_due_steps, rate_games must not"),
        (["loop.most_due_steps=-1"], "must not be negative"),
        (["loop.rate_games=-2"], "must not be negative"),
        (["loop.rate_simulations=0"], "[loop] loop.rate_simulations must be at least 1"),
        (["replay.first_reuse=-1"], "replay first_reuse and growth must not be negative"),
        (["replay.growth=-1"], "must not be negative"),
        (["replay.reuse=inf"], "'replay.reuse' must be a number, not inf"),
        (["gate.elo1=nan"], "'gate.elo1' must be a number, not nan"),
        (["seed=99999999999999999999"], "seed must be below 2**63"),
        (["seed=-1"], "seed must not be negative (given -1)"),
        (["self_play.opening_moves=-1"], "self_play.opening_moves must be finite and not negative"),
        (["self_play.first_considered=1"], "first_considered must be 0 or at least 2"),
        (["self_play.fast_simulations=0"], "needs fast_simulations from 2"),
        (["self_play.decided_moves=0"], "decided_moves from 1"),
        (["self_play.move_limit=-1"], "a move_limit up to 100"),
        (["self_play.settled_ending=7"], "self_play.settled_ending must be from 0 to 1"),
        (["self_play.wide_komi_sd=-1"], "self_play.wide_komi_sd must be finite and not negative"),
        (["loop.small_sizes=30"], "board size 30 is not supported"),
        (["loop.small_sizes=4", "loop.first_small_share=2"], "must be from 0 to 1"),
        (["gate.opening_moves=0"], "opening_moves must be at least 1"),
        (["gate.elo1=0"], "[gate]"),
        (["learner.momentum=-1"], "learner momentum and average"),
        (["learner.weight_decay=-1"], "weight_decay from 0"),
        (["learner.threads=0"], "threads from 1"),
        (["learner.search_value=2"], "search_value must be from 0 to 1"),
        (["rules.move_limit=9"], "self_play.move_limit ends training games"),
        (["learner.learning_rate=nan"], "'learner.learning_rate' must be a number, not nan"),
        (["learner.learning_rate=inf"], "'learner.learning_rate' must be a number, not inf"),
        (["learner.losses.value=inf"], "'learner.losses.value' must be a number, not inf"),
    ],
)
def test_impossible_configuration_is_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(HonteError) as error:
        load_config("5x5", overrides)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_preset_and_broken_file(tmp_path: Path) -> None:
    with pytest.raises(HonteError, match=r"unknown preset '9x9-gpo'; did you mean '9x9-gpu'\?"):
        load_config("9x9-gpo")
    path = tmp_path / "mine.toml"
    path.write_text("seed = = 1")
    with pytest.raises(HonteError, match=r"mine\.toml is not valid TOML"):
        load_config(str(path))
    path.write_bytes(b'# caf\xe9\nextends = "7x7"\n')
    with pytest.raises(HonteError, match=r"mine\.toml is not UTF-8 text"):
        load_earlier(str(path))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("'mine.toml'", "mine.toml extends itself"),
        ("'other.toml'", "mine.toml extends itself"),
        ("5", "mine.toml: 'extends' must name a preset or a .toml file, not 5"),
        ("'7x8'", "unknown preset '7x8'; did you mean '7x7'?"),
    ],
)
def test_what_cannot_be_extended(
    base: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(f"extends = {base}\n")
    Path("other.toml").write_text("extends = 'mine.toml'\n")
    with pytest.raises(HonteError) as error:
        load_config("mine.toml")
    assert message in str(error.value)


def test_own_file_may_extend_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "7x7"\nseed = 3\n')
    config = load_config(str(path))
    assert (config.seed, config.rules.size) == (3, 7)


def test_own_file_may_extend_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('extends = "7x7"\nseed = 3\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n')
    assert load_config(str(tmp_path / "mine.toml")).seed == 3


def test_the_commit_is_that_of_the_code_and_of_no_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    copy = tmp_path / "installed" / "config.py"
    copy.parent.mkdir()
    copy.write_text("")
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-qm", "a", "--allow-empty"], cwd=tmp_path, check=True)
    monkeypatch.setattr(config_module, "__file__", str(copy))
    assert git_commit.__wrapped__() is None
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    assert git_commit.__wrapped__() is not None


def test_cores_of_a_container(tmp_path: Path) -> None:
    cores = own_cores(tmp_path)
    assert cores >= 1
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert own_cores(tmp_path) == cores
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    assert own_cores(tmp_path) == 1
    (tmp_path / "cpu" / "cpu.cfs_quota_us").unlink()
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert own_cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert own_cores(tmp_path) == cores


def test_hash_changes_with_any_value() -> None:
    config = load_config("5x5")
    assert config_hash(config) == config_hash(load_config("5x5"))
    assert config_hash(config) != config_hash(load_config("5x5", ["learner.losses.value=0.9"]))


def test_changed_keys_are_dotted() -> None:
    before = to_mapping(load_config("5x5"))
    after = to_mapping(load_config("5x5", ["seed=9", "learner.losses.value=0.9"]))
    assert changed_keys(before, after) == ["learner.losses.value", "seed"]


def test_provenance_is_plain_json_and_tells_versions() -> None:
    facts = json.loads(json.dumps(provenance(load_config("9x9"))))
    assert facts["config"]["rules"]["size"] == 9
    assert {"python", "torch", "numba", "honte"} <= facts["versions"].keys()
