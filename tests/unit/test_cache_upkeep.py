"""Broken rows are found and told, numbers add up, and what nobody uses is removed and no more."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from florilegium import cache_upkeep
from florilegium.cache import CaptionRecord, EmbeddingCache
from florilegium.cache_rows import pack_key
from florilegium.cache_upkeep import BrokenRow, CachePruning, EncoderStats
from florilegium.types import Embeddings
from tests.unit.test_cache_file import make_old

ROW = np.asarray([0.5, 0.25, 0, 0], dtype=np.float32)
KEYS = [f"{i:032x}" for i in range(1, 6)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the cache is."""
    return tmp_path / "embeddings.db"


@pytest.fixture
def cache(file: Path) -> Iterator[EmbeddingCache]:
    """Return a cache with five vectors of each of two encoders, a hash, and captions of two."""
    cache = EmbeddingCache(file)
    for fingerprint in ("f", "g"):
        cache.put(fingerprint, dict.fromkeys(KEYS, ROW))
    cache.put_hashes({KEYS[0]: b"hash", KEYS[1]: None})
    cache.put_caption("r", KEYS[0], CaptionRecord(text="A rose.", max_tokens=9))
    cache.put_caption("r", KEYS[1], CaptionRecord(error_code="caption_empty", max_tokens=9))
    yield cache
    cache.close()


def change(file: Path, sql: str, *values: object) -> int:
    """Change the file behind the back of the cache, and return how many rows that concerned."""
    connection = sqlite3.connect(file)
    with connection:
        count = connection.execute(sql, values).rowcount
    connection.close()
    return count


BREAKS = {
    "a bit of a vector": "UPDATE embeddings SET vector = x'0000003f0000813e' WHERE number = 2",
    "the length of a vector": "UPDATE embeddings SET vector = x'' WHERE number = 2",
    "a vector that is no blob": "UPDATE embeddings SET vector = 7 WHERE number = 2",
    "the dimension": "UPDATE embeddings SET dim = 5 WHERE number = 2",
    "the key": "UPDATE embeddings SET key = x'ff' WHERE number = 2",
    "the encoder": "UPDATE embeddings SET encoder = 99 WHERE number = 2",
    "the checksum": "UPDATE embeddings SET checksum = checksum + 1 WHERE number = 2",
    "a hash": "UPDATE hashes SET hash = x'00' WHERE number = 1",
    "a hash that becomes empty": "UPDATE hashes SET hash = x'' WHERE number = 1",
    "the words of a caption": "UPDATE captions SET text = 'A nose.' WHERE number = 1",
    "what is no text": "UPDATE captions SET text = CAST(x'ff41' AS TEXT) WHERE number = 1",
    "how often a caption was tried": "UPDATE captions SET tried = 0 WHERE number = 2",
}  # fmt: skip


@pytest.mark.parametrize("sql", BREAKS.values(), ids=list(BREAKS))
def test_every_broken_part_of_a_row_is_found(cache: EmbeddingCache, file: Path, sql: str) -> None:
    assert list(cache.verify()) == []
    assert change(file, sql) == 1

    (broken,) = cache.verify()

    assert (broken.table, broken.number) == (sql.split()[1], int(sql.split()[-1]))


@pytest.mark.parametrize("sql", BREAKS.values(), ids=list(BREAKS))
def test_a_broken_row_is_never_returned(cache: EmbeddingCache, file: Path, sql: str) -> None:
    def rows() -> list[object]:
        found = cache.get("f", KEYS, dim=4)
        return [
            *(found[key].tolist() for key in found),
            *cache.hashes(KEYS).values(),
            *cache.hashed(KEYS),
            *cache.captions("r", KEYS).values(),
        ]

    whole = rows()

    change(file, sql)

    left = rows()
    assert len(left) < len(whole)
    assert all(row in whole for row in left)


