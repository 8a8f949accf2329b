"""Every file of an index is lost, emptied, overwritten or cut; each time all is as it was after."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from florilegium.errors import StoreError
from florilegium.report import IngestReport
from florilegium.stores.chroma_files import DATABASE
from tests.unit.damage_samples import FILES, SAVED_FROM, WAYS, Broken

Result = TypeVar("Result")

pytestmark = pytest.mark.slow

# Chroma reads nothing of these: at all, or of pages that hold no row any more.
HARMLESS = {("length.bin", way) for way in WAYS if way != "deleted"} | {
    ("chroma.sqlite3", "middle overwritten")
}
# Told from a whole one only by reading every vector.
DEEP = {("florilegium-records.sqlite3", "deleted"), ("florilegium-records.sqlite3", "emptied")}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Broken:
    """Return a library whose store has saved a graph."""
    return Broken(tmp_path_factory.mktemp("broken"), sentences=SAVED_FROM)


@pytest.fixture
def broken(saved: Broken) -> Broken:
    """Return that library, put back to where it was."""
    saved.restore()
    return saved


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_every_damaged_file_is_found_and_mended_without_an_encoder(
    broken: Broken, name: str, way: str
) -> None:
    WAYS[way](broken.file(name))

    with broken.open() as library:
        found = library.inspect(deep=(name, way) in DEEP)
        report = library.repair()

    assert found or (name, way) in HARMLESS
    assert report.left == ()
    assert report.encoded == 0
    broken.check_mended()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in FILES if name != "embeddings.db"])
def test_search_and_ingest_meet_damage_with_a_remedy(broken: Broken, name: str, way: str) -> None:
    WAYS[way](broken.file(name))

    with broken.open() as library:
        # What a search does not read is checked by ingest before anybody reads it.
        if (name, way) != ("data_level0.bin", "middle overwritten"):
            found = or_hint(lambda: len(library.search("Sentence 3 4 tells of word25.")))
            assert found == 8 or name == "catalog.db" or "doctor --repair" in str(found)
        done = or_hint(library.ingest)

    if isinstance(done, IngestReport):
        assert (done.seen, done.encoded, done.failed) == (8, 0, ())
    else:
        assert way == "middle overwritten"
        assert "doctor --repair" in done


def or_hint(do: Callable[[], Result]) -> Result | str:
    """Return what was done, or the hint of the error that it met."""
    try:
        return do()
    except StoreError as error:
        return str(error.hint)


def test_cache_and_store_may_be_damaged_at_once(broken: Broken) -> None:
    WAYS["middle overwritten"](broken.file("embeddings.db"))
    WAYS["emptied"](broken.file("data_level0.bin"))

    with broken.open() as library:
        report = library.repair()

    assert [(mend.finding.part, mend.finding.code) for mend in report.mends[:2]] == [
        ("cache", "corrupt"),
        ("store", "corrupt"),
    ]
    assert "vectors were saved from it" in report.mends[1].done
    assert (report.encoded, report.left) == (0, ())
    broken.check_mended()


def test_making_an_index_anew_is_told_before(broken: Broken) -> None:
    broken.file("header.bin").unlink()
    told: list[str] = []

    with broken.open() as library:
        library.repair(tell=told.append)

    assert told == ["The index is made anew beside the damaged one, with all its 8 files."]


def test_a_broken_library_is_as_it_was_before_it_is_repaired(broken: Broken) -> None:
    broken.file("link_lists.bin").write_bytes(b"nonsense")

    def contents() -> dict[Path, object]:
        files = [path for path in broken.index_folder.rglob("*") if path.is_file()]
        found: dict[Path, object] = {}
        for path in files:
            if path.name == DATABASE:
                continue  # Chroma notes in it that it was opened
            if path.suffix in {".db", ".sqlite3"}:  # opening one may move its log into it
                with closing(sqlite3.connect(path)) as connection:
                    found[path] = list(connection.iterdump())
            elif path.suffix in {".bin", ".pickle"}:
                found[path] = path.read_bytes()
        return found

    before = contents()
    with broken.open() as library:
        assert library.inspect(deep=True)

    assert contents() == before
