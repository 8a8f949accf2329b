"""Indexes of earlier versions go on, without an encoder: stored ones are opened here.

The files in tests/fixtures were written by those versions; each release that changes a schema adds
one and keeps the others.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.agreement import check_manifest
from florilegium.catalog import Catalog
from florilegium.errors import IndexMismatchError, IndexOutdatedError
from florilegium.guesses import said_words
from florilegium.migrations import DUE, GUESSES, SCHEMA_VERSION, migrate
from florilegium.types import Manifest, Modality
from tests.conftest import FAKES
from tests.unit.catalog_samples import found, image_entry, text_entry
from tests.unit.index_state import State, state_of

FIXTURES = Path(__file__).parent.parent / "fixtures"
STORED = sorted(FIXTURES.glob("schema-*.zip"))
IN_PLACE = [file for file in STORED if not file.name.startswith("schema-1-")]
FIRST_DAY = 1_700_000_000_000_000_000


def unpack(stored: Path, folder: Path) -> Path:
    """Write a stored library, with the times that its index knows."""
    with zipfile.ZipFile(stored) as archive:
        archive.extractall(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for number, file in enumerate(sorted(f for f in files if ".florilegium" not in f.parts)):
        if file.name != "florilegium.toml":
            os.utime(file, ns=(FIRST_DAY + number * 10**9,) * 2)
    return folder


def expected(stored: Path, folder: Path) -> State:
    """Return what a new library of the same files holds."""
    unpack(stored, folder)
    store = "chroma" if "chroma" in stored.name else "memory"
    shutil.rmtree(folder / ".florilegium")
    (folder / ".florilegium").mkdir()
    with Library.open(folder, overrides={**FAKES, "store.name": store}) as library:
        library.ingest()
        return state_of(library)


def test_there_are_stored_indexes_of_all_earlier_schemas() -> None:
    numbers = {int(file.name.split("-")[1]) for file in STORED}

    assert numbers == set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("stored", STORED, ids=lambda file: file.stem)
def test_a_stored_index_is_brought_up_to_date_by_ingest(tmp_path: Path, stored: Path) -> None:
    wanted = expected(stored, tmp_path / "new")
    with Library.open(unpack(stored, tmp_path / "old")) as library:
        report = library.ingest()

        assert (report.encoded, report.failed) == (0, ())
        found = state_of(library)
    assert {path: s.content_hash for path, s in found.sources.items()} == {
        path: s.content_hash for path, s in wanted.sources.items()
    }
    assert found.vectors == wanted.vectors
    assert found.words == wanted.words
    assert found.hits == wanted.hits
    assert found.links == wanted.links
    with Library.open(tmp_path / "old") as library:
        assert library.ingest().seen == 7
        assert state_of(library) == found


@pytest.mark.parametrize("stored", IN_PLACE, ids=lambda file: file.stem)
def test_a_stored_index_is_searched_without_an_ingest(tmp_path: Path, stored: Path) -> None:
    with Library.open(unpack(stored, tmp_path)) as library:
        hits = library.search("red square", top_k=2)

        assert {hit.item.title for hit in hits} == {"red square"}
        report = library.ingest()  # reads the files again if loaders have changed since
        assert (report.seen, report.encoded, report.failed) == (7, 0, ())


def test_an_index_that_is_too_old_says_what_to_do(tmp_path: Path) -> None:
    with Library.open(unpack(FIXTURES / "schema-1-memory.zip", tmp_path)) as library:
        with pytest.raises(IndexOutdatedError, match="too old") as caught:
            library.search("red square")

        assert "florilegium ingest" in str(caught.value.hint)
        assert "--rebuild" not in str(caught.value.hint)


def old_catalog(file: Path, *, labels: str = "") -> None:
    """Write a catalog as schema 3 was: traditional characters, and labels that are only words."""
    catalog = Catalog(file, root=file.parent)
    card = f"我的雛菊\n{labels}" if labels else "我的雛菊"
    catalog.commit([text_entry("a.txt", "雛菊要澆水"), image_entry("b.jpg", card, labels=labels)])
    catalog.close()
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(
            "UPDATE text_words SET words='雛菊 菊要 要澆 澆水', characters='雛 菊 要 澆 水'"
        )
        connection.execute(
            "UPDATE image_words SET words='我的 的雛 雛菊', characters='我 的 雛 菊', labels=?",
            (labels,),
        )
        details = '{"span": null, "size": [64, 48], "references": []}'
        connection.execute("UPDATE items SET details=?", (details,))
        connection.execute("PRAGMA user_version=3")
    connection.close()


@pytest.mark.parametrize("query", ["雏菊", "雛菊", "菊"])
def test_indexed_words_become_simplified_in_place(tmp_path: Path, query: str) -> None:
    old_catalog(tmp_path / "catalog.db")

    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)

    assert found(catalog, query) == ["a.txt 0"]
    assert found(catalog, query, Modality.IMAGE) == ["b.jpg 0"]
    assert found(catalog, "浇水") == ["a.txt 0"]
    assert catalog.fact(GUESSES) is None
    assert catalog.item("b.jpg 0").guesses == ()
    catalog.close()


def test_labels_of_before_are_guesses_of_unknown_share_until_the_next_ingest(
    tmp_path: Path,
) -> None:
    old_catalog(tmp_path / "catalog.db", labels="ostrich, 鴕鳥")

    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)

    item = catalog.item("b.jpg 0")
    assert [(one.name, one.weight) for one in item.guesses] == [("ostrich, 鴕鳥", 0.0)]
    assert said_words(item) == "我的雛菊"
    assert catalog.search_words("鸵鸟", Modality.IMAGE, top_k=9, labels=True) != []
    manifest = Manifest(schema=2, spaces=())
    check_manifest(catalog, manifest, root=tmp_path, writing=True)  # notes what is built
    assert catalog.fact(GUESSES) == DUE
    catalog.close()


def test_an_index_whose_guesses_have_no_shares_is_made_anew_by_ingest(
    tiny_library: Library,
) -> None:
    tiny_library.index.catalog.set_fact(GUESSES, DUE)
    assert tiny_library.search("red square", top_k=1)[0].item.title == "red square"

    report = tiny_library.ingest()

    assert (report.added, report.encoded) == (7, 0)
    assert tiny_library.index.catalog.fact(GUESSES) is None
    assert (tiny_library.root / ".florilegium" / "index-2").is_dir()


def test_a_newer_index_is_refused_and_left_alone(tmp_path: Path, tiny_library: Library) -> None:
    file = tiny_library.root / ".florilegium" / "index-1" / "catalog.db"
    tiny_library.close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()

    for action in (lambda: tiny_library.search("red"), tiny_library.ingest):
        with pytest.raises(IndexMismatchError, match="newer") as caught:
            action()
        assert "Update florilegium" in str(caught.value.hint)
    assert file.exists()
    assert not (tiny_library.root / ".florilegium" / "index-2").exists()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "catalog.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version=2")
    connection.commit()

    with pytest.raises(sqlite3.OperationalError, match="records"):
        migrate(connection, place=str(file))

    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_new_catalog_has_the_present_schema(tmp_path: Path) -> None:
    Catalog(tmp_path / "catalog.db", root=tmp_path).close()

    connection = sqlite3.connect(tmp_path / "catalog.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_an_older_catalog_that_can_only_be_read_says_so(tmp_path: Path) -> None:
    folder = unpack(FIXTURES / "schema-2-memory.zip", tmp_path)
    file = folder / ".florilegium" / "catalog.db"
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)

    with pytest.raises(IndexOutdatedError, match="read-only") as caught:
        migrate(connection, place=str(file))
    assert "Copy the library" in str(caught.value.hint)
    connection.close()