def test_a_broken_row_is_told_once_a_run(
    cache: EmbeddingCache, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert change(file, "UPDATE embeddings SET vector = x'00'") == 10

    with caplog.at_level(logging.WARNING):
        assert cache.get("f", KEYS, dim=4) == {}
        assert cache.get("g", KEYS, dim=4) == {}

    (told,) = caplog.records
    assert "has broken rows, such as that of 0000" in told.message
    assert "florilegium doctor" in told.message


def test_a_broken_row_is_put_anew_in_its_place(cache: EmbeddingCache, file: Path) -> None:
    change(file, BREAKS["a bit of a vector"])

    cache.put("f", {KEYS[1]: ROW})

    assert list(cache.verify()) == []
    assert np.array_equal(cache.get("f", KEYS, dim=4)[KEYS[1]], ROW)
    assert cache.stats().encoders[0].count == 5


def test_broken_rows_say_what_they_are(cache: EmbeddingCache, file: Path) -> None:
    change(file, BREAKS["a bit of a vector"])
    change(file, "UPDATE embeddings SET encoder = 99 WHERE number = 3")
    change(file, BREAKS["the words of a caption"])

    assert list(cache.verify()) == [
        BrokenRow(table="embeddings", number=2, name="f", key=KEYS[1]),
        BrokenRow(table="embeddings", number=3, name=None, key=KEYS[2]),
        BrokenRow(table="captions", number=1, name="r", key=KEYS[0]),
    ]


def test_a_name_that_was_damaged_breaks_all_rows_of_it(cache: EmbeddingCache, file: Path) -> None:
    change(file, "UPDATE names SET name = 'h' WHERE name = 'f'")

    other = EmbeddingCache(file)

    assert other.get("f", KEYS, dim=4) == {}
    assert other.get("h", KEYS, dim=4) == {}
    assert [row.name for row in other.verify()] == ["h"] * 5
    other.close()


def test_broken_rows_are_deleted_and_whole_ones_stay(cache: EmbeddingCache, file: Path) -> None:
    change(file, BREAKS["the key"])
    change(file, BREAKS["a hash"])
    broken = list(cache.verify())
    cache.put_hashes({KEYS[0]: b"hash"})  # which may take the number of the broken one

    cache.delete(broken)

    assert list(cache.verify()) == []
    assert [one.count for one in cache.stats().encoders] == [4, 5]
    assert cache.hashes(KEYS) == {KEYS[0]: b"hash"}


def test_the_last_row_is_not_deleted_when_it_was_put_anew(
    cache: EmbeddingCache, file: Path
) -> None:
    change(file, "UPDATE hashes SET hash = x'00' WHERE number = (SELECT max(number) FROM hashes)")
    broken = list(cache.verify())

    cache.put_hashes({KEYS[1]: None})
    cache.delete(broken)

    assert len(broken) == 1
    assert cache.hashed(KEYS) == set(KEYS[:2])


def test_rows_are_looked_at_in_blocks(
    cache: EmbeddingCache, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(file, "UPDATE embeddings SET checksum = checksum + 1 WHERE number IN (1, 5, 10)")

    monkeypatch.setattr(cache_upkeep, "_BLOCK", 3)

    assert [row.number for row in cache.verify()] == [1, 5, 10]


# -- numbers --


def test_numbers_are_those_of_the_rows_and_the_file(cache: EmbeddingCache, file: Path) -> None:
    stats = cache.stats()

    assert stats.encoders == (
        EncoderStats(fingerprint="f", count=5, bytes=5 * 8),
        EncoderStats(fingerprint="g", count=5, bytes=5 * 8),
    )
    assert (stats.hashes, stats.captions, stats.free_bytes) == (2, 2, 0)
    log = file.with_name("embeddings.db-wal")
    assert stats.file_bytes == file.stat().st_size + log.stat().st_size


def test_rows_without_a_known_encoder_are_counted_too(cache: EmbeddingCache, file: Path) -> None:
    change(file, BREAKS["the encoder"])

    assert [(one.fingerprint, one.count) for one in cache.stats().encoders] == [
        ("", 1),
        ("f", 4),
        ("g", 5),
    ]


# -- pruning --

USED = [("f", KEYS[0]), ("f", KEYS[2]), ("g", KEYS[3])]


def left(cache: EmbeddingCache) -> dict[str, list[int]]:
    """Return which of the five keys are there for each encoder."""
    return {
        fingerprint: [KEYS.index(key) for key in cache.get(fingerprint, KEYS, dim=4)]
        for fingerprint in ("f", "g")
    }


def test_what_is_not_used_is_removed_and_counted(cache: EmbeddingCache) -> None:
    pruned = cache.prune(USED, fingerprints=["f", "g"])

    assert left(cache) == {"f": [0, 2], "g": [3]}
    assert cache.hashed(KEYS) == set(KEYS[:1])
    assert set(cache.captions("r", KEYS)) == set(KEYS[:1])
    caption = 16 + len("caption_empty")
    assert pruned == CachePruning(
        embeddings=7,
        hashes=1,
        captions=1,
        bytes=7 * (16 + 8) + 16 + caption,
        freed_bytes=pruned.freed_bytes,
    )


def test_what_other_encoders_made_is_kept_unless_it_is_named(cache: EmbeddingCache) -> None:
    used = [pair for pair in USED if pair[0] == "f"]

    kept = cache.prune(used, fingerprints=["f", "never used"])
    assert (kept.embeddings, left(cache)) == (3, {"f": [0, 2], "g": [0, 1, 2, 3, 4]})

    pruned = cache.prune(used, fingerprints=["f", "never used"], other_encoders=True)
    assert (pruned.embeddings, left(cache)) == (5, {"f": [0, 2], "g": []})


def test_a_dry_run_counts_the_same_and_removes_nothing(cache: EmbeddingCache, file: Path) -> None:
    before = left(cache)

    said = cache.prune(USED, fingerprints=["f", "g"], dry_run=True)

    assert left(cache) == before
    assert cache.hashed(KEYS) == set(KEYS[:2])
    done = cache.prune(USED, fingerprints=["f", "g"])
    assert (said.embeddings, said.hashes, said.captions, said.bytes) == (
        done.embeddings,
        done.hashes,
        done.captions,
        done.bytes,
    )
    assert said.freed_bytes == 0


def test_hashes_of_another_algorithm_are_removed(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.cache.ALGORITHM", "another")
    cache.put_hashes({KEYS[0]: b"new"})

    cache.prune(USED, fingerprints=["f", "g"])

    assert cache.hashes(KEYS) == {KEYS[0]: b"new"}
    assert cache.stats().hashes == 1


def test_nothing_used_empties_the_cache(cache: EmbeddingCache) -> None:
    cache.prune([], fingerprints=["f", "g"])

    assert left(cache) == {"f": [], "g": []}
    assert cache.stats().encoders == ()


def test_the_file_is_smaller_when_much_of_it_was_removed(file: Path, cache: EmbeddingCache) -> None:
    rows: dict[str, Embeddings] = {
        f"{i:032x}": np.full(1024, 1 / 3, dtype=np.float32) for i in range(600)
    }
    cache.put("f", rows)
    cache_upkeep.empty_log(cache._connection)
    before = cache.stats().file_bytes
    assert before > 2_000_000
    other = EmbeddingCache(file)  # as a server that searches meanwhile
    assert len(other.get("f", KEYS, dim=1024)) == 5

    pruned = cache.prune([("f", KEYS[0])], fingerprints=["f"])

    after = cache.stats()
    assert (after.file_bytes < 200_000, after.free_bytes) == (True, 0)
    assert pruned.freed_bytes == before - after.file_bytes
    assert file.stat().st_size == after.file_bytes
    assert len(other.get("f", KEYS, dim=1024)) == 1
    other.close()


def test_the_file_is_smaller_when_rows_here_and_there_were_removed(cache: EmbeddingCache) -> None:
    rows = {f"{i:032x}": np.full(256, 1 / 3, dtype=np.float32) for i in range(1000)}
    cache.put("f", rows)

    pruned = cache.prune([("f", key) for key in list(rows)[::2]], fingerprints=["f"])

    assert pruned.embeddings == 500
    assert pruned.freed_bytes > 300_000


def test_a_file_with_little_free_room_is_left_as_large_as_it_is(cache: EmbeddingCache) -> None:
    rows = {f"{i:032x}": np.full(1024, 1 / 3, dtype=np.float32) for i in range(100, 400)}
    cache.put("f", rows)
    keys = list(rows)

    pruned = cache.prune([("f", key) for key in keys[:290]], fingerprints=["f"])

    assert pruned.embeddings == 15
    assert cache.stats().free_bytes > 0


def test_pages_that_a_migration_could_not_change_are_changed(tmp_path: Path) -> None:
    old = make_old(tmp_path / "old.db")
    reader = sqlite3.connect(old)
    reader.execute("SELECT count(*) FROM embeddings").fetchone()
    cache = EmbeddingCache(old)
    reader.close()
    assert page_size(old) == 4096

    cache.prune([], fingerprints=["texts-1"])

    assert page_size(old) == 16384
    assert [one.fingerprint for one in cache.stats().encoders] == ["pictures-1"]
    cache.close()


def page_size(file: Path) -> int:
    connection = sqlite3.connect(file)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    return int(size)


def test_what_hinders_a_smaller_file_is_told_and_undoes_nothing(
    cache: EmbeddingCache, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put("f", {f"{i:032x}": np.ones(1024, dtype=np.float32) for i in range(100)})
    cache._connection.execute("PRAGMA busy_timeout=0")
    begun = sqlite3.connect(file, isolation_level=None)
    cache._connection.execute("DELETE FROM embeddings WHERE key <> ?", (pack_key(KEYS[0]),))
    begun.execute("BEGIN IMMEDIATE")

    with caplog.at_level(logging.WARNING):
        cache_upkeep.shrink(cache._connection, file, removed=0)

    begun.execute("ROLLBACK")
    begun.close()
    assert "is not made smaller: another process has been writing" in caplog.text
    assert len(cache.get("f", KEYS, dim=1024)) == 1
