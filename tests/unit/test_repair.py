"""Whatever is broken, a repair ends in the index there was, and encodes nothing that is anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.errors import FlorilegiumError, StoreError
from florilegium.stores import chroma_files
from tests.unit.damage_samples import FILES, WAYS, Broken

# Chroma reads nothing of these: there, or in pages that hold no row any more.
HARMLESS = {("length.bin", way) for way in WAYS if way != "deleted"} | {
    ("chroma.sqlite3", "middle overwritten")
}
# Told from a whole one by reading every vector only.
DEEP = {("florilegium-records.sqlite3", "deleted"), ("florilegium-records.sqlite3", "emptied")}


@pytest.fixture(scope="module")
def library_files(tmp_path_factory: pytest.TempPathFactory) -> Broken:
    return Broken(tmp_path_factory.mktemp("broken"))


@pytest.fixture
def broken(library_files: Broken, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    monkeypatch.setattr(chroma_files, "_LONGEST_SAVE", 0.0)  # nobody else writes here
    library_files.restore()
    yield library_files


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
def test_an_ingest_makes_a_damaged_index_anew_without_an_encoder(
    broken: Broken, name: str, way: str
) -> None:
    WAYS[way](broken.file(name))

    with broken.open() as library:
        report = library.ingest()

    assert (report.seen, report.encoded, report.failed) == (8, 0, ())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_a_search_never_fails_without_saying_how_to_mend_it(
    broken: Broken, name: str, way: str
) -> None:
    if (name, way) in {("data_level0.bin", "middle overwritten"),
                       ("link_lists.bin", "middle overwritten")}:  # fmt: skip
        pytest.skip("a graph is read whole by doctor and ingest only")
    WAYS[way](broken.file(name))

    with broken.open() as library:
        try:
            assert library.search("Sentence 3 4 tells of word25.")
        except StoreError as error:
            hint = error.hint or ""
            assert "doctor --repair" in hint or (name, hint[:22]) == (
                "catalog.db",
                "Run `florilegium inges",
            )
