"""Positions per second of every inference backend on this machine.

python benchmarks/inference.py --networks 6x64,10x128 --batches 1,64 --seconds 1
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from training.bench.inference import (
    BATCHES,
    NETWORKS,
    measure_ceilings,
    measure_inference,
    table,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--size", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    ceilings = measure_ceilings(given.seconds)
    rows = list(
        measure_inference(
            given.networks.split(","),
            [int(batch) for batch in given.batches.split(",")],
            given.size,
            given.seconds,
            ceilings,
        )
    )
    if given.json:
        print(json.dumps({"ceilings": ceilings, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        print(table(rows, ceilings))


if __name__ == "__main__":
    main()
