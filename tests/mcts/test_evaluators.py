"""Evaluators: all keep the contract; rollouts judge for the mover; the cache changes no answer."""

from __future__ import annotations

import numpy as np
import pytest

from contracts import check_evaluator, copied
from games import random_positions
from go_env.batch import PositionBatch
from go_env.diagram import parse_position
from go_env.features import FEATURE_SETS, encode
from go_env.layout import KO_BANNED
from go_env.position import Position
from go_env.rules import Rules
from hash_evaluator import HashEvaluator
from mcts.cache import CachedEvaluator
from mcts.config import SearchConfig
from mcts.evaluator import Evaluation, UniformEvaluator
from mcts.rollout import RolloutEvaluator
from mcts.search import Search

SIZES = (2, 5, 9)


class FeatureReader:
    """Answers with sums of the planes of one feature set, so that any change shows."""

    def __init__(self, name: str) -> None:
        self.features = FEATURE_SETS[name]
        self.seen = 0

    @property
    def history(self) -> int:
        return self.features.history

    def evaluate(self, batch: PositionBatch) -> Evaluation:
        self.seen += len(batch)
        planes = np.empty(
            (len(batch), self.features.num_planes, batch.size, batch.size), np.float32
        )
        encode(batch, self.features, planes)
        flat = planes.reshape(len(batch), -1)
        rng = np.random.default_rng(batch.size)
        points = batch.size**2
        value = np.tanh(flat @ rng.standard_normal(flat.shape[1]) / 30)
        policy = np.exp(np.tanh(flat @ rng.standard_normal((flat.shape[1], points + 1)) / 10))
        score = (10 * value).astype(np.float32)
        ownership = np.tanh(flat @ rng.standard_normal((flat.shape[1], points)) / 10)
        answers = (policy, value, score, ownership)
        return Evaluation(*(answer.astype(np.float32) for answer in answers))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("uniform", 0.0), ("rollout", None), ("hash", 0.0), ("lean", 1e-5), ("zero", 1e-5),
     ("cached hash", 0.0), ("cached lean", 1e-5), ("cached zero", 1e-5)],
)  # fmt: skip
def test_contract(name: str, tolerance: float | None, size: int) -> None:
    makers = {
        "uniform": UniformEvaluator,
        "rollout": lambda: RolloutEvaluator(1, rollouts=3),
        "hash": lambda: HashEvaluator(size),
        "lean": lambda: FeatureReader("lean"),
        "zero": lambda: FeatureReader("zero"),
    }
    evaluator = makers[name.removeprefix("cached ")]()
    if name.startswith("cached"):
        evaluator = CachedEvaluator(evaluator, 64)
    check_evaluator(evaluator, random_positions(Rules(size, 0.5), 24, seed=size), tolerance)


WON = """
X X X X X
X . X . X
X X X X X
O . . . .
. . . . .
"""


@pytest.mark.parametrize("to_play", [1, 2])
def test_rollouts_judge_for_the_player_to_move(to_play: int) -> None:
    position = parse_position(WON, Rules(5, 2.5), to_play)
    answer = RolloutEvaluator(0, rollouts=20).evaluate(PositionBatch.of([position] * 3, 0))
    sign = 1 if to_play == 1 else -1
    assert (answer.value * sign > 0.5).all()
    assert answer.score is not None
    assert answer.ownership is not None
    assert (answer.score * sign > 0).all()
    assert (answer.ownership[:, :15] * sign == 1).all()


def test_rollouts_are_seeded() -> None:
    batch = PositionBatch.of(random_positions(Rules(5), 9, seed=2), 0)
    one, again, other = (RolloutEvaluator(seed).evaluate(batch) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.score, again.score)
    assert not np.array_equal(one.score, other.score)


@pytest.mark.parametrize("features", ["lean", "zero"])
def test_cached_answers_are_the_inner_ones(features: str) -> None:
    inner, plain = FeatureReader(features), FeatureReader(features)
    cached = CachedEvaluator(inner, capacity=4096)
    positions = random_positions(Rules(5, 0.5), 40, seed=1)
    rng = np.random.default_rng(0)
    distinct: set[bytes] = set()
    for _ in range(30):
        chosen = [positions[i] for i in rng.integers(len(positions), size=12)]
        batch = PositionBatch.of(chosen, cached.history)
        distinct |= {np.asarray(p.moves).tobytes() for p in chosen}
        expected, answer = copied(plain.evaluate(batch)), cached.evaluate(batch)
        for name, array in vars(expected).items():
            np.testing.assert_allclose(getattr(answer, name), array, atol=1e-5)
    assert cached.lookups == 360
    assert cached.hits == 360 - inner.seen
    assert len(distinct) <= inner.seen < 2 * len(distinct) + 12  # twins in a batch are asked twice


