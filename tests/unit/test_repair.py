"""A repair ends in the index there was, and encodes nothing that is anywhere on the disk."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from florilegium import Library
from florilegium.cache_rows import pack_key
from florilegium.errors import IndexLockedError
from florilegium.index import Index
from florilegium.record_keys import record_keys
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Collection, Modality, Record
from tests.conftest import FAKES
from tests.unit.damage_samples import ON_CHROMA, Broken
from tests.unit.index_state import state_of
from tests.unit.test_ingest_recovery import press_at
from tests.unit.test_locking import other_process


@pytest.fixture(params=[ON_CHROMA, FAKES], ids=["chroma", "memory"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Broken:
    """Return a small library that is to be broken."""
    return Broken(tmp_path, overrides=request.param)


@pytest.fixture
def library(broken: Broken) -> Iterator[Library]:
    with broken.open() as library:
        yield library


def some_record(index: Index, collection: Collection) -> Record:
    (id_,) = index.catalog.first_records(collection, limit=1)
    (record,) = index.store.get(collection, [id_])
    return record


def turned(record: Record) -> Record:
    """Return a record with quite another vector."""
    row = np.roll(record.embedding, 5)
    return Record(id=record.id, item_id=record.item_id, embedding=row)


def forget_cached(library: Library, *, modality: Modality | None = None) -> None:
    """Delete what the cache has for pictures, for texts, or for all."""
    index = library.index
    kinds = [modality] if modality else list(Modality)
    items = [item for kind in kinds for item, _ in index.catalog.all_items(kind)]
    keys = {key for some in record_keys(items, index=index).values() for key in some.values()}
    with closing(sqlite3.connect(library.root / ".florilegium" / "embeddings.db")) as cache, cache:
        cache.executemany(
            "DELETE FROM embeddings WHERE key=?", [(pack_key(key.key),) for key in keys]
        )


def codes(library: Library, *, deep: bool = False) -> list[tuple[str, str, int]]:
    return [(one.part, one.code, one.count) for one in library.inspect(deep=deep)]


# -- records --


def test_records_that_the_catalog_does_not_know_are_deleted(
    broken: Broken, library: Library
) -> None:
    index = library.index
    one = some_record(index, index.pictures)
    index.store.upsert(
        index.pictures, [Record(id=f"{i}:x", item_id="x", embedding=one.embedding) for i in "ab"]
    )

    assert codes(library) == [("store", "orphans", 2)]
    report = library.repair()

    assert [mend.done for mend in report.mends] == ["2 orphans deleted."]
    assert (report.encoded, report.left) == (0, ())
    broken.check_mended()


@pytest.mark.parametrize("name", ["pictures", "windows", "chunks", "sentences", "cards"])
def test_lost_records_come_back_from_the_cache(broken: Broken, library: Library, name: str) -> None:
    index = library.index
    collection = getattr(index, name)
    index.store.delete(collection, index.catalog.first_records(collection, limit=2))

    assert codes(library) == [("store", "missing", 2)]
    report = library.repair()

    assert [mend.done for mend in report.mends] == ["2 vectors put again."]
    assert (report.encoded, report.left, report.ingest.unchanged) == (0, (), 7)
    broken.check_mended()


@pytest.mark.parametrize("name", ["pictures", "chunks", "cards"])
def test_a_wrong_vector_is_found_by_its_checksum_and_put_right(
    broken: Broken, library: Library, name: str
) -> None:
    index = library.index
    collection = getattr(index, name)
    index.store.upsert(collection, [turned(some_record(index, collection))])

    assert codes(library) == []
    assert codes(library, deep=True) == [("store", "wrong", 1)]
    report = library.repair()

    assert (report.encoded, report.left) == (0, ())
    broken.check_mended()


def test_a_wrong_vector_without_a_checksum_is_found_by_the_cache(
    broken: Broken, library: Library
) -> None:
    index = library.index
    index.store.upsert(index.chunks, [turned(some_record(index, index.chunks))])
    library.close()
    with closing(sqlite3.connect(broken.file("catalog.db"))) as catalog, catalog:
        catalog.execute("UPDATE records SET checksum=NULL")

    assert codes(library, deep=True) == [("store", "wrong", 1)]
    library.repair()

    assert codes(library, deep=True) == []
    assert state_of(library).vectors == broken.state.vectors


def test_what_is_neither_in_store_nor_cache_is_encoded_again_and_nothing_else(
    broken: Broken, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = library.index
    lost = some_record(index, index.pictures)
    index.store.delete(index.pictures, [lost.id])
    forget_cached(library, modality=Modality.IMAGE)
    told: list[str] = []

    report = library.repair(tell=told.append)

    assert (report.encoded, report.left, report.ingest.added) == (1, (), 1)
    assert told == ["1 files are read anew, since nothing else has their vectors."]
    broken.check_mended()


# -- the cache --


def test_a_broken_row_of_the_cache_is_restored_from_the_store(
    broken: Broken, library: Library
) -> None:
    library.close()
    with closing(sqlite3.connect(broken.file("embeddings.db"))) as cache, cache:
        cache.execute("UPDATE embeddings SET vector=x'0000803f' WHERE number IN (1, 2, 3)")

    assert codes(library) == []
    assert codes(library, deep=True) == [("cache", "rows", 3), ("cache", "uncached", 3)]
    report = library.repair()

    assert [mend.done for mend in report.mends[:1]] == [
        "3 broken rows of the cache deleted, 3 vectors put into the cache from the store."
    ]
    assert (report.encoded, report.left) == (0, ())
    check_rebuild_encodes_nothing(broken)


def test_an_emptied_cache_is_filled_from_the_store(broken: Broken, library: Library) -> None:
    forget_cached(library)

    assert [code for _, code, _ in codes(library)] == ["uncached"]
    report = library.repair()

    assert (report.encoded, report.left) == (0, ())
    check_rebuild_encodes_nothing(broken)


def test_a_cache_that_is_no_database_is_made_anew(broken: Broken, library: Library) -> None:
    library.close()
    broken.file("embeddings.db").write_text("no database " * 999, encoding="utf-8")

    assert codes(library) == [("cache", "corrupt", 1)]
    report = library.repair()

    assert (report.encoded, report.left) == (0, ())
    assert not list(broken.index_folder.glob("*.broken-*"))
    check_rebuild_encodes_nothing(broken)


def test_cache_and_store_that_lack_different_vectors_complete_each_other(
    broken: Broken, library: Library
) -> None:
    index = library.index
    index.store.delete(index.chunks, index.catalog.first_records(index.chunks, limit=9))
    forget_cached(library, modality=Modality.IMAGE)

    report = library.repair()

    assert (report.encoded, report.left) == (0, ())
    check_rebuild_encodes_nothing(broken)


def check_rebuild_encodes_nothing(broken: Broken) -> None:
    broken.check_mended()
    with broken.open() as library:
        assert library.ingest(rebuild=True).encoded == 0


# -- the folder --


@pytest.mark.parametrize("lost", ["store", "store/*"])
def test_a_lost_store_is_made_anew(broken: Broken, library: Library, lost: str) -> None:
    library.close()
    for folder in list((broken.index_folder / "index-1").glob(lost)):
        shutil.rmtree(folder)

    assert codes(library) == [("store", "lost", 1)]
    report = library.repair()

    assert (report.encoded, report.left) == (0, ())
    broken.check_mended()


@pytest.mark.parametrize("said", ["index-7", "nonsense", "", None])
def test_a_file_that_names_no_index_is_put_right(
    broken: Broken, library: Library, said: str | None
) -> None:
    library.ingest(rebuild=True)
    library.close()
    current = broken.index_folder / "current"
    assert current.read_text(encoding="utf-8") == "index-2\n"
    current.write_text(said, encoding="utf-8") if said is not None else current.unlink()

    assert codes(library) == [("folder", "pointer", 1)]
    report = library.repair()

    assert [mend.done for mend in report.mends] == ["The index in 'index-2' is in use."]
    assert (report.encoded, report.left, report.ingest.unchanged) == (0, (), 7)
    broken.check_mended()


def test_leftovers_are_deleted(broken: Broken, library: Library) -> None:
    library.ingest(rebuild=True)
    library.close()
    folder = broken.index_folder
    leftovers = [folder / "index-1", folder / "store.deleted", folder / "index-9"]
    for one in leftovers:
        (one / "store").mkdir(parents=True)
    (folder / "catalog.db").write_bytes(b"old")
    (folder / "embeddings.db.broken-1").write_bytes(b"set aside")

    assert codes(library) == [("folder", "leftovers", 5)]
    report = library.repair()

    assert [mend.done for mend in report.mends] == ["5 leftovers were deleted."]
    assert not any(one.exists() for one in leftovers)
    broken.check_mended()


# -- no false alarm --


def test_a_healthy_library_gives_no_finding_and_is_left_as_it_is(
    broken: Broken, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("an encoder ran")

    monkeypatch.setattr(FakeEncoder, "encode_texts", fail)
    monkeypatch.setattr(FakeEncoder, "encode_images", fail)

    assert codes(library) == []
    assert codes(library, deep=True) == []
    report = library.repair()

    assert (report.mends, report.left, report.ingest.unchanged) == ((), (), 7)


def test_a_repair_waits_for_nobody_unless_told_to(broken: Broken, library: Library) -> None:
    with other_process(broken.index_folder), pytest.raises(IndexLockedError, match="testing"):
        library.repair()


def test_a_check_says_that_another_process_writes(broken: Broken, library: Library) -> None:
    with other_process(broken.index_folder):
        (check,) = [one for one in library.check() if one.name == "files"]

    assert check.ok
    assert "testing" in check.message
    assert "again" in (check.hint or "")


def test_ctrl_c_ends_a_repair_and_the_next_one_goes_on(broken: Broken, library: Library) -> None:
    library.close()
    shutil.rmtree(library.root / ".florilegium" / "index-1" / "store")

    with pytest.raises(KeyboardInterrupt):
        library.repair(progress=press_at(2))
    report = library.repair()

    assert (report.left, report.encoded) == ((), 0)
    assert library.ingest().unchanged == report.ingest.seen
