"""A full disk, a disk that can only be read, and files that change while they are read."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.config import INDEX_FOLDER
from florilegium.errors import StoreError
from florilegium.loaders.image import ImageLoader
from florilegium.types import Item, Source
from tests.conftest import FAKES, write_tiny_folder
from tests.reliability import loop_disk
from tests.reliability.loop_disk import LoopDisk, copy_holes
from tests.reliability.power import PowerBench
from tests.reliability.processes import run
from tests.reliability.scenarios import CHROMA, Scenario, prepare, write_folder
from tests.reliability.trials import different
from tests.reliability.worker import Job
from tests.unit.index_state import paths, state_of
from tests.unit.test_ingest_recovery import change

needs_disks = pytest.mark.skipif(
    bool(loop_disk.missing()), reason=loop_disk.missing() or "this machine makes disks"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder in memory where there is one, to keep the files of disks in."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as folder:
        yield Path(folder)


# -- power --


@needs_disks
@pytest.mark.parametrize("settings", [FAKES, CHROMA], ids=["memory", "chroma"])
def test_what_is_on_the_disk_when_the_power_fails_is_completed_by_the_next_run(
    settings: dict[str, object], place: Path
) -> None:
    scenario = Scenario(
        name="", settings={**settings, "ingest.batch_files": 4}, change=change, write_graphs=True
    )
    trials = list(PowerBench(scenario, place).cuts(random.Random(3), count=4))

    assert [trial for trial in trials if trial.faults] == []


# -- a full disk --


@needs_disks
@pytest.mark.parametrize("settings", [FAKES, CHROMA], ids=["memory", "chroma"])
def test_a_full_disk_is_named_and_ingest_goes_on_when_there_is_room(
    settings: dict[str, object], place: Path
) -> None:
    base = LoopDisk.make(place / "base.img", place / "disk", megabytes=24)
    library, log = base.point / "library", place / "log"
    with base.mounted():
        prepare(Scenario(name="", settings=settings, fill=write_folder, change=change), library)
    copy_holes(base.file, place / "complete.img")
    with LoopDisk(place / "complete.img", base.point).mounted():
        complete = run(Job(folder=library, log=log))
    messages = set()
    for kilobytes in (0, 60, 250):
        copy_holes(base.file, place / "full.img")
        with LoopDisk(place / "full.img", base.point).mounted():
            ballast = _fill(base.point, leave=kilobytes * 1000)
            try:
                run(Job(folder=library, log=log))
            except StoreError as error:
                messages.add(f"{error.message} {error.hint}")
            # Whatever was written, what is in use can be searched; or ingest has room again.
            ballast.unlink()
            found = run(Job(folder=library, log=log))

        assert list(different(complete, found)) == [], kilobytes
    assert messages, "the disk was never full"
    assert all("disk" in message.lower() or "space" in message for message in messages), messages


def _fill(folder: Path, *, leave: int) -> Path:
    """Write a file that leaves so many bytes of the disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    os.truncate(ballast, ballast.stat().st_size - leave)
    return ballast


# -- a disk that can only be read --


@needs_disks
@pytest.mark.parametrize("settings", [FAKES, CHROMA], ids=["memory", "chroma"])
def test_a_library_that_can_only_be_read_is_searched_and_not_ingested(
    settings: dict[str, object], place: Path
) -> None:
    disk = LoopDisk.make(place / "disk.img", place / "disk", megabytes=24)
    with disk.mounted() as folder:
        prepare(Scenario(name="", settings=settings), folder / "library")
        with Library.open(folder / "library") as library:
            complete = state_of(library)
        disk.remount("ro")
        with Library.open(folder / "library") as library:
            found = state_of(library)
            with pytest.raises(StoreError, match="Read-only file system") as caught:
                library.ingest()

        # Comparing all records gives the scores of the graph but for the last digits.
        assert [[hit[:2] for hit in hits] for hits in found.hits] == [
            [hit[:2] for hit in hits] for hits in complete.hits
        ]
        assert replace(found, hits=[]) == replace(complete, hits=[])
        assert "write" in (caught.value.hint or "")


# -- files that change --


@pytest.mark.parametrize("accident", ["vanishes", "is cut off", "is another"])
def test_a_file_that_changes_while_it_is_read_costs_no_other_and_is_right_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accident: str
) -> None:
    folder, load = tmp_path / "library", ImageLoader.load
    write_tiny_folder(folder)
    victim = folder / "circle.png"
    accidents: dict[str, Callable[[], object]] = {
        "vanishes": victim.unlink,
        "is cut off": lambda: victim.write_bytes(victim.read_bytes()[:60]),
        "is another": lambda: Image.new("RGB", (40, 40), "blue").save(victim),
    }

    def disturbed(self: ImageLoader, source: Source) -> Iterator[Item]:
        if source.path == victim.name:
            accidents[accident]()
        return load(self, source)

    monkeypatch.setattr(ImageLoader, "load", disturbed)
    with Library.create(folder, overrides=FAKES) as library:
        report = library.ingest()
        assert report.seen == 7
        assert [failure.path for failure in report.failed] == [victim.name]
        monkeypatch.undo()
        library.ingest()
        found = state_of(library)
        assert victim.exists() == ("circle.png" in {*found.sources, *found.failures})
        assert "red square.png" in paths(library.search("red square"))
    again = tmp_path / "again"
    folder.rename(again)
    for file in (again / INDEX_FOLDER).glob("index-*/catalog.db"):
        file.unlink()
    again.rename(folder)
    with Library.open(folder) as library:
        library.ingest()
        assert state_of(library) == found
