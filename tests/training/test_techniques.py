"""The tool that measures techniques: its variants exist, and its error bars are what they claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.techniques import DEFAULT, VARIANTS, half_width, markdown
from benchmarks.trainings import Plan
from training.files import publish_text
from training.rating.bradley_terry import Results
from training.rating.elo import rate


@pytest.mark.parametrize(
    ("preset", "as_it_is"),
    [
        ("5x5", {"no_small_sizes", "reuse_4", "no_forks", "choice_with_noise", "no_bootstrap"}),
        ("7x7", {"forks", "choice_without_noise", "no_bootstrap"}),
        ("9x9", {"reuse_4", "no_forks", "choice_with_noise", "bootstrap"}),
    ],
)
def test_every_variant_is_a_configuration_of_its_own(
    preset: str, as_it_is: set[str], tmp_path: Path
) -> None:
    plan = Plan(preset, 60.0, 32, 18, tmp_path)
    configs = {name: plan.config(VARIANTS[name], 1) for name in VARIANTS}
    same = {name for name, config in configs.items() if config == configs[DEFAULT]}
    assert same == {DEFAULT} | as_it_is
    assert len({repr(config) for config in configs.values()}) == len(configs) - len(same) + 1
    assert all(config.loop.hours == 60 / 3600 for config in configs.values())


def test_half_width_pools_the_spread_between_trainings() -> None:
    games = [(f"a-{i}", f"default-{j}", 0.5) for i in (1, 2) for j in (1, 2, 3, 4)]
    games += [(white, black, score) for black, white, score in games]
    ratings = rate(Results.of_games(games * 10_000))  # so many games that they add no error
    players = {"default": [f"default-{j}" for j in (1, 2, 3, 4)], "a": ["a-1", "a-2"]}
    elo = {"default": [-30.0, 10.0, 10.0, 10.0], "a": [90.0, 110.0]}
    # Squares: 900 + 3 * 100 = 1,200 and 200, of 3 + 1 degrees of freedom; t = 2.776.
    expected = 2.7764 * ((1400 / 4) * (1 / 2 + 1 / 4)) ** 0.5
    assert half_width(ratings, elo, players, "a") == pytest.approx(expected, rel=1e-3)


def test_the_table_tells_who_is_stronger(tmp_path: Path) -> None:
    plan = Plan("5x5", 60.0, 32, 18, tmp_path)
    (tmp_path / "matches").mkdir()
    players = {DEFAULT: ["default-1", "default-2"], "weak": ["weak-1"], "strong": ["strong-1"]}
    scores = {"weak": 0.0, "strong": 1.0, "default": 0.5}
    for group in players.values():
        for player in group:
            done = '{"kind": "done", "time_s": 1, "elapsed_s": 1, "games": 7, "evaluations": 2e6}\n'
            plan.run_dir(player).mkdir(parents=True)
            (plan.run_dir(player) / "metrics.jsonl").write_text(done)
            for other in players[DEFAULT]:
                score = scores[player.rpartition("-")[0]]
                games = [(player, other, score), (other, player, 1 - score)] * 3
                publish_text(plan.match_path(player, other), str(games).translate(_JSON))
    lines = [line.split("|")[1].strip() for line in markdown(plan, players).splitlines()[4:]]
    assert lines == ["strong", "default", "weak"]


_JSON = str.maketrans({"(": "[", ")": "]", "'": '"'})
