"""Situations in which an ingest is killed: what lies in the folder, what was indexed before."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from florilegium import Library
from florilegium.demo.pictures import fill_folder
from tests.conftest import FAKES, write_tiny_folder
from tests.reliability.processes import run
from tests.reliability.worker import Job
from tests.unit.test_ingest_recovery import change

CHROMA: Final = {**FAKES, "store.name": "chroma"}
_CAPTIONS: Final = {"chat.name": "fake:A green zebra.", "ingest.captions": "all"}
_MORE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A library that was made with `settings`, perhaps ingested and changed, and is ingested now.

    Now is with `overrides`, as a changed settings file would say, and perhaps with `rebuild`.
    """

    name: str
    settings: Mapping[str, object]
    overrides: Mapping[str, object] = field(default_factory=dict)
    ingested: bool = True
    rebuild: bool = False
    write_graphs: bool = False
    """Whether Chroma writes its graphs every few records, as it does for many records."""
    fill: Callable[[Path], object] = write_tiny_folder
    change: Callable[[Path], None] | None = None


def write_folder(folder: Path) -> None:
    """Write the tiny folder and a dozen more texts, so that there are several batches."""
    write_tiny_folder(folder)
    for number in range(_MORE):
        text = f"Bed {number} holds {number + 3} tulips of the colour number {number * 7}.\n"
        (folder / "notes" / f"bed {number}.txt").write_text(text, encoding="utf-8")


def _photos(folder: Path) -> None:
    folder.mkdir()
    fill_folder(folder)


def _change_photos(folder: Path) -> None:
    photos = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    photos[0].rename(folder / f"moved{photos[0].suffix}")
    photos[1].unlink()
    shutil.copy(photos[2], folder / f"copy{photos[2].suffix}")


_BATCHES: Final = {"ingest.batch_files": 4, "encoder.batch_size": 4}


def _of_each_kind(settings: Mapping[str, object]) -> Iterator[Scenario]:
    kinds: dict[str, dict[str, Any]] = {
        "first run": {"ingested": False, "fill": write_folder},
        "later run": {"change": change, "fill": write_folder},
        "rebuild": {"change": change, "rebuild": True},
        "rebuild with another encoder": {
            "overrides": {"encoder.name": "fake:48", "text_encoder.name": "fake:48"},
            "rebuild": True,
        },
        "machine captions": {"overrides": _CAPTIONS, "change": change},
    }
    for name, more in kinds.items():
        store = settings["store.name"]
        yield Scenario(name=f"{name}, {store}", settings={**settings, **_BATCHES}, **more)


SCENARIOS: Final = (
    *_of_each_kind(FAKES),
    *_of_each_kind(CHROMA),
    Scenario(
        name="later run that writes graphs, chroma",
        settings={**CHROMA, **_BATCHES},
        write_graphs=True,
        fill=write_folder,
        change=change,
    ),
    Scenario(
        name="moved from memory to chroma",
        settings={**FAKES, **_BATCHES},
        overrides={"store.name": "chroma"},
        change=change,
    ),
    Scenario(
        name="moved from chroma to memory",
        settings={**CHROMA, **_BATCHES},
        overrides={"store.name": "memory"},
        change=change,
    ),
)
PHOTOS: Final = (
    Scenario(
        name="photos and the starter encoder, first run", settings={}, ingested=False, fill=_photos
    ),
    Scenario(
        name="photos and the starter encoder, later run",
        settings={},
        fill=_photos,
        change=_change_photos,
    ),
)


def prepare(scenario: Scenario, folder: Path) -> None:
    """Make the library of a scenario, as it is before the run that is killed."""
    scenario.fill(folder)
    Library.create(folder, overrides=scenario.settings).close()
    if scenario.ingested:
        log = folder.parent / "prepared.log"
        run(Job(folder=folder, log=log, write_graphs=scenario.write_graphs))
    if scenario.change is not None:
        scenario.change(folder)
