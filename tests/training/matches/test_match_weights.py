"""Trained players of a match: found before it begins, and the same ones to its end."""

import json
import os
import shutil
from pathlib import Path

import pytest

from agents.checkpoint import save_checkpoint
from agents.network import NetworkConfig, new_network
from go_env.errors import HonteError
from go_env.rules import Rules
from training.matches.match import run_match
from training.matches.plan import MatchConfig


def config(*players: str, **options) -> MatchConfig:
    return MatchConfig(players, **{"games": 2, "size": 5, "workers": 0, **options})


def publish(run: Path, number: int) -> Path:
    """Put a model into a run directory, as further training does."""
    path = run / "checkpoints" / f"model-{number:06d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    network = new_network(NetworkConfig(blocks=1, channels=8), number)
    save_checkpoint(path, network, Rules(size=5), {})
    return path


def known_players(out: Path):
    return json.loads((out / "players.json").read_text())


def test_a_run_is_the_champion_that_it_had_at_the_first_game(tmp_path):
    run, out = tmp_path / "run", tmp_path / "match"
    paths = [publish(run, number) for number in (1, 2)]
    players = (f"policy:{run}", "random")
    for number, games in ((1, 2), (2, 4)):  # the champion changes between the two halves
        (run / "champion.json").write_text(json.dumps({"number": number}))
        run_match(config(*players, games=games), out)
    entry = known_players(out)[players[0]]
    assert (entry["spec"], entry["plays"]) == (players[0], f"policy:{paths[0]}")
    sgfs = sorted((out / "sgf").glob("*.sgf"))
    assert len(sgfs) == 4
    assert all("model-000001" in path.read_text() for path in sgfs)


def test_a_match_goes_on_when_its_model_was_deleted(tmp_path):
    run, out = tmp_path / "run", tmp_path / "match"
    path = publish(run, 1)
    weights = path.read_bytes()
    players = (f"policy:{run}", "random")
    run_match(config(*players), out)
    publish(run, 2)
    path.unlink()
    run_match(config(*players, games=4), out)
    entry = known_players(out)[players[0]]
    assert entry["plays"] == f"policy:{path}"
    assert (out / "weights" / entry["weights"]).read_bytes() == weights
    moved = shutil.move(out, tmp_path / "moved")
    run_match(config(*players, games=6), moved)


def test_folders_of_matches_before_weights_were_kept_go_on(tmp_path):
    run, out = tmp_path / "run", tmp_path / "match"
    path = publish(run, 1)
    players = (f"policy:{run}", "random")
    run_match(config(*players), out)
    entry = {"spec": players[0], "plays": f"policy:{path}"}  # as once written
    known = {players[0]: entry, "random": {"spec": "random", "plays": "random"}}
    for games, there in ((4, True), (6, False)):
        (out / "players.json").write_text(json.dumps(known))
        shutil.rmtree(out / "weights")
        if there:
            run_match(config(*players, games=games), out)
            assert (out / "weights" / known_players(out)[players[0]]["weights"]).is_file()
            continue
        publish(run, 2)
        path.unlink()
        with pytest.raises(HonteError, match=r"the weights of .* are gone .* use another name"):
            run_match(config(*players, games=games), out)


def test_a_champion_that_is_missing_or_cut_is_told_of_before_anything_is_written(tmp_path):
    run, out = tmp_path / "run", tmp_path / "match"
    path = publish(run, 1)
    (run / "champion.json").write_text('{"number": 1}')
    path.write_bytes(path.read_bytes()[:-1])
    for what in (run, path):
        with pytest.raises(HonteError, match=r"model-000001.safetensors: truncated"):
            run_match(config(f"policy:{what}", "random", workers=1), out)
    path.unlink()
    with pytest.raises(HonteError, match=r"model-000001.safetensors is missing, the champion of"):
        run_match(config(f"honte:{run}", "random", workers=1), out)
    assert not out.exists()


def test_a_question_mark_in_the_name_of_a_folder(tmp_path, monkeypatch):
    folder = tmp_path / "what?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    publish(Path("run"), 1)
    for spec in ("policy:run", "policy:run?temperature=1"):
        for games in (2, 4):
            run_match(config(spec, "random", games=games), Path("match"))
    assert len(list(Path("match/weights").iterdir())) == 1


@pytest.mark.parametrize("spec", ["b=policy:{}", "policy:{}?temperature=1"])
def test_a_name_that_is_no_text_is_refused_before_a_game_is_played(tmp_path, monkeypatch, spec):
    """Neither SGF nor tables can hold it; the second time it is in the path of a run."""
    folder, out = tmp_path / os.fsdecode(b"b\xff"), tmp_path / "out"
    publish(folder / "run", 1)
    monkeypatch.chdir(folder)
    for path in (folder / "run", "run"):
        with pytest.raises(HonteError, match=r"not UTF-8 text: rename its files") as error:
            run_match(config(spec.format(path), "random"), out)
        str(error.value).encode()
    assert not out.exists()
