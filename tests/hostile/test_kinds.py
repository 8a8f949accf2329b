"""Each kind of hostile file alone, beside healthy files: nothing is raised, lost or waited for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from florilegium import IngestReport, Library
from tests.conftest import FAKES
from tests.hostile import all_kinds
from tests.hostile.accounts import (
    NAME,
    QUESTION,
    accounted,
    count,
    is_printable,
    paths,
    write_healthy,
)
from tests.hostile.kinds import KINDS, Kind

MOST_SECONDS = 120  # on a busy machine; alone no kind takes ten


def test_there_are_more_kinds_than_were_asked_for() -> None:
    assert len(all_kinds.ALL) >= 60


@pytest.mark.parametrize("kind", all_kinds.ALL, ids=[kind.name for kind in all_kinds.ALL])
def test_a_kind_costs_nothing_but_itself(kind: Kind, place: Path) -> None:
    folder = place / "library"
    all_kinds.write(kind, folder / "hostile")
    write_healthy(folder)
    # In this process, where nothing stops what goes wrong, unless nothing else can.
    isolated = {"ingest.isolate": kind.needs_isolation, "ingest.file_seconds": 2.0}
    started = time.monotonic()
    with Library.create(folder, overrides={**FAKES, **isolated}) as library:
        first = library.ingest()
        hits = paths(library.search(QUESTION, top_k=1000))
        second = library.ingest()
    seconds = time.monotonic() - started

    check(kind, first)
    assert accounted(first) == count(folder)
    assert {f"{NAME}.txt", f"{NAME}.png"} <= set(hits)
    assert (second.added, second.updated, second.removed, second.encoded) == (0, 0, 0, 0)
    assert second.unchanged == first.added
    assert second.failed == first.failed
    assert seconds < MOST_SECONDS


def check(kind: Kind, report: IngestReport) -> None:
    """Check what became of the files of a kind, and what is said of those that failed."""
    told = [f"{failure.path}: {failure.message}" for failure in report.failed]
    if kind.outcome == "taken":
        assert not told
        assert report.added > 2
    if kind.outcome == "failed":
        assert told
        assert report.added == 2 + healthy_beside(kind)
    for failure in report.failed:
        assert failure.code in kind.codes or kind.needs_isolation, told
        assert failure.hint
        assert is_printable(failure.message), ascii(failure.message)
        assert is_printable(failure.hint)
        assert len(failure.message) < 2_000 + len(failure.path)


def healthy_beside(kind: Kind) -> int:
    """Return how many files a kind writes that are healthy: the pictures that others describe."""
    beside = {"XMP sidecars that are bombs": 6, "JSON lines that are broken": 7}
    return beside.get(kind.name, 0)


def test_every_kind_has_files(place: Path) -> None:
    for number, kind in enumerate(KINDS.values()):
        if not all_kinds.why_not(kind):
            folder = place / "library" / str(number)
            folder.mkdir(parents=True)
            kind.write(folder)
            assert count(folder) > 0, kind.name
