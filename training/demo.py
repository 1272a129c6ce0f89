"""What `make demo` runs: 5x5 from random weights through Ray, then proof of what was learned."""

from pathlib import Path

from rich.console import Console

from go_env.coords import action_from_vertex
from training import ray_runner
from training.board_view import board_text
from training.config import load_config
from training.cores import own_cores
from training.matches.log import GameRecord
from training.matches.match import run_match
from training.matches.plan import MatchConfig
from training.model_store import ModelStore
from training.report import write_report

# Black owns the whole board with perfect play (+25), so at this komi the game has a winner and
# both colors can be it: Black must take everything, White must live somewhere.
KOMI = 24.5
SIZE = 5
CHAMPION = "champion"


def run_demo(run_dir: Path, minutes: float, games: int) -> None:
    """Train (or go on), play both anchors, print ratings, a game, and where to look next."""
    console = Console(highlight=False)
    console.rule("[bold]1. It teaches itself 5x5, from random weights")
    ray_runner.run(load_config("5x5"), run_dir, hours=minutes / 60, name="5x5")
    champion = ModelStore.existing(run_dir).champion()
    number = 0 if champion is None else champion.number
    promotions = 0 if champion is None else len(champion.previous)
    console.rule(f"[bold]2. Its champion (model {number}) at 64 simulations a move")
    config = MatchConfig(
        players=(
            f"{CHAMPION}=honte:{run_dir}?sims=64",
            "random=random",
            "rollout=rollout?sims=1000",
        ),
        games=games,
        size=SIZE,
        komi=KOMI,
        openings="0",
        gauntlet=True,
        anchor="random",
        workers=own_cores(),
    )
    # A champion of its own has a folder of its own: resuming mixes no two champions.
    standings = run_match(config, run_dir / f"match-model-{number:06d}", console)
    console.rule("[bold]3. One of its games")
    _show_game(standings.records, console)
    console.rule("[bold]4. Where to look next")
    page = write_report(run_dir)
    lines = (
        f"promotions by the gate  {promotions}",
        f"curves and games        {page}",
        f"play against it         .venv/bin/honte gtp --player honte:{run_dir} --size 5",
        "a larger board          .venv/bin/honte train 9x9",
    )
    console.print("\n".join(lines), soft_wrap=True)


def _show_game(records: tuple[GameRecord, ...], console: Console) -> None:
    """Print the longest game that the champion won against the stronger anchor."""
    won = [record for record in records if record.first == CHAMPION and record.first_score == 1.0]
    if not won:
        console.print("it has not won a game yet: train it longer")
        return
    game = max(won, key=lambda record: (record.second != "random", len(record.moves)))
    moves = [action_from_vertex(vertex, SIZE) for vertex in game.moves.split()]
    console.print(board_text(SIZE, moves))
    console.print(f"Black {game.black}, White {game.white}: {game.result}   {game.moves}")
