"""Speeds of what needs no network: rules, features, environments and the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from go_env import board, layout, playout
from go_env.batch import PositionBatch
from go_env.features import FEATURE_SETS, FeatureSet, encode
from go_env.rules import Rules
from go_env.vector_env import GoVectorEnv
from mcts.config import SearchConfig
from mcts.evaluator import UniformEvaluator
from mcts.search import Search
from training.bench.timing import Figure, measure_rate

_SMALL = 13  # up to this side, games are cheap enough for the larger batch
_SEED = 1


def lockstep_games(size: int) -> int:
    """Return how many games run in lockstep on boards of this side."""
    return 256 if size <= _SMALL else 64


def measure_rules(size: int, seconds: float, copy_gb_per_s: float) -> Iterator[Figure]:
    """Yield playouts, positions with features and environment steps per second, on one thread."""
    for ko in ("positional", "simple"):
        rate = measure_rate(random_playouts(size, ko), seconds)
        yield Figure(f"random playouts, {ko} ko, no suicide", "playouts/s", rate)
    legality = measure_rate(replayed_positions(size, None), seconds)
    yield Figure("positions: move, legality, superko", "positions/s", legality)
    for features in FEATURE_SETS.values():
        rate = measure_rate(replayed_positions(size, features), seconds)
        written = 4 * features.num_planes * size * size * rate.per_cpu_s / 1e9
        yield Figure(
            f"positions with {features.name} features", "positions/s", rate,
            share=written / copy_gb_per_s, note=f"writes {written:.1f} GB/s; of memory copy",
        )  # fmt: skip
    games = lockstep_games(size)
    rate = measure_rate(_environment_steps(size, games), seconds)
    yield Figure(f"vector environment, {games} games", "steps/s", rate)


def measure_search(size: int, seconds: float) -> Iterator[Figure]:
    """Yield simulations per second with an evaluator that costs nothing, on one thread."""
    games = lockstep_games(size)
    for root in ("puct", "gumbel"):
        for simulations in (32, 200):
            rate = measure_rate(constant_search(size, games, simulations, root), seconds)
            yield Figure(
                f"{root} root, {games} games x {simulations} simulations", "simulations/s", rate
            )


def random_playouts(size: int, ko: str, games: int = 64) -> Callable[[], float]:
    """Return a run of uniformly random games from the empty board, passes included."""
    rules = Rules(size=size, komi=7.0, ko=ko, suicide=False)  # type: ignore[arg-type]
    limit = 3 * size * size
    roots, hashes, snapshots = _fresh_games(rules, games, 0, limit + 2)
    scratch, states = roots.copy(), playout.random_states(np.random.default_rng(_SEED), games)
    owner, score = np.zeros((games, size * size), np.int8), np.zeros(games, np.float32)

    def run() -> float:
        playout.play_out_all(roots, scratch, hashes, snapshots, states, False, limit, owner, score)
        return games

    return run


def replayed_positions(size: int, features: FeatureSet | None) -> Callable[[], float]:
    """Return a run that plays recorded random moves and looks at every position on the way."""
    games = lockstep_games(size) // 2  # few enough for planes that stay in the cache
    history = features.history if features else 0
    moves = size * size * 3 // 4
    rules = Rules(size=size, komi=7.0)
    boards, hashes, snapshots = _fresh_games(rules, games, history, moves + 2)
    legal = np.zeros((games, size * size + 1), np.uint8)
    actions = _random_moves(boards, hashes, snapshots, moves)
    planes = np.zeros((games, features.num_planes if features else 0, size, size), np.float32)

    def run() -> float:
        board.start_all(boards, hashes, snapshots)
        for played in actions:
            board.play_all(boards, hashes, snapshots, played)
            board.fill_legal_all(boards, hashes, legal)
            if features:
                encode(PositionBatch(size, boards, legal, snapshots), features, planes)
        return games * moves

    return run


def constant_search(size: int, games: int, simulations: int, root: str) -> Callable[[], float]:
    """Return a search of games after some random moves, each time with new trees."""
    rules = Rules(size=size, komi=7.5)
    config = SearchConfig(root=root, reuse=False)  # type: ignore[arg-type]
    search = Search(UniformEvaluator(), config, rules, games, simulations + 2)
    forest, rng = search.forest, np.random.default_rng(_SEED)
    forest.roots[:] = layout.new_boards(games, rules)
    board.start_all(forest.roots, forest.hashes, forest.root_snapshots)
    _random_moves(forest.roots, forest.hashes, forest.root_snapshots, size * size // 5)

    def run() -> float:
        forest.states["num_nodes"] = forest.states["num_edges"] = 0
        search.run(simulations, rng)
        return games * simulations

    return run


def _environment_steps(size: int, games: int) -> Callable[[], float]:
    envs = GoVectorEnv(games, size=size, opponent=None, copy=False)
    _, info = envs.reset(seed=_SEED)
    rng, steps = np.random.default_rng(_SEED), 32
    mask = info["action_mask"]

    def run() -> float:
        nonlocal mask
        for _ in range(steps):
            start = rng.integers(mask.shape[1])  # the first legal action from here on, cyclically
            actions = (np.argmax(np.roll(mask, -start, axis=1), axis=1) + start) % mask.shape[1]
            mask = envs.step(actions)[4]["action_mask"]
        return games * steps

    return run


def _fresh_games(
    rules: Rules, games: int, history: int, length: int
) -> tuple[np.ndarray, NDArray[np.uint64], NDArray[np.int8]]:
    boards = layout.new_boards(games, rules)
    hashes = np.zeros((games, length), np.uint64)
    snapshots = np.zeros((games, history, rules.size * rules.size), np.int8)
    board.start_all(boards, hashes, snapshots)
    return boards, hashes, snapshots


def _random_moves(
    boards: np.ndarray, hashes: NDArray[np.uint64], snapshots: NDArray[np.int8], moves: int
) -> list[NDArray[np.int64]]:
    """Play random moves in all games and return them."""
    rng, played = np.random.default_rng(_SEED), []
    legal = np.zeros((len(boards), int(boards["side"][0]) ** 2 + 1), np.uint8)
    for _ in range(moves):
        board.fill_legal_all(boards, hashes, legal)
        played.append(np.argmax((legal == layout.LEGAL) * rng.random(legal.shape), axis=1))
        board.play_all(boards, hashes, snapshots, played[-1])
    return played
