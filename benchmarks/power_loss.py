"""Cut the power of a disk while `ingest` runs, and compare what the next run makes of the rest.

Usage: python -m benchmarks.power_loss [--cuts N] [--seed N] [--out FOLDER]

The library lies on an ext4 disk of its own behind a loop device. A copy of what the system has
written to it by some instant is what a machine finds after a power cut: what was in the memory of
the system alone is lost. What a disk holds back in its own memory is not simulated. Needs root and
loop devices. Ends with exit code 1 if any cut did not end as it should.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import bench
from tests.reliability import loop_disk
from tests.reliability.power import PowerBench
from tests.reliability.scenarios import SCENARIOS
from tests.reliability.trials import Trial

A_RUN = 6
MEMORY = Path("/dev/shm")


def main() -> None:
    arguments = parse()
    if missing := loop_disk.missing():
        sys.stderr.write(f"SKIPPED: {missing}; nothing was measured.\n")
        raise SystemExit(2)
    results: dict[str, Any] = {}
    trials: list[Trial] = []
    for number, scenario in enumerate(SCENARIOS):
        chance = random.Random(arguments.seed + number)
        place = MEMORY if MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="florilegium-bench-", dir=place) as folder:
            # Graphs are written where Chroma holds a thousand records; here more often.
            one = PowerBench(replace(scenario, write_graphs=True), Path(folder))
            mine: list[Trial] = []
            while len(mine) * len(SCENARIOS) < arguments.cuts:
                mine += one.cuts(chance, count=A_RUN)
        results[scenario.name] = figures(mine)
        trials += mine
        sys.stderr.write(f"{scenario.name}: {len(trials)} cuts so far\n")
    bench.write(
        "power_loss",
        {**figures(trials), "faults": faults(trials), "scenarios": results},
        out=arguments.out,
    )
    raise SystemExit(1 if any(trial.faults for trial in trials) else 0)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--cuts", type=int, default=300, metavar="N")
    line.add_argument("--seed", type=int, default=1)
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def figures(trials: Sequence[Trial]) -> dict[str, Any]:
    seconds = [trial.seconds for trial in trials]
    return {
        "cuts": len(trials),
        "recovered": sum(not trial.faults for trial in trials),
        "embeddings made again": sum(trial.encoded_again for trial in trials),
        "seconds to recover, median": round(statistics.median(seconds), 2),
        "seconds to recover, most": round(max(seconds), 2),
        "seconds of an uninterrupted run": round(
            statistics.median(trial.uninterrupted for trial in trials), 2
        ),
    }


def faults(trials: Sequence[Trial]) -> dict[str, int]:
    """Return how often each fault was found."""
    return dict(Counter(fault for trial in trials for fault in trial.faults))


if __name__ == "__main__":
    main()