def batch_of(*positions: Position, history: int = 0) -> PositionBatch:
    return PositionBatch.of(list(positions), history)


BASE = [0, 24, 6, 18]
#: What is different from the game BASE, at komi 0.5, seen without snapshots.
DIFFERENT = {
    "another komi": Position.from_moves(Rules(5, 1.5), BASE),
    "slightly another komi": Position.from_moves(Rules(5, 1.0), BASE),
    "other last moves": Position.from_moves(Rules(5, 0.5), [6, 18, 0, 24]),
    "the other player": Position.from_moves(Rules(5, 0.5), [(1, 0), (2, 24), (2, 18), (1, 6)]),
    "other stones": Position.from_moves(Rules(5, 0.5), [0, 24, 6, 19]),
    "a pass": Position.from_moves(Rules(5, 0.5), [*BASE, 25]),
    "a set-up": Position.setup(Rules(5, 0.5), black=[0, 6], white=[24, 18]),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_positions_that_differ_are_told_apart(what: str) -> None:
    cached = CachedEvaluator(UniformEvaluator())
    cached.evaluate(batch_of(Position.from_moves(Rules(5, 0.5), BASE)))
    cached.evaluate(batch_of(DIFFERENT[what]))
    assert cached.hits == 0
    cached.evaluate(batch_of(Position.from_moves(Rules(5, 0.5), BASE)))
    assert cached.hits == 1


def test_moves_long_ago_do_not_matter_without_snapshots() -> None:
    early, late = [0, 24, 1, 23, 2, 22], [4, 20, 5, 19, 6]
    played = Position.from_moves(Rules(5, 0.5), [*early, *late])
    swapped = Position.from_moves(Rules(5, 0.5), [2, 22, 1, 23, 0, 24, *late])
    for history, hits in ((0, 1), (8, 0)):
        reader = FeatureReader("zero") if history else UniformEvaluator()
        cached = CachedEvaluator(reader)
        cached.evaluate(batch_of(played, history=history))
        cached.evaluate(batch_of(swapped, history=history))
        assert cached.hits == hits


def test_points_forbidden_by_ko_are_part_of_the_key() -> None:
    cached = CachedEvaluator(UniformEvaluator())
    position = Position.from_moves(Rules(4, 0.5), [1, 2, 4, 7, 9, 10, 6, 5])
    free, forbidden = batch_of(position), batch_of(position)
    assert forbidden.legal[0, 6] == KO_BANNED
    free.legal[0, 6] = 1
    cached.evaluate(free)
    cached.evaluate(forbidden)
    assert cached.hits == 0


def test_memory_is_bounded_and_the_oldest_go() -> None:
    inner = HashEvaluator(9)
    cached = CachedEvaluator(inner, capacity=100)
    assert cached.capacity == 64
    positions = [
        Position.initial(Rules(9)).play(a).play(b) for a in range(40) for b in range(41, 80)
    ]
    for start in range(0, len(positions), 20):
        cached.evaluate(batch_of(*positions[start : start + 20]))
    assert cached.hits == 0
    cached.evaluate(batch_of(*positions[-20:]))
    assert 12 <= cached.hits <= 20  # a set of four may have had more than four of them
    cached.clear()
    before = cached.hits
    cached.evaluate(batch_of(*positions[-20:]))
    assert cached.hits == before
    assert cached.hit_rate == cached.hits / cached.lookups


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_a_search_finds_the_same_with_a_cache(root: str) -> None:
    positions = random_positions(Rules(5, 0.5), 6, seed=3)
    results = []
    for evaluator in (FeatureReader("lean"), CachedEvaluator(FeatureReader("lean"), 4096)):
        search = Search(evaluator, SearchConfig(root=root), Rules(5, 0.5), 6, 300)  # type: ignore[arg-type]
        search.set_positions(positions)
        results.append(search.run(40))
        search.set_positions(positions)
        results.append(search.run(40))
    for name in vars(results[0]):
        for other in results[1:]:
            np.testing.assert_allclose(getattr(results[0], name), getattr(other, name), atol=2e-4)
    assert 2 * evaluator.hits >= evaluator.lookups > 300  # type: ignore[union-attr]
