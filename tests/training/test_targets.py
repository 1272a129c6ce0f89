"""The tool that judges search targets: its regrets are what they claim, and its table is made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import targets
from benchmarks.targets import Judgement, Outcome, Variant
from go_env.errors import HonteError
from hash_evaluator import HashEvaluator
from mcts.config import SearchConfig
from mcts.search import SearchResult
from tiny_run import tiny_config
from training.local_runner import run
from training.model_store import ModelStore

RUN = tiny_config(games=40)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "run"
    run(RUN, path)
    return path


def made_result(visits: Sequence[Sequence[int]], q: Sequence[Sequence[float]]) -> SearchResult:
    """Return what a search would tell that found these values [G, A] in so many visits."""
    counts, values = np.array(visits, np.int32), np.array(q, np.float32)
    games, actions = counts.shape
    even = np.full(counts.shape, 1 / actions, np.float32)
    return SearchResult(
        policy=even, action=counts.argmax(axis=1), value=np.zeros(games, np.float32),
        raw_value=np.zeros(games, np.float32), prior=even, visits=counts, totals=counts * values,
    )  # fmt: skip


def search_positions(
    run_dir: Path, config: SearchConfig, simulations: int, seeds: tuple[int, int] = (1, 0)
) -> tuple[SearchResult, float]:
    """Search twelve positions of the run with an arbitrary but fixed judgement."""
    games = targets.newest_games(ModelStore.existing(run_dir), RUN.rules.size, 12)
    positions = targets.draw_positions(games, RUN, 1)
    evaluator = HashEvaluator(RUN.rules.size)
    return targets.search_all(evaluator, config, simulations, positions, seeds)


def run_targets(monkeypatch: pytest.MonkeyPatch, run_dir: Path, *words: str) -> None:
    few = ["--player", str(run_dir), "--positions", "12", "--reference", "100"]
    monkeypatch.setattr(sys, "argv", ["targets.py", str(run_dir), *few, *words])
    targets.main()


def test_all_mass_on_the_best_move_has_no_regret() -> None:
    judge = Judgement.of(made_result([[50, 40, 10, 0]], [[0.2, 0.5, -0.1, 0.0]]), 100)
    assert judge.regret[0] == pytest.approx([0.3, 0, 0.6, 0.6])  # the last was never visited
    best = Outcome.of(judge, np.array([[0.0, 1, 0, 0]]), np.array([1]), 1.0)
    assert (best.target[0], best.move[0], best.entropy[0]) == (0, 0, 0)
    assert best.divergence[0] == pytest.approx(np.log(4))
    spread = Outcome.of(judge, np.array([[0.5, 0, 0.25, 0.25]]), np.array([3]), 1.0)
    assert (spread.target[0], spread.move[0]) == pytest.approx((0.45, 0.6))
    assert spread.entropy[0] == pytest.approx(1.5 * np.log(2))


def test_a_move_of_few_visits_is_not_the_best() -> None:
    visits = [[1999, 1, 0], [1980, 20, 0]]
    judge = Judgement.of(made_result(visits, [[0.25, 0.75, 0]] * 2), 2000)
    assert judge.regret == pytest.approx(np.array([[0, -0.5, 0], [0.5, 0, 0.5]]))


def test_the_judge_regrets_none_of_its_own_best_moves(run_dir: Path) -> None:
    found, _ = search_positions(run_dir, targets.JUDGE, 100)
    judge = Judgement.of(found, 100)
    assert (judge.regret >= 0).all()  # it has visited all that it may
    best = np.where(found.visits > 0, judge.regret, np.inf).argmin(axis=1)
    own = Outcome.of(judge, np.eye(10)[best], best, 1.0)
    assert (own.target == 0).all()
    assert (own.move == 0).all()
    assert (Outcome.of(judge, judge.prior, best, 1.0).target > 0).any()
    assert judge.prior.sum(axis=1) == pytest.approx(np.ones(12))


def test_equal_seeds_make_equal_noise(run_dir: Path) -> None:
    for root in ("gumbel", "puct"):
        config = SearchConfig(root=root)  # type: ignore[arg-type]
        (first, cost), (again, _), (other, _) = (
            search_positions(run_dir, config, 16, (1, seed)) for seed in (0, 0, 1)
        )
        assert (first.policy == again.policy).all()
        assert (first.policy != other.policy).any()
        assert 1 < cost <= 17  # the root and a leaf each, but for ends of games


def test_one_batch_or_many_find_the_same(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cost = search_positions(run_dir, targets.JUDGE, 30)
    monkeypatch.setattr(targets, "BATCH", 5)
    parts, same_cost = search_positions(run_dir, targets.JUDGE, 30)
    assert (whole.policy == parts.policy).all()
    assert (whole.visits == parts.visits).all()
    assert cost == same_cost


def test_the_table_is_made_and_always_the_same(
    run_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["base:8", "same:8", "puct:8,search.root=puct,search.score_weight=0.1"]
    run_targets(monkeypatch, run_dir, *words, "--out", str(tmp_path / "one"))
    run_targets(monkeypatch, run_dir, *words, "--out", str(tmp_path / "two"))
    table = (tmp_path / "one" / "targets.md").read_text()
    assert table == (tmp_path / "two" / "targets.md").read_text()
    assert capsys.readouterr().out.count(table) == 2
    rows = {}
    for line in table.splitlines()[4:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = cells
    assert list(rows) == ["prior", "base", "same", "puct"]
    assert (rows["prior"][0], rows["prior"][-1]) == ("1.0", "0.000")
    assert rows["base"] == rows["same"] != rows["puct"]
    assert rows["base"][2] == rows["base"][4] == "+0.00 ± 0.00"


def test_errors_are_those_of_a_mean_of_pairs() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert targets.mean_and_error(values) == pytest.approx((2.5, 1.96 * (5 / 3) ** 0.5 / 2))
    assert targets.mean_and_error(values - values) == (0, 0)


def test_a_variant_is_read_from_its_text() -> None:
    read = Variant.parse("half:64,search.c_scale=0.5,search.root=puct")
    assert read == Variant("half", 64, ("search.c_scale=0.5", "search.root=puct"))
    base = SearchConfig(considered=4)
    assert read.search(base) == SearchConfig(considered=4, c_scale=0.5, root="puct")
    assert Variant.parse("base:8").search(base) == base
    for text in ("half", "half:", "half:many", ":64", "half:0"):
        with pytest.raises(HonteError, match="is no variant: write NAME:SIMS"):
            Variant.parse(text)
    for text in ("half:64,learner.batch=32", "half:64,search=puct", "half:64,"):
        with pytest.raises(HonteError, match="sets other things: only search"):
            Variant.parse(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("base:8,search.c_scael=1",), r"unknown config key 'search\.c_scael'; did you mean"),
        (("base:8,search.root=uct",), r"'search\.root' must be one of gumbel \| puct"),
        (("base:8,search.considered=1",), r"\[search\] search considered must be at least 2"),
        (("base:8,search.c_scale",), "cannot read"),
        (("base:8,loop.games=1",), "only search.KEY=VALUE can be set"),
        (("base",), "'base' is no variant"),
        (("base:8", "base:9"), "must have different names"),
        (("prior:8",), "none of them 'prior'"),
        (("base:8", "--positions", "5000"), "games on 3x3, too few for --positions 5000"),
        (("base:8", "--positions", "1"), "use --positions from 2"),
        (("base:8", "--seed", "-1"), "seed must not be negative"),
        (("base:8", "--player", "nowhere"), "no such weights file or run directory"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words: tuple[str, ...], message: str, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HonteError, match=message) as error:
        run_targets(monkeypatch, run_dir, *words)
    assert "\n" not in str(error.value)
