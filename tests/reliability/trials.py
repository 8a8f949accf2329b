"""Trials: a run is killed, once or again and again, and what the next makes of it is compared."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tests.reliability.processes import run, run_and_kill
from tests.reliability.scenarios import Scenario, prepare
from tests.reliability.worker import Job, Outcome
from tests.unit.index_state import State

RANDOM = "a random instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one trial. `faults` says what was not as it should be; empty is good."""

    scenario: str
    boundaries: tuple[str, ...]
    """Where it was killed, in order: the name of a fault point or of a system call, or RANDOM."""
    kills: int
    seconds: float
    """Of the run after the last kill, which is not killed."""
    uninterrupted: float
    """Seconds of a run from the same start without a kill."""
    encoded_again: int
    """Embeddings that were made though the cache had promised to keep them."""
    faults: tuple[str, ...]


class Bench:
    """A scenario prepared to be killed many times, and what an uninterrupted run makes of it."""

    def __init__(self, scenario: Scenario, place: Path) -> None:
        self.scenario = scenario
        self._folder, self._saved = place / "library", place / "saved"
        self._log = place / "embeddings.log"
        prepare(scenario, self._folder)
        shutil.copytree(self._folder, self._saved, symlinks=True)
        self.points = run(self.job(at=0)).points
        self.reset()
        # Second, so that files are in memory, as they are in all later runs.
        self.complete = run(self.job())
        self.made = lines_of(self._log)

    def job(self, *, at: int | None = None, wait: bool = False, last: bool = False) -> Job:
        """Return the run of the scenario; `last` is the one that mends what kills have left."""
        return Job(
            folder=self._folder,
            log=self._log,
            overrides=self.scenario.overrides,
            # What a user types next need not say again what the last run was to do, unless
            # without it the run is refused.
            rebuild=self.scenario.rebuild and (not last or bool(self.scenario.overrides)),
            at=at,
            write_graphs=self.scenario.write_graphs,
            wait=wait,
        )

    def reset(self) -> None:
        """Undo all that ingest did."""
        shutil.rmtree(self._folder)
        shutil.copytree(self._saved, self._folder, symlinks=True)
        self._log.unlink(missing_ok=True)

    def at_point(self, *points: int) -> Trial:
        """Kill at these fault points, each in a new process."""
        self.reset()
        names: list[str] = []
        for point in points:
            if run_and_kill(self.job(at=point)):
                names.append(self.points[point - 1] if not names else "during recovery")
        return self.finish(names)

    def at_random(self, chance: random.Random, *, kills: int = 1) -> Trial:
        """Kill at instants spread evenly over the time that an uninterrupted run takes."""
        self.reset()
        names: list[str] = []
        for _ in range(kills):
            if run_and_kill(self.job(), after=chance.uniform(0.0, self.complete.seconds)):
                names.append(RANDOM if not names else "during recovery")
        return self.finish(names)

    def finish(self, boundaries: Sequence[str]) -> Trial:
        """Run to the end and compare."""
        kept = lines_of(self._log)
        found = run(self.job(last=True))
        made = lines_of(self._log) - kept
        again = sum((made & kept).values())
        return Trial(
            scenario=self.scenario.name,
            boundaries=tuple(boundaries),
            kills=len(boundaries),
            seconds=found.seconds,
            uninterrupted=self.complete.seconds,
            encoded_again=again,
            faults=tuple(self._compare(found, made, again)),
        )

    def _compare(self, found: Outcome, made: Counter[str], again: int) -> Iterator[str]:
        wanted = self.complete
        if self.scenario.rebuild and not self.scenario.overrides:
            # An index that a killed rebuild began stays beside until the next rebuild takes it up.
            wanted, found = replace(wanted, files=()), replace(found, files=())
        yield from different(wanted, found)
        if again:
            yield f"{again} embeddings were made again"
        if found.encoded != sum(made.values()):
            yield f"{found.encoded} embeddings were reported and {sum(made.values())} made"
        if surplus := set(made) - set(self.made):
            yield f"{len(surplus)} embeddings were made that nobody needs"


def different(wanted: Outcome, found: Outcome) -> Iterator[str]:
    """Name each part of an index that is not as it was in another run."""
    for one in fields(State):
        if getattr(wanted.state, one.name) != getattr(found.state, one.name):
            yield f"{one.name} differ"
    if wanted.nearest != found.nearest:
        yield "nearest records differ"
    if _unnumbered(wanted.files) != _unnumbered(found.files):
        yield f"files are {found.files}, not {wanted.files}"


def _unnumbered(names: Sequence[str]) -> list[str]:
    # An index that is made anew, because a rebuild is done again or its files were lost, has the
    # next number, and a file that names it.
    return [re.sub(r"^index-[0-9]+$", "index", name) for name in names if name != "current"]


def lines_of(file: Path) -> Counter[str]:
    """Return how often each line stands in a file, which may be absent."""
    return Counter(file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
