"""A small GTP engine that fails on request: `python fake_engine.py FAULT [MOVE]`.

It plays the first empty point from the top left corner and passes after 20 moves. FAULT is what
happens at its MOVE-th genmove (default 1): none, crash, crash-always, hang, silent, illegal,
garbage, resign, nonsense, refuse, deaf (ignores quit, too), slow (0.3 s a move), slow-start (3 s at
boardsize), no-score and crash-at-score (at final_score). `crash` and `hang` happen once in the life
of the marker file that the environment variable FAKE_ENGINE_MARKER names.
"""

import os
import sys
import time
from pathlib import Path

LETTERS = "ABCDEFGHJKLMNOPQRST"
COMMANDS = (
    "protocol_version name version list_commands boardsize clear_board komi play genmove undo"
    " final_score time_settings time_left quit"
).split()


def happens_once() -> bool:
    """Tell whether the fault has not struck yet; without a marker it always strikes."""
    marker = os.environ.get("FAKE_ENGINE_MARKER")
    if marker is None:
        return True
    if Path(marker).exists():
        return False
    Path(marker).touch()
    return True


def genmove(stones: set[str], size: int, fault: str) -> str:
    """Return a move, or misbehave."""
    if fault == "crash-always" or (fault == "crash" and happens_once()):
        os._exit(3)
    if fault in ("hang", "deaf") and happens_once():
        time.sleep(3600)
    if fault == "garbage":
        sys.stdout.write("\x00\xff no GTP at all\n" * 100_000)
        sys.stdout.flush()
        time.sleep(3600)
    if fault == "illegal":
        return min(stones) if stones else "A1"
    if fault in ("resign", "nonsense"):
        return {"resign": "resign", "nonsense": "best move"}[fault]
    if fault == "slow":
        time.sleep(0.3)
    free = (f"{x}{y}" for y in range(size, 0, -1) for x in LETTERS[:size])
    return next(point for point in free if point not in stones)


def final_score(fault: str) -> str:
    if fault == "crash-at-score":
        os._exit(3)
    return "who knows" if fault == "no-score" else "B+3.5"


def main() -> None:
    """Answer commands until quit."""
    fault = sys.argv[1] if len(sys.argv) > 1 else "none"
    fault_at = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    size, moves, asked = 9, [], 0
    sys.stderr.write("fake engine ready\n")
    for line in sys.stdin:
        number, command, *words = line.split()
        answer, mark = "", "="
        if command == "list_commands":
            answer = "\n".join(COMMANDS)
        elif command in ("name", "version", "protocol_version"):
            answer = {"name": "Fake", "version": "1.0", "protocol_version": "2"}[command]
        elif command in ("boardsize", "clear_board"):
            time.sleep(3 if (fault, command) == ("slow-start", "boardsize") else 0)
            size, moves = (int(words[0]) if words else size), []
        elif command == "play":
            moves.append(words[1].upper())
        elif command == "undo":
            moves.pop()
        elif command == "final_score":
            answer = final_score(fault)
        elif command == "genmove":
            asked += 1
            striking = fault if asked >= fault_at else "none"
            if striking == "silent":
                continue
            if striking == "refuse":
                answer, mark = "I do not want to", "?"
            else:
                answer = "pass" if len(moves) >= 20 else genmove(set(moves), size, striking)
                moves.append(answer.upper())
        sys.stdout.write(f"{mark}{number} {answer}\n\n")
        sys.stdout.flush()
        if command == "quit" and fault != "deaf":
            return


if __name__ == "__main__":
    main()
