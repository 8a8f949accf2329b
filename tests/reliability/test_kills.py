"""A process that is really killed leaves an index that the next run completes exactly.

A sample; `python -m benchmarks.kills` does hundreds. tests/unit/test_ingest_recovery.py goes
through all writes in one process.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import syscalls
from tests.reliability.scenarios import CHROMA, SCENARIOS, Scenario
from tests.reliability.trials import Bench

MEMORY = [scenario for scenario in SCENARIOS if scenario.settings["store.name"] == "memory"]
SEED = 5

needs_strace = pytest.mark.skipif(bool(syscalls.missing()), reason=syscalls.missing() or "not")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder in memory where there is one: a kill loses nothing that the system holds."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as folder:
        yield Path(folder)


def find(name: str) -> Scenario:
    """Return a scenario by its name."""
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


@pytest.mark.parametrize("scenario", MEMORY, ids=lambda scenario: scenario.name)
def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(
    scenario: Scenario, place: Path
) -> None:
    chance, bench = random.Random(SEED), Bench(scenario, place)
    points = chance.sample(range(1, len(bench.points) + 1), 2)
    trials = [bench.at_random(chance), *(bench.at_point(point) for point in points)]

    assert [trial for trial in trials if trial.faults] == []
    assert sum(trial.kills for trial in trials) >= 2, trials


@pytest.mark.parametrize("name", ["later run, chroma", "rebuild, chroma"])
def test_a_run_on_chroma_that_is_killed_anywhere_is_completed_by_the_next(
    name: str, place: Path
) -> None:
    chance, bench = random.Random(SEED), Bench(find(name), place)
    inside = [at for at, point in enumerate(bench.points, start=1) if "ExactRecords" in point]
    trials = [bench.at_random(chance), bench.at_point(chance.choice(inside))]

    assert [trial for trial in trials if trial.faults] == []


def test_a_run_that_is_killed_again_and_again_is_completed_by_the_next(place: Path) -> None:
    chance, bench = random.Random(SEED), Bench(find("later run, memory"), place)
    first = chance.randint(1, len(bench.points))
    trials = [bench.at_point(first, 4, 9), bench.at_random(chance, kills=3)]

    assert [trial for trial in trials if trial.faults] == []
    assert trials[0].kills == 3


@needs_strace
@pytest.mark.parametrize("settings", ["first run, memory", "later run, chroma"])
def test_a_run_that_is_killed_within_a_system_call_is_completed_by_the_next(
    settings: str, place: Path
) -> None:
    chance, bench = random.Random(SEED), Bench(find(settings), place)
    bench.reset()
    calls = syscalls.count(bench.job(wait=True), place)
    assert {"pwrite64", "write", "fdatasync"} <= set(calls)
    for call in ("pwrite64", "fdatasync"):
        bench.reset()
        number = chance.randint(1, calls[call])
        killed = syscalls.kill_at(bench.job(wait=True), call, number)
        trial = bench.finish([f"{call} {number}"] if killed else [])

        assert not trial.faults, trial


def test_a_difference_is_noticed(place: Path) -> None:
    bench = Bench(find("first run, memory"), place)
    bench.reset()
    (place / "library" / "circle.md").unlink()

    trial = bench.finish([])

    assert {"sources differ", "items differ", "vectors differ"} <= set(trial.faults)


def test_fault_points_stand_at_all_that_writes(place: Path) -> None:
    bench = Bench(Scenario(name="", settings=CHROMA, ingested=False), place)

    for name in ("COMMIT", "ChromaStore.upsert", "ExactRecords.upsert", "EmbeddingCache.put",
                 "Catalog.announce", "Catalog.commit"):  # fmt: skip
        assert f"before {name}" in bench.points
        assert f"after {name}" in bench.points
