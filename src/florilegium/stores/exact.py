"""Records in one SQLite file beside an approximate index, to read in bulk and compare exactly.

An index that walks a graph is slow where only a few records may be found, and misses some. The
store that owns this file writes both, and wraps the errors of both.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from florilegium.sqlite_file import open_sqlite
from florilegium.stores.rules import find_rows, rank, select_nearest
from florilegium.types import Embeddings, Match, Record

COPY_NAME: Final = "florilegium-records.sqlite3"
"""How such a file is called, so that its records are found when its store cannot be opened."""

_MOST_BYTES = 512_000_000  # embeddings of a collection that are kept in memory
_VARIABLES = 500  # SQLite allows at least 999 variables in one statement
_MOST_SETS = 16  # of few records, whose embeddings are kept in memory
_BLOCK = 5_000  # rows read at a time
_SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    embedding BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS records_by_id ON records (collection, id);
CREATE INDEX IF NOT EXISTS records_by_item ON records (collection, item_id);
"""
_UPSERT = """
INSERT INTO records (collection, id, item_id, embedding) VALUES (?, ?, ?, ?)
ON CONFLICT (collection, id) DO UPDATE SET item_id=excluded.item_id, embedding=excluded.embedding
"""

_Row: TypeAlias = tuple[str, str, bytes]
_Run: TypeAlias = Callable[..., sqlite3.Cursor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """Some records, or all of a collection."""

    ids: list[str]
    item_ids: list[str]
    embeddings: Embeddings  # (n, dim)
    lengths: npt.NDArray[np.float32]  # (n,)

    def search(
        self, query: Embeddings, *, top_k: int, within: AbstractSet[str] | None = None
    ) -> list[Match]:
        rows = None if within is None else find_rows(self.item_ids, within)
        near = select_nearest(self.embeddings, self.lengths, query, top_k=top_k, rows=rows)
        return rank(
            ((self.ids[row], self.item_ids[row], score) for row, score in near), top_k=top_k
        )


class ExactRecords:
    """The records of collections. What another process writes is seen by the next call."""

    def __init__(self, file: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        """Open the file, or make it. Raises sqlite3.Error, as all methods do.

        Embeddings of a collection that take more than `most_bytes` are not kept in memory but
        read anew for each search.
        """
        self._most_bytes = most_bytes
        self._lock = threading.RLock()
        self._tables: dict[str, _Table] = {}
        self._sets: dict[tuple[str, AbstractSet[str]], _Table] = {}
        self._owners: dict[str, dict[str, str]] = {}
        self._version = -1
        # A page of the usual size holds one embedding and wastes the rest.
        opened = open_sqlite(file, page_size=16384)
        self._connection = opened.connection
        if opened.read_only:
            return
        try:
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error:
            self._connection.close()
            raise

    def holds(self, collection: str) -> bool:
        """Return whether all records of this collection were put here."""
        with self._reading() as run:
            found = run("SELECT 1 FROM collections WHERE name=?", (collection,)).fetchone()
        return found is not None

    def collections(self) -> list[str]:
        """Return the names of the collections that are here whole."""
        with self._reading() as run:
            return [name for (name,) in run("SELECT name FROM collections ORDER BY name")]

    def ids(self, collection: str) -> list[str]:
        """Return the ids of all records of a collection, in order."""
        with self._reading() as run:
            rows = run("SELECT id FROM records WHERE collection=? ORDER BY id", (collection,))
            return [id_ for (id_,) in rows]

    def mark(self, collection: str) -> None:
        """Note that all records of this collection are here."""
        with self._lock, self._connection:
            self._connection.execute("INSERT OR IGNORE INTO collections VALUES (?)", (collection,))

    def upsert(self, collection: str, records: Iterable[Record]) -> None:
        """Add records, replacing those with the same ids."""
        rows = (
            (collection, record.id, record.item_id, record.embedding.astype("<f4").tobytes())
            for record in records
        )
        with self._lock, self._connection:
            self._forget()
            self._connection.executemany(_UPSERT, rows)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove records."""
        with self._lock, self._connection:
            self._forget()
            self._connection.executemany(
                "DELETE FROM records WHERE collection=? AND id=?",
                [(collection, id_) for id_ in ids],
            )

    def get(self, collection: str, ids: Sequence[str]) -> dict[str, Record]:
        """Return those records that are known, by their ids."""
        with self._reading() as run:
            return {
                id_: Record(id=id_, item_id=item_id, embedding=np.frombuffer(row, "<f4").copy())
                for id_, item_id, row in _rows_of(run, "id", collection, ids)
            }

    def item_ids(self, collection: str, ids: Sequence[str]) -> dict[str, str]:
        """Return the item ids of those records that are known, by their ids."""
        with self._reading() as run:
            owners = self._owners.setdefault(collection, {})
            new = [id_ for id_ in ids if id_ not in owners]
            for start in range(0, len(new), _VARIABLES):
                some = new[start : start + _VARIABLES]
                marks = ",".join("?" * len(some))
                sql = f"SELECT id, item_id FROM records WHERE collection=? AND id IN ({marks})"  # noqa: S608 - only question marks are put in
                owners.update(run(sql, (collection, *some)).fetchall())
            return {id_: owners[id_] for id_ in ids if id_ in owners}

    def search_few(
        self, collection: str, query: Embeddings, *, top_k: int, within: AbstractSet[str], most: int
    ) -> list[Match] | None:
        """Return the nearest records of these items, or None if that means reading over `most`."""
        with self._reading() as run:
            table = self._tables.get(collection) if len(within) > _VARIABLES else None
            if table is None:
                table = self._few(run, collection, within, most=most, dim=len(query))
        return None if table is None else table.search(query, top_k=top_k, within=within)

    def search(
        self,
        collection: str,
        query: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str] | None = None,
    ) -> list[Match]:
        """Return the nearest records of these items, or of all, after comparing every one."""
        with self._reading() as run:
            table = self._tables.get(collection)
            if table is None:
                values = (collection,)
                ((count,),) = run("SELECT count(*) FROM records WHERE collection=?", values)
                rows = run("SELECT id, item_id, embedding FROM records WHERE collection=?", values)
                blocks = iter(lambda: rows.fetchmany(_BLOCK), [])
                if count * query.nbytes > self._most_bytes:
                    return _search_blocks(blocks, query, top_k=top_k, within=within)
                table = self._tables[collection] = _table(blocks, count=count, dim=len(query))
        return table.search(query, top_k=top_k, within=within)

    def close(self) -> None:
        """Close the file."""
        self._forget()
        self._connection.close()

    def _few(
        self, run: _Run, collection: str, within: AbstractSet[str], *, most: int, dim: int
    ) -> _Table | None:
        if len(within) > most:
            return None
        # One filter is asked for again and again: for each query of a conversation.
        key = collection, frozenset(within)
        table = self._sets.pop(key, None)
        if table is None:
            rows = list(islice(_rows_of(run, "item_id", collection, list(within)), most + 1))
            if len(rows) > most:
                return None
            table = _table([rows], count=len(rows), dim=dim)
        self._sets[key] = table
        if len(self._sets) > _MOST_SETS:
            del self._sets[next(iter(self._sets))]  # the one that was not used for longest
        return table

    def _forget(self) -> None:
        self._tables, self._sets, self._owners = {}, {}, {}

    @contextmanager
    def _reading(self) -> Iterator[_Run]:
        """Give what runs statements, all on one state of the file."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                ((version,),) = self._connection.execute("PRAGMA data_version")
                if version != self._version:  # another connection has written
                    self._forget()
                    self._version = version
                yield self._connection.execute
            finally:
                self._connection.rollback()


def _rows_of(run: _Run, column: str, collection: str, values: Sequence[str]) -> Iterator[_Row]:
    for start in range(0, len(values), _VARIABLES):
        some = values[start : start + _VARIABLES]
        marks = ",".join("?" * len(some))
        sql = f"SELECT id, item_id, embedding FROM records WHERE collection=? AND {column} IN ({marks})"  # noqa: S608, E501 - names of ours and question marks
        yield from run(sql, (collection, *some))


def _table(blocks: Iterable[Sequence[_Row]], *, count: int, dim: int) -> _Table:
    ids: list[str] = []
    item_ids: list[str] = []
    embeddings = np.empty((count, dim), dtype=np.float32)
    for rows in blocks:
        start = len(ids)
        ids += [id_ for id_, _, _ in rows]
        item_ids += [item_id for _, item_id, _ in rows]
        joined = b"".join(row for _, _, row in rows)
        embeddings[start : len(ids)] = np.frombuffer(joined, dtype="<f4").reshape(-1, dim)
    return _Table(
        ids=ids,
        item_ids=item_ids,
        embeddings=embeddings,
        lengths=np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings)),
    )


def _search_blocks(
    blocks: Iterable[Sequence[_Row]],
    query: Embeddings,
    *,
    top_k: int,
    within: AbstractSet[str] | None,
) -> list[Match]:
    best: list[Match] = []
    for rows in blocks:
        part = _table([rows], count=len(rows), dim=len(query))
        best += part.search(query, top_k=top_k, within=within)
        best = rank(((one.id, one.item_id, one.score) for one in best), top_k=top_k)
    return best
