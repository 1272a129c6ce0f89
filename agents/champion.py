"""Where trained players are found: the one that comes with the package, and those of runs."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors

from go_env.errors import HonteError

SHIPPED = Path(__file__).parent / "champions" / "honte.safetensors"
RUNS = Path("runs")


def find_checkpoint(target: str) -> Path:
    """Return the weights file that a SPEC names: a file, a run directory, or "" for the default.

    The default is the shipped champion or, without one, the newest champion under `runs/`.

    Raises: HonteError if it is not there, or not whole.
    """
    path = _weights_file(target)
    try:
        with safetensors.safe_open(path, framework="numpy"):
            return path
    except (safetensors.SafetensorError, OSError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path | str, error: Exception) -> HonteError:
    """Return in one line what safetensors says of a file that it cannot open."""
    reason = " ".join(str(error).split())
    return HonteError(f"{path}: truncated or no safetensors file ({reason})")


def pinned(target: str) -> str:
    """Return a target that goes on meaning the weights that this one means now.

    The champion of a run changes while it trains; a file and the shipped champion do not.
    """
    path = find_checkpoint(target)
    return target if path in (SHIPPED, Path(target)) else str(path.absolute())


def default_champion() -> Path:
    """Return the shipped champion, else the newest champion in `runs/`."""
    if SHIPPED.is_file():
        return SHIPPED
    pointers = sorted(RUNS.glob("*/champion.json"), key=lambda path: path.stat().st_mtime)
    if not pointers:
        raise HonteError("no trained player found: train one with `honte train 5x5`")
    return champion_of_run(pointers[-1].parent)


def champion_of_run(run: Path) -> Path:
    """Return the champion's checkpoint of a run, or its newest one if none was promoted yet."""
    folder = run / "checkpoints"
    try:
        number = int(json.loads((run / "champion.json").read_text(encoding="utf-8"))["number"])
    except FileNotFoundError:
        models = sorted(folder.glob("model-*.safetensors"))
        if not models:
            raise HonteError(f"{run} holds no trained model yet") from None
        return models[-1]
    except (ValueError, KeyError, TypeError) as error:
        raise HonteError(f"{run / 'champion.json'} is damaged: {error}") from None
    path = folder / f"model-{number:06d}.safetensors"
    if not path.is_file():
        raise HonteError(f"{path} is missing, the champion of {run}: restore it, or name a file")
    return path


def _weights_file(target: str) -> Path:
    if not target:
        return default_champion()
    path = Path(target)
    if path.is_dir():
        return champion_of_run(path)
    if not path.is_file():
        raise HonteError(f"{target}: no such weights file or run directory")
    return path
