"""What can be read of damaged files comes back, and nothing that no checksum vouches for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from florilegium import Library
from florilegium.cache import CaptionRecord, EmbeddingCache
from florilegium.errors import StoreError
from florilegium.salvage import CopiedRecords, _rows, fill_cache, salvage_cache
from florilegium.stores.exact import COPY_NAME, ExactRecords
from florilegium.types import Collection, Modality, Record

IMAGES = Collection(space="s", modality=Modality.IMAGE)


def fill(file: Path, *, count: int = 600) -> None:
    cache = EmbeddingCache(file)
    rows = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
    cache.put("f", {f"{i:032x}": row for i, row in enumerate(rows)})
    cache.put_hashes({f"{i:032x}": bytes([i % 250]) * 8 for i in range(count)})
    cache.put_caption("recipe", "0" * 32, CaptionRecord(text="A rose.", max_tokens=9))
    cache.close()


def test_a_cache_with_a_damaged_page_loses_the_rows_of_that_page_only(tmp_path: Path) -> None:
    fill(tmp_path / "a.db")
    data = bytearray((tmp_path / "a.db").read_bytes())
    page = 16_384
    data[3 * page : 4 * page] = b"\xa5" * page
    (tmp_path / "a.db").write_bytes(data)
    new = EmbeddingCache(tmp_path / "b.db")

    salvaged = salvage_cache(tmp_path / "a.db", new)

    found = new.get("f", [f"{i:032x}" for i in range(600)], dim=32)
    assert 300 < salvaged < 1201
    assert len(found) > 300 or len(new.hashes([f"{i:032x}" for i in range(600)])) > 300
    rows = np.random.default_rng(0).normal(size=(600, 32)).astype(np.float32)
    assert all(np.array_equal(row, rows[int(key, 16)]) for key, row in found.items())
    assert list(new.verify()) == []
    new.close()


def test_a_whole_cache_is_taken_over_completely(tmp_path: Path) -> None:
    fill(tmp_path / "a.db", count=50)
    new = EmbeddingCache(tmp_path / "b.db")

    assert salvage_cache(tmp_path / "a.db", new) == 101
    assert new.captions("recipe", ["0" * 32])["0" * 32].text == "A rose."
    new.close()


def test_nothing_comes_of_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"nothing" * 1000)
    new = EmbeddingCache(tmp_path / "b.db")

    assert salvage_cache(tmp_path / "a.db", new) == 0
    new.close()


def test_the_cache_is_filled_with_what_it_lacks_and_told_how_much(tiny_library: Library) -> None:
    index = tiny_library.index
    assert fill_cache(index) == 0
    tiny_library.close()
    (tiny_library.root / ".florilegium" / "embeddings.db").unlink()

    filled = fill_cache(tiny_library.index)

    assert filled > 10
    assert fill_cache(tiny_library.index) == 0
    assert tiny_library.ingest(rebuild=True).encoded == 0


def test_a_copy_of_records_is_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not there"):
        CopiedRecords(tmp_path)
    (tmp_path / "chroma").mkdir()
    exact = ExactRecords(tmp_path / "chroma" / COPY_NAME)
    record = Record(id="a", item_id="i", embedding=np.array([1, 0], dtype=np.float32))
    exact.upsert(IMAGES.name, [record])
    exact.close()

    store = CopiedRecords(tmp_path)
    store.upsert(IMAGES, [Record(id="b", item_id="i", embedding=record.embedding[::-1])])

    assert store.ids(IMAGES) == {"a", "b"}
    assert [one.id for one in store.get(IMAGES, ["b", "x", "a"])] == ["b", "a"]
    assert [one.id for one in store.search(IMAGES, record.embedding, top_k=1)] == ["a"]
    store.delete(IMAGES, ["a"])
    assert store.ids(IMAGES) == {"b"}
    store.close()


def test_a_damaged_copy_of_records_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / COPY_NAME).write_bytes(b"nothing" * 1000)

    with pytest.raises(StoreError, match="not a database"):
        CopiedRecords(tmp_path)


def test_a_damaged_number_of_the_last_row_does_not_count_for_ever() -> None:
    reader = sqlite3.connect(":memory:")
    reader.execute("CREATE TABLE vectors (number INTEGER PRIMARY KEY, vector BLOB)")
    rows = [(1, b"a"), (2, b"b"), (5_374_248_273_442_940_325, b"?")]
    reader.executemany("INSERT INTO vectors VALUES (?, ?)", rows)

    assert list(_rows(reader, "vectors", "number, vector")) == rows[:2]
    reader.close()
