"""Trials in which the power is cut: what was on the disk then is all that the next run finds."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.reliability.loop_disk import LoopDisk, copy_holes
from tests.reliability.processes import at_work, run
from tests.reliability.scenarios import Scenario, prepare
from tests.reliability.trials import Trial, different, lines_of
from tests.reliability.worker import Job, Outcome

_MEGABYTES = 96
CUT = "power cut"


class PowerBench:
    """A scenario on a disk of its own, and what an uninterrupted run makes of it."""

    def __init__(self, scenario: Scenario, place: Path) -> None:
        self.scenario = scenario
        self._place, self._log = place, place / "embeddings.log"
        self._base = LoopDisk.make(place / "base.img", place / "disk", megabytes=_MEGABYTES)
        with self._base.mounted():
            prepare(scenario, self._folder)
        self.complete = self._finish(self._base.file)

    @property
    def _folder(self) -> Path:
        return self._base.point / "library"

    def cuts(self, chance: random.Random, *, count: int) -> Iterator[Trial]:
        """Cut the power `count` times during one run, and let each be the end of it."""
        for image, kept in self._cut(chance, count=count):
            started = time.monotonic()
            self._log.write_text("", encoding="utf-8")
            faults: list[str] = []
            again = 0
            try:
                found = self._finish(image)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a result
                faults.append(repr(error))
            else:
                faults += different(self.complete, found)
                if found.wrong:
                    faults.append(f"{found.wrong} vectors were wrong before the next run")
                again = sum((lines_of(self._log) & kept).values())
            if again:
                faults.append(f"{again} embeddings were made again")
            yield Trial(
                scenario=self.scenario.name,
                boundaries=(CUT,),
                kills=1,
                seconds=time.monotonic() - started,
                uninterrupted=self.complete.seconds,
                encoded_again=again,
                faults=tuple(faults),
            )
            image.unlink()

    def _cut(self, chance: random.Random, *, count: int) -> list[tuple[Path, Counter[str]]]:
        running, cuts = self._place / "running.img", []
        copy_holes(self._base.file, running)
        disk = LoopDisk(running, self._base.point)
        self._log.write_text("", encoding="utf-8")
        instants = sorted(chance.uniform(0.0, self.complete.seconds) for _ in range(count))
        with disk.mounted(), at_work(self._job()) as process:
            started = time.monotonic()
            for number, instant in enumerate(instants):
                time.sleep(max(0.0, started + instant - time.monotonic()))
                # Before the copy: what the cache has promised to keep must be in it.
                kept = lines_of(self._log)
                image = self._place / f"cut-{number}.img"
                disk.cut(image)
                cuts.append((image, kept))
            process.join()
        return cuts

    def _finish(self, image: Path) -> Outcome:
        work = self._place / "recovered.img"
        copy_holes(image, work)
        with LoopDisk(work, self._base.point).mounted():
            return run(replace(self._job(), audit=True))

    def _job(self) -> Job:
        return Job(
            folder=self._folder,
            log=self._log,
            overrides=self.scenario.overrides,
            rebuild=self.scenario.rebuild,
            write_graphs=self.scenario.write_graphs,
        )
