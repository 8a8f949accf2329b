"""Kill `ingest` again and again, and compare what the next run makes with an undisturbed run.

Usage: python -m benchmarks.kills [--kills N] [--seed N] [--out FOLDER]

Half of the kills come at random instants, the others at write boundaries in turns: points before
and after each function that writes, and system calls (with strace). One in six trials is killed
again while it recovers. Needs a Unix; without strace no kill comes at a system call, and that is
told. Ends with exit code 1 if any trial did not end as it should.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import bench
from tests.reliability import syscalls
from tests.reliability.scenarios import PHOTOS, SCENARIOS, Scenario
from tests.reliability.trials import RANDOM, Bench, Trial

PHOTO_SHARE = 25  # one kill in so many is one of the photo scenarios, which take long
AGAIN = 6
MEMORY = Path("/dev/shm")


def main() -> None:
    arguments = parse()
    missing = syscalls.missing()
    if missing:
        sys.stderr.write(f"SKIPPED: kills at system calls, because {missing}.\n")
    trials: list[Trial] = []
    counts = shares(arguments.kills)
    for number, (scenario, count) in enumerate(counts):
        chance = random.Random(arguments.seed + number)
        # What the system holds survives a kill, so the disk plays no part.
        place = MEMORY if MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="florilegium-bench-", dir=place) as folder:
            trials += kill(scenario, count, chance, Path(folder), traced=not missing)
        sys.stderr.write(f"{scenario.name}: {len(trials)} trials so far\n")
    failed = [trial for trial in trials if trial.faults]
    bench.write("kills", summary(trials), out=arguments.out)
    for trial in failed:
        sys.stderr.write(f"NOT RECOVERED: {trial}\n")
    raise SystemExit(1 if failed else 0)


def parse() -> argparse.Namespace:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--kills", type=int, default=500, metavar="N")
    line.add_argument("--seed", type=int, default=1)
    line.add_argument("--out", type=Path, default=bench.RESULTS)
    return line.parse_args()


def shares(kills: int) -> list[tuple[Scenario, int]]:
    """Return how many trials of each scenario make so many kills."""
    photos = max(1, kills // PHOTO_SHARE // len(PHOTOS))
    rest = -(-(kills - photos * len(PHOTOS)) // len(SCENARIOS))
    return [*((one, rest) for one in SCENARIOS), *((one, photos) for one in PHOTOS)]


def kill(
    scenario: Scenario, count: int, chance: random.Random, place: Path, *, traced: bool
) -> Iterator[Trial]:
    """Yield trials of one scenario until it was killed `count` times."""
    one = Bench(scenario, place)
    calls: Counter[str] = Counter()
    if traced:
        one.reset()
        calls = syscalls.count(one.job(wait=True), place)
    killed = number = 0
    while killed < count:
        number += 1
        again = 2 if number % AGAIN == 0 else 1
        if number % 2:
            trial = one.at_random(chance, kills=again)
        elif number % 4 == 0 and calls:
            trial = at_call(one, calls, chance)
        else:
            points = chance.sample(range(1, len(one.points) + 1), again)
            trial = one.at_point(*points)
        killed += trial.kills
        if trial.kills or trial.faults:
            yield trial


def at_call(one: Bench, calls: Counter[str], chance: random.Random) -> Trial:
    """Kill at a system call; each kind as often as the others, however often it is made."""
    call = chance.choice(sorted(calls))
    number = chance.randint(1, calls[call])
    one.reset()
    killed = syscalls.kill_at(one.job(wait=True), call, number)
    return one.finish([f"system call {call}"] if killed else [])


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return kills and how they ended, by scenario and by boundary, and seconds to recover."""
    by_scenario: dict[str, list[Trial]] = defaultdict(list)
    boundaries: Counter[str] = Counter()
    for trial in trials:
        by_scenario[trial.scenario].append(trial)
        boundaries.update(trial.boundaries)
    kinds = Counter({RANDOM: boundaries[RANDOM]})
    for name, count in boundaries.items():
        if name != RANDOM:
            kinds[kind(name)] += count
    return {
        "kills": sum(trial.kills for trial in trials),
        "trials": len(trials),
        "recovered": sum(not trial.faults for trial in trials),
        "embeddings made again": sum(trial.encoded_again for trial in trials),
        "kills by kind": dict(kinds),
        "kills by boundary": dict(sorted(boundaries.items())),
        "scenarios": {name: figures(some) for name, some in by_scenario.items()},
    }


def kind(boundary: str) -> str:
    """Return which kind of boundary this is."""
    if boundary.startswith("system call"):
        return "at a system call"
    return boundary if boundary == "during recovery" else "at a fault point"


def figures(trials: Sequence[Trial]) -> dict[str, Any]:
    seconds = [trial.seconds for trial in trials]
    return {
        "kills": sum(trial.kills for trial in trials),
        "trials": len(trials),
        "recovered": sum(not trial.faults for trial in trials),
        "seconds to recover, median": round(statistics.median(seconds), 2),
        "seconds to recover, most": round(max(seconds), 2),
        "seconds of an uninterrupted run": round(trials[0].uninterrupted, 2),
    }


if __name__ == "__main__":
    main()
