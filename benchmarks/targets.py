"""How good the training targets and moves of a search setting are, told by much longer searches.

    python benchmarks/targets.py RUN base:64 half:64,search.c_scale=0.5 puct:64,search.root=puct

Each NAME:SIMS[,search.KEY=VALUE]... is the search of the run with so many simulations a move and
other settings. All search the same positions, one of each of the run's newest games, with the noise
of self-play, and one long search of the same player judges them. A move's regret is what it is
worth less than the best; a target's, the mean over its probabilities. Differences are paired over
positions: minutes tell what otherwise takes whole runs.

What it cannot tell is what learning from those targets leads to: sharp ones have little regret, and
may teach or explore too little. The judge is a Gumbel search of the same network and shares its
blind spots. Moves that it never visited (not among its 24, or in settled territory) get the worst
value of the others; only moves with 1 % of its simulations can be the best, so another's regret may
be slightly negative. Trees start empty, views are not turned: `search.reuse` and
`self_play.random_views` count for nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agents.champion import find_checkpoint
from agents.inference import network_evaluator
from benchmarks.command_line import counted, run
from go_env.errors import HonteError
from go_env.position import Position
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator
from mcts.search import Search, SearchResult
from training.config import RunConfig, check_seed, load_earlier
from training.files import publish_text
from training.model_store import ModelStore
from training.records import GameRecord, load_games
from training.settings import build, merge, parse_overrides, to_mapping

Floats = NDArray[np.float64]

BATCH = 128  # games searched at once, at most
JUDGE = SearchConfig(root="gumbel", gumbel_scale=0.0, considered=24)  # whatever the run's is
TRUSTED = 0.01  # of the judge's simulations: what a move needs to be called the best
PRIOR = "prior"  # the row of the raw policy


@dataclass(frozen=True)
class Variant:
    """A search setting: its name, simulations a move, and what is not as in the run."""

    name: str
    simulations: int
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read NAME:SIMS[,search.KEY=VALUE]..."""
        parts = counted(text, "variant: write NAME:SIMS[,search.KEY=VALUE]...")
        if not all(override.startswith("search.") for override in parts[2]):
            raise HonteError(f"'{text}' sets other things: only search.KEY=VALUE can be set here")
        return cls(*parts)

    def search(self, base: SearchConfig) -> SearchConfig:
        """Return the configuration that the overrides make of this one."""
        values = parse_overrides(self.overrides).get("search", {})
        return build(SearchConfig, merge(to_mapping(base), values), "search")


@dataclass(frozen=True)
class Judgement:
    """What the judge says of A actions in each of N positions."""

    regret: Floats  # [N, A], value of the best action less this one's, which are from -1 to 1
    prior: Floats  # [N, A], the network's policy without noise; 0 where an action is illegal

    @classmethod
    def of(cls, found: SearchResult, simulations: int) -> Judgement:
        """Read a search with so many simulations of each position."""
        visited = found.visits > 0
        q = found.totals.astype(np.float64) / np.maximum(found.visits, 1)  # for the player to move
        worst = np.where(visited, q, np.inf).min(axis=1, keepdims=True)
        trusted = found.visits >= max(TRUSTED * simulations, 1)
        best = np.where(trusted, q, -np.inf).max(axis=1, keepdims=True)
        return cls(best - np.where(visited, q, worst), found.prior.astype(np.float64))


@dataclass(frozen=True)
class Outcome:
    """What a setting makes of N positions."""

    evaluations: float  # of the network, a position
    target: Floats  # [N], the regret of the target, in values
    move: Floats  # [N], the regret of the move chosen, in values
    entropy: Floats  # [N], of the target, in nats
    divergence: Floats  # [N], of the target from the prior, in nats

    @classmethod
    def of(
        cls, judge: Judgement, policy: NDArray[Any], action: NDArray[np.int64], evaluations: float
    ) -> Outcome:
        """Judge targets [N, A] and moves [N]."""
        return cls(
            evaluations,
            target=(policy * judge.regret).sum(axis=1),
            move=judge.regret[np.arange(len(action)), action],
            entropy=special.entr(policy).sum(axis=1),
            divergence=special.rel_entr(policy, np.maximum(judge.prior, 1e-30)).sum(axis=1),
        )


def newest_games(store: ModelStore, size: int, count: int) -> list[GameRecord]:
    """Return the newest games of a run with policy targets on this size, the newest first."""
    games: list[GameRecord] = []
    for _, path in reversed(store.chunks()):
        loaded = reversed(load_games(path))
        games += [game for game in loaded if game.size == size and len(game.policy_plies)]
        if len(games) >= count:
            return games[:count]
    raise HonteError(
        f"{store.root} has {len(games):,} games on {size}x{size}, too few for --positions {count}"
    )


def draw_positions(games: Sequence[GameRecord], config: RunConfig, seed: int) -> list[Position]:
    """Return one position of each game, drawn from those that had a policy target."""
    rules = config.self_play.rules(config.rules, config.rules.size)
    rng = np.random.default_rng(seed)
    begun = ((game, game.moves[: rng.choice(game.policy_plies)]) for game in games)
    return [Position.from_moves(replace(rules, komi=game.komi), m.tolist()) for game, m in begun]


