"""What keeps the file of the embedding cache well: its numbers, broken rows, and what nobody uses.

Works on the tables alone; the class EmbeddingCache opens the file and holds its lock.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from florilegium.cache_file import PAGE_SIZE, Table, number_of, repack
from florilegium.cache_rows import checksum, pack_key, unpack_key
from florilegium.sqlite_file import explain

logger = logging.getLogger(__name__)

_BLOCK: Final = 1000  # rows read together, so that nobody who writes waits long for it
_WORTH_REPACKING: Final = 10  # a file is made smaller if more than this part of it is free

_COLUMNS: Final[dict[Table, str]] = {
    "embeddings": "encoder, key, dim, vector",
    "hashes": "algorithm, key, hash",
    "captions": "recipe, key, text, error_code, tried, max_tokens",
}
_CONTENT: Final[dict[Table, str]] = {
    "embeddings": "length(key) + length(vector)",
    "hashes": "length(key) + length(hash)",
    "captions": "length(key) + length(CAST(text AS BLOB)) + length(error_code)",
}
_UNUSED_PICTURE: Final = "NOT EXISTS (SELECT 1 FROM used u WHERE u.key = {}.key)"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderStats:
    """The vectors of one encoder: how many, and their bytes as stored.

    `name` is the id of the encoder if the library is configured to use it, else None.
    """

    fingerprint: str
    count: int
    bytes: int
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """How much is in an embedding cache.

    `hashes` are perceptual hashes and `captions` machine captions of pictures. `free_bytes` of
    `file_bytes` are room that new rows take first.
    """

    encoders: tuple[EncoderStats, ...]
    hashes: int
    captions: int
    file_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePruning:
    """What was pruned from an embedding cache, or would be: rows, and bytes of their content.

    `freed_bytes` is how much smaller the file is now.
    """

    embeddings: int
    hashes: int
    captions: int
    bytes: int
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRow:
    """A row whose checksum does not fit, as it reads now: what is broken may be any part of it.

    `name` is the fingerprint of the encoder, the algorithm of the hash or the recipe of the
    caption, None if nothing has its number.
    """

    table: Table
    number: int
    name: str | None
    key: str


def read_stats(connection: sqlite3.Connection, *, file_bytes: int) -> CacheStats:
    """Count what is in a cache whose files have `file_bytes` together."""
    encoders = connection.execute(
        "SELECT coalesce(n.name, ''), count(*), sum(length(e.vector)) FROM embeddings e"
        " LEFT JOIN names n ON n.number = e.encoder GROUP BY e.encoder ORDER BY 1"
    )
    return CacheStats(
        encoders=tuple(
            EncoderStats(fingerprint=name, count=count, bytes=size)
            for name, count, size in encoders
        ),
        hashes=_single(connection, "SELECT count(*) FROM hashes"),
        captions=_single(connection, "SELECT count(*) FROM captions"),
        file_bytes=file_bytes,
        free_bytes=_single(connection, "PRAGMA freelist_count")
        * _single(connection, "PRAGMA page_size"),
    )


def broken_rows(
    connection: sqlite3.Connection, table: Table, *, after: int
) -> tuple[list[BrokenRow], int | None]:
    """Return which of the next rows after number `after` are broken, and the last number.

    The number is None if there are no more rows.
    """
    sql = f"SELECT number, {_COLUMNS[table]}, checksum FROM {table} WHERE number > ? ORDER BY number LIMIT {_BLOCK}"  # noqa: S608, E501 - names and numbers of ours
    rows = connection.execute(sql, (after,)).fetchall()
    return _broken(connection, table, rows), rows[-1][0] if rows else None


def delete_rows(connection: sqlite3.Connection, rows: Iterable[BrokenRow]) -> None:
    """Delete rows that are still broken: what was put anew may have the number of the old one."""
    for row in rows:
        sql = f"SELECT number, {_COLUMNS[row.table]}, checksum FROM {row.table} WHERE number=?"  # noqa: S608 - names of ours
        now = connection.execute(sql, (row.number,)).fetchall()
        if _broken(connection, row.table, now):
            connection.execute(f"DELETE FROM {row.table} WHERE number=?", (row.number,))  # noqa: S608 - a name of ours


def note_used(
    connection: sqlite3.Connection,
    used: Iterable[tuple[str, str]],
    *,
    fingerprints: Sequence[str],
) -> None:
    """Write (fingerprint, key) of all vectors in use into a table of this connection alone."""
    numbers = {name: number_of(connection, name) or 0 for name in fingerprints}
    connection.execute("DROP TABLE IF EXISTS temp.used")
    connection.execute("DROP TABLE IF EXISTS temp.configured")
    connection.execute(
        "CREATE TEMP TABLE used (key BLOB NOT NULL, encoder INTEGER NOT NULL,"
        " PRIMARY KEY (key, encoder)) WITHOUT ROWID"
    )
    connection.execute("CREATE TEMP TABLE configured (number INTEGER PRIMARY KEY)")
    connection.executemany(
        "INSERT OR IGNORE INTO configured VALUES (?)", [(number,) for number in numbers.values()]
    )
    connection.executemany(
        "INSERT OR IGNORE INTO used VALUES (?, ?)",
        ((pack_key(key), numbers[name]) for name, key in used),
    )


def forget_used(connection: sqlite3.Connection) -> None:
    """Drop what `note_used` wrote."""
    connection.execute("DROP TABLE IF EXISTS temp.used")
    connection.execute("DROP TABLE IF EXISTS temp.configured")


def unused(
    connection: sqlite3.Connection, *, algorithm: str, other_encoders: bool
) -> dict[Table, str]:
    """Return the condition, in SQL, of the rows that nothing noted uses, by table.

    Args:
        connection: Where `note_used` was called.
        algorithm: The name of the hashes in use.
        other_encoders: Whether vectors of encoders that are not configured count as unused.
    """
    embeddings = (
        "encoder IN (SELECT number FROM configured) AND NOT EXISTS (SELECT 1 FROM used u"
        " WHERE u.key = embeddings.key AND u.encoder = embeddings.encoder)"
    )
    if other_encoders:
        others = "encoder NOT IN (SELECT number FROM configured)"
        embeddings = f"{others} OR {embeddings}"
    current = number_of(connection, algorithm) or 0
    return {
        "embeddings": embeddings,
        "hashes": f"algorithm <> {current} OR {_UNUSED_PICTURE.format('hashes')}",
        "captions": _UNUSED_PICTURE.format("captions"),
    }


def count_rows(connection: sqlite3.Connection, table: Table, condition: str) -> tuple[int, int]:
    """Return how many rows of a table fulfil a condition, and the bytes of their content."""
    sql = f"SELECT count(*), coalesce(sum({_CONTENT[table]}), 0) FROM {table} WHERE {condition}"  # noqa: S608 - SQL of ours
    count, size = connection.execute(sql).fetchone()
    return int(count), int(size)


def delete_unused(connection: sqlite3.Connection, table: Table, condition: str) -> None:
    """Delete the rows of a table that fulfil a condition."""
    connection.execute(f"DELETE FROM {table} WHERE {condition}")  # noqa: S608 - SQL of ours


def shrink(connection: sqlite3.Connection, file: Path, *, removed: int) -> None:
    """Make a file smaller if much of it is free. What hinders it is logged.

    Args:
        connection: The file, opened.
        file: Where it is.
        removed: Bytes of rows that were just removed; what they leave is mostly parts of pages.
    """
    page = _single(connection, "PRAGMA page_size")
    if page != PAGE_SIZE:
        repack(connection, file)
        return
    free = removed + page * _single(connection, "PRAGMA freelist_count")
    if _WORTH_REPACKING * free > page * _single(connection, "PRAGMA page_count"):
        try:
            connection.execute("VACUUM")
        except sqlite3.Error as error:
            logger.warning("The embedding cache %s is not made smaller: %s.", file, explain(error))
    empty_log(connection)


def empty_log(connection: sqlite3.Connection) -> None:
    """Move what is in the write-ahead log into the file, as far as readers let it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _broken(
    connection: sqlite3.Connection, table: Table, rows: Iterable[tuple[Any, ...]]
) -> list[BrokenRow]:
    names: dict[Any, str] = dict(connection.execute("SELECT number, name FROM names"))
    return [
        BrokenRow(table=table, number=number, name=names.get(name), key=_readable(key))
        for number, name, key, *values, sum_ in rows
        if checksum(names.get(name), key, *values) != sum_
    ]


def _single(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _readable(key: Any) -> str:
    return unpack_key(key) if isinstance(key, bytes) else str(key)
