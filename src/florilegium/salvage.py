"""Brings vectors back into the embedding cache: from a damaged cache, and from the index.

So that no encoder runs for what is anywhere on the disk. Takes only what a checksum vouches for.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from florilegium.cache import CaptionRecord, EmbeddingCache
from florilegium.cache_rows import checksum, unpack_key, unpack_vector
from florilegium.differences import suspects
from florilegium.errors import StoreError
from florilegium.index import Index
from florilegium.near_duplicates import ALGORITHM
from florilegium.stores.exact import COPY_NAME, ExactRecords
from florilegium.types import Collection, Embeddings, Match, Record

_ROWS: Final = 1000  # read or put at a time
_MOST_DELETED: Final = 100  # numbers free for each that is taken
_SMALLEST: Final = 32  # bytes of a row, at least
_MOST_FAILURES: Final = 20_000  # stretches that could not be read, before the rest is given up


class CopiedRecords:
    """The exact records that a store keeps beside an index of another maker, as a store."""

    def __init__(self, folder: Path) -> None:
        """Open the copy that is somewhere in the folder of a store.

        Raises:
            StoreError: There is none, or it is damaged.
        """
        files = sorted(folder.rglob(COPY_NAME))
        self._place = str(files[0] if files else folder / COPY_NAME)
        if not files:
            raise self._failure("it is not there")
        try:
            self._exact = ExactRecords(files[0])
        except sqlite3.Error as error:
            raise self._failure(str(error)) from error

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        self._exact.upsert(collection.name, records)

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        self._exact.delete(collection.name, ids)

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        """Return the records with these ids, but for those in damaged places."""
        try:
            found = self._exact.get(collection.name, ids)
        except sqlite3.Error:
            found = {}
            for id_ in ids:
                with suppress(sqlite3.Error):
                    found |= self._exact.get(collection.name, [id_])
        return [found[id_] for id_ in ids if id_ in found]

    def search(
        self,
        collection: Collection,
        embedding: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str] | None = None,
    ) -> list[Match]:
        return self._exact.search(collection.name, embedding, top_k=top_k, within=within)

    def ids(self, collection: Collection) -> set[str]:
        return set(self._exact.ids(collection.name))

    def close(self) -> None:
        self._exact.close()

    def _failure(self, reason: str) -> StoreError:
        return StoreError(
            f"The copy of the vectors {self._place!r} cannot be read: {reason}.",
            hint="Run `florilegium ingest --rebuild`; what the cache lacks is encoded anew.",
        )


def fill_cache(index: Index) -> int:
    """Put the vectors of the index into its cache where that lacks them; return how many.

    Raises:
        StoreError: Catalog, store or cache failed.
    """
    wanted: dict[tuple[str, Collection], dict[str, str]] = defaultdict(dict)
    for suspect in suspects(index):
        if suspect.trouble == "uncached" and suspect.key is not None:
            fingerprint, key = suspect.key
            wanted[fingerprint, suspect.collection][suspect.id] = key
    filled = 0
    for (fingerprint, collection), keys in wanted.items():
        ids = list(keys)
        for start in range(0, len(ids), _ROWS):
            records = index.store.get(collection, ids[start : start + _ROWS])
            index.cache.put(fingerprint, {keys[one.id]: one.embedding for one in records})
            filled += len(records)
    return filled


def salvage_cache(broken: Path, cache: EmbeddingCache) -> int:
    """Put what can still be read of a damaged cache into a new one; return how many rows."""
    try:
        with closing(sqlite3.connect(f"{broken.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            reader.text_factory = lambda data: data.decode("utf-8", "replace")
            names = dict(_rows(reader, "names", "number, name"))
            return (
                _salvage_embeddings(reader, names, cache)
                + _salvage_hashes(reader, names, cache)
                + _salvage_captions(reader, names, cache)
            )
    except sqlite3.Error:
        return 0  # nothing of it can be read


def _salvage_embeddings(
    reader: sqlite3.Connection, names: dict[int, str], cache: EmbeddingCache
) -> int:
    waiting: dict[str, dict[str, Embeddings]] = defaultdict(dict)
    salvaged = 0
    rows = _sound(reader, names, "embeddings", "encoder, key, dim, vector, checksum")
    for fingerprint, key, dim, vector in rows:
        some = waiting[fingerprint]
        some[unpack_key(key)] = unpack_vector(vector, dim=dim)
        if len(some) == _ROWS:
            cache.put(fingerprint, waiting.pop(fingerprint))
            salvaged += _ROWS
    for fingerprint, some in waiting.items():
        cache.put(fingerprint, some)
        salvaged += len(some)
    return salvaged


def _salvage_hashes(
    reader: sqlite3.Connection, names: dict[int, str], cache: EmbeddingCache
) -> int:
    rows = _sound(reader, names, "hashes", "algorithm, key, hash, checksum")
    hashes = {
        unpack_key(key): bytes(hash_) or None for name, key, hash_ in rows if name == ALGORITHM
    }
    cache.put_hashes(hashes)
    return len(hashes)


def _salvage_captions(
    reader: sqlite3.Connection, names: dict[int, str], cache: EmbeddingCache
) -> int:
    columns = "recipe, key, text, error_code, tried, max_tokens, checksum"
    salvaged = 0
    for recipe, key, text, code, tried, most in _sound(reader, names, "captions", columns):
        record = CaptionRecord(text=text, error_code=code, tried=tried, max_tokens=most)
        cache.put_caption(recipe, unpack_key(key), record)
        salvaged += 1
    return salvaged


def _sound(
    reader: sqlite3.Connection, names: dict[int, str], table: str, columns: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows whose checksum fits: what their number stands for, then what is between."""
    for number, *values, sum_ in _rows(reader, table, columns):
        name = names.get(number)
        if name is not None and checksum(name, *values) == sum_:
            yield (name, *values)


def _rows(reader: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that can be read: where a stretch of them cannot, its halves are tried."""
    sql = f"SELECT {columns} FROM {table} WHERE number BETWEEN ? AND ?"  # noqa: S608 - constants
    last, failures = _last_number(reader, table), 0
    for start in range(1, last + 1, _ROWS):
        stretches = [(start, start + _ROWS - 1)]
        while stretches and failures < _MOST_FAILURES:
            low, high = stretches.pop()
            try:
                yield from reader.execute(sql, (low, high)).fetchall()
            except sqlite3.DatabaseError:
                failures += 1
                middle = (low + high) // 2
                if low < high:
                    stretches += [(middle + 1, high), (low, middle)]


def _last_number(reader: sqlite3.Connection, table: str) -> int:
    ((pages,),) = reader.execute("PRAGMA page_count")
    ((size,),) = reader.execute("PRAGMA page_size")
    room = int(pages) * int(size) // _SMALLEST
    with suppress(sqlite3.DatabaseError):
        last = int(reader.execute(f"SELECT max(number) FROM {table}").fetchone()[0] or 0)  # noqa: S608 - constants
        # A damaged page may give any number. A whole file has higher ones than it has room for
        # only after much was deleted from it.
        return min(last, _MOST_DELETED * room)
    return room