def search_all(
    evaluator: Evaluator, config: SearchConfig, simulations: int, positions: Sequence[Position],
    seeds: tuple[int, int],
) -> tuple[SearchResult, float]:  # fmt: skip
    """Search positions from empty trees; return what was found, and the evaluations of each."""
    found, evaluations = [], 0
    for first in range(0, len(positions), BATCH):
        batch = positions[first : first + BATCH]
        search = Search(evaluator, config, batch[0].rules, len(batch), simulations + 2)
        search.set_positions(batch)
        rng = np.random.default_rng((*seeds, first))  # equal noise for all variants
        found.append(search.run(simulations, rng))
        evaluations += search.evaluations
    columns = ([getattr(part, each.name) for part in found] for each in fields(SearchResult))
    return SearchResult(*map(np.concatenate, columns)), evaluations / len(positions)


def mean_and_error(values: Floats) -> tuple[float, float]:
    """Return the mean of [N] values of different positions and its 95 % half-width."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / len(values) ** 0.5)


def markdown(title: str, rows: Sequence[tuple[str, Outcome]], base: str) -> str:
    """Return the table of named outcomes; each is also compared with the one named `base`."""
    first = dict(rows)[base]
    lines = [
        f"{title}. Regrets in thousandths of a value, ± 95 %, differences paired; nats.\n",
        "| search | evaluations a position | regret of the target | less that of "
        f"{base} | regret of the move | less that of {base} | entropy | KL from the prior |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, outcome in rows:
        cells = [name, f"{outcome.evaluations:.1f}"]
        for ours, theirs in ((outcome.target, first.target), (outcome.move, first.move)):
            cells.append("{:.2f} ± {:.2f}".format(*mean_and_error(1000 * ours)))
            cells.append("{:+.2f} ± {:.2f}".format(*mean_and_error(1000 * (ours - theirs))))
        cells += [f"{outcome.entropy.mean():.3f}", f"{outcome.divergence.mean():.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def judged(
    options: argparse.Namespace, config: RunConfig, positions: Sequence[Position]
) -> Iterator[tuple[str, Outcome]]:
    """Yield the raw policy and each variant with what comes of it."""
    searches = [(each, each.search(config.search)) for each in options.variants]
    inference = replace(config.inference, max_batch=BATCH, min_batch=1, details=True)
    path = find_checkpoint("" if options.player == "honte" else options.player)
    evaluator = network_evaluator(path, config.rules.size, inference)
    found, _ = search_all(evaluator, JUDGE, options.reference, positions, (options.seed, 0))
    judge = Judgement.of(found, options.reference)
    yield PRIOR, Outcome.of(judge, judge.prior, judge.prior.argmax(axis=1), 1.0)
    for variant, search in searches:
        seeded = [
            search_all(evaluator, search, variant.simulations, positions, (options.seed, i))
            for i in range(options.seeds)
        ]
        each_seed = [Outcome.of(judge, one.policy, one.action, cost) for one, cost in seeded]
        columns = ([getattr(one, each.name) for one in each_seed] for each in fields(Outcome))
        yield variant.name, Outcome(*(np.mean(column, axis=0) for column in columns))


def main() -> None:
    options = _arguments()
    store = ModelStore.existing(options.run)
    config = load_earlier(str(store.config_path))
    games = newest_games(store, config.rules.size, options.positions)
    positions = draw_positions(games, config, options.seed)
    title = (
        f"{options.player} on {options.positions} positions of {options.run}, "
        f"{options.seeds} seeds, judged by {options.reference:,} simulations"
    )
    rows = list(judged(options, config, positions))
    table = markdown(title, rows, options.variants[0].name)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        publish_text(options.out / "targets.md", table)
    print(f"\n{table}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="whose games and search settings are taken")
    parser.add_argument("variant", nargs="+", help="NAME:SIMS[,search.KEY=VALUE]...")
    parser.add_argument("--player", default="honte", help="the shipped one, a run or a file")
    parser.add_argument("--positions", type=int, default=256, help="one a game")
    parser.add_argument("--reference", type=int, default=1600, help="simulations of the judge")
    parser.add_argument("--seeds", type=int, default=2, help="searches of a position, each variant")
    parser.add_argument("--seed", type=int, default=1, help="of the positions and the noise")
    parser.add_argument("--out", type=Path, help="folder for targets.md")
    options = parser.parse_args()
    if options.positions < 2 or min(options.reference, options.seeds) < 1:
        raise HonteError("use --positions from 2, --reference and --seeds from 1")
    check_seed(options.seed)
    options.variants = [Variant.parse(text) for text in options.variant]
    if len({PRIOR, *(each.name for each in options.variants)}) <= len(options.variants):
        raise HonteError(f"variants must have different names, none of them '{PRIOR}'")
    return options


if __name__ == "__main__":
    run(main)
