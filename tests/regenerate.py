"""Rewrite tests/golden after a change that is meant to change results.

Run `python tests/regenerate.py`.
Read the difference before committing it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def main() -> None:
    sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]
    from golden import FOLDER, GOLDEN

    FOLDER.mkdir(exist_ok=True)
    for name, make in GOLDEN.items():
        rows = ",\n".join(json.dumps(row) for row in make())
        (FOLDER / name).write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
