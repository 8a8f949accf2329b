"""The file of the embedding cache: its tables, and how older files become like it.

Fingerprints, algorithms and recipes are numbers here, named in one table. Knows no encoder.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from florilegium.cache_rows import checksum, pack_key, pack_vector
from florilegium.errors import IndexMismatchError
from florilegium.sqlite_file import (
    TIMEOUT,
    Opened,
    explain,
    is_busy,
    open_sqlite,
    use_write_ahead_log,
)

logger = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
PAGE_SIZE: Final = 16_384
"""Bytes. A page of the usual 4096 holds one or two embeddings and wastes much of the rest."""

Table = Literal["embeddings", "hashes", "captions"]
TABLES: Final[tuple[Table, ...]] = ("embeddings", "hashes", "captions")

# Rows are numbered, so that long ones lie one after another and only short ones are in the index.
_SCHEMA: Final = (
    "CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE embeddings (
        number INTEGER PRIMARY KEY, encoder INTEGER NOT NULL, key BLOB NOT NULL,
        dim INTEGER NOT NULL, vector BLOB NOT NULL, checksum INTEGER NOT NULL,
        UNIQUE (encoder, key)
    )""",
    """CREATE TABLE hashes (
        number INTEGER PRIMARY KEY, algorithm INTEGER NOT NULL, key BLOB NOT NULL,
        hash BLOB NOT NULL,  -- empty for a picture that shows too little
        checksum INTEGER NOT NULL, UNIQUE (algorithm, key)
    )""",
    """CREATE TABLE captions (
        number INTEGER PRIMARY KEY, recipe INTEGER NOT NULL, key BLOB NOT NULL,
        text TEXT NOT NULL, error_code TEXT NOT NULL, tried INTEGER NOT NULL,
        max_tokens INTEGER NOT NULL, checksum INTEGER NOT NULL, UNIQUE (recipe, key),
        CHECK ((text <> '') <> (error_code <> ''))  -- never the text of an error
    )""",
)

PUT_EMBEDDING: Final = (
    "REPLACE INTO embeddings (encoder, key, dim, vector, checksum) VALUES (?, ?, ?, ?, ?)"
)
PUT_HASH: Final = "REPLACE INTO hashes (algorithm, key, hash, checksum) VALUES (?, ?, ?, ?)"
PUT_CAPTION: Final = (
    "REPLACE INTO captions (recipe, key, text, error_code, tried, max_tokens, checksum)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def open_cache(file: Path, *, timeout: float = TIMEOUT) -> Opened:
    """Open a cache, made if it is absent and brought to the present schema if it is older.

    Raises:
        IndexMismatchError: It is newer than this program, or older and cannot be written.
        sqlite3.Error: It cannot be opened or brought to the present schema; nothing has changed.
    """
    opened = open_sqlite(file, page_size=PAGE_SIZE, timeout=timeout)
    connection = opened.connection
    try:
        # Transactions are begun by hand; damaged names are to be found by their checksums.
        connection.isolation_level = None
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        if _version(connection, file) < SCHEMA_VERSION:
            if opened.read_only:
                raise IndexMismatchError(
                    f"The embedding cache {str(file)!r} has an older schema and can only be read.",
                    hint="Run `florilegium ingest` once where the library can be written.",
                )
            if _migrate(connection, file):
                repack(connection, file, timeout=timeout)
    except (sqlite3.Error, IndexMismatchError):
        connection.close()
        raise
    return opened


def repack(connection: sqlite3.Connection, file: Path, *, timeout: float = TIMEOUT) -> None:
    """Write the file anew without the room that is free, if nobody else has it open.

    Being killed meanwhile does no harm. What hinders it is logged: the file is merely larger then.
    """
    connection.execute("PRAGMA busy_timeout=0")  # whoever has it open may have it for long
    try:
        # Only without a write-ahead log the size of pages can change.
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        connection.execute("VACUUM")
    except sqlite3.Error as error:
        reason = "it is in use" if is_busy(error) else explain(error)
        logger.warning("The embedding cache %s is not made smaller: %s.", file, reason)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
        use_write_ahead_log(connection, timeout=timeout)


def number_of(connection: sqlite3.Connection, name: str) -> int | None:
    """Return the number that stands for a name, None where nothing has this name."""
    row = connection.execute("SELECT number FROM names WHERE name=?", (name,)).fetchone()
    return None if row is None else int(row[0])


def make_number(connection: sqlite3.Connection, name: str) -> int:
    """Return the number that stands for a name from now on."""
    connection.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
    found = number_of(connection, name)
    assert found is not None
    return found


def _version(connection: sqlite3.Connection, file: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA_VERSION:
        raise IndexMismatchError(
            f"The embedding cache {str(file)!r} has schema {found}, "
            f"which is newer than {SCHEMA_VERSION}.",
            hint="Update florilegium: this one is older than the one that wrote the cache.",
        )
    return found


def _migrate(connection: sqlite3.Connection, file: Path) -> bool:
    """Make the tables, and take over what those of schema 0 hold. Returns whether there were."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited.
        outdated = _version(connection, file) < SCHEMA_VERSION
        old = _tables(connection) if outdated else []
        if outdated:
            for table in old:
                connection.execute(f"ALTER TABLE {table} RENAME TO {table}_0")
            for statement in _SCHEMA:
                connection.execute(statement)
            for table in old:
                logger.info("bringing %s in %s to schema %d", table, file, SCHEMA_VERSION)
                _TAKE_OVER[table](connection)
                connection.execute(f"DROP TABLE {table}_0")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return bool(old)


def _tables(connection: sqlite3.Connection) -> list[Table]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
    present = {name for (name,) in rows}
    return [table for table in TABLES if table in present]


def _take_over_embeddings(connection: sqlite3.Connection) -> None:
    number = _Numbers(connection)

    def rows() -> Iterator[tuple[Any, ...]]:
        for name, key, blob in connection.execute(
            "SELECT fingerprint, key, vector FROM embeddings_0"
        ):
            vector = np.frombuffer(blob, dtype="<f4") if len(blob) % 4 == 0 else None
            if vector is None or not np.isfinite(vector).all():
                continue  # it was damaged, and nothing could use it
            packed = pack_key(key), len(vector), pack_vector(vector)
            yield number(name), *packed, checksum(name, *packed)

    connection.executemany(PUT_EMBEDDING, rows())


def _take_over_hashes(connection: sqlite3.Connection) -> None:
    number = _Numbers(connection)
    old = connection.execute("SELECT algorithm, content, hash FROM hashes_0")
    rows = ((name, pack_key(key), hash_) for name, key, hash_ in old)
    connection.executemany(PUT_HASH, ((number(r[0]), *r[1:], checksum(*r)) for r in rows))


def _take_over_captions(connection: sqlite3.Connection) -> None:
    number = _Numbers(connection)
    old = connection.execute(
        "SELECT recipe, content, text, error_code, tried, max_tokens FROM captions_0"
        " WHERE (text <> '') <> (error_code <> '')"
    )
    rows = ((name, pack_key(key), *values) for name, key, *values in old)
    connection.executemany(PUT_CAPTION, ((number(r[0]), *r[1:], checksum(*r)) for r in rows))


class _Numbers:
    """The numbers of names, each looked up once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = make_number(self._connection, name)
        return self._known[name]


_TAKE_OVER: Final[Mapping[Table, Callable[[sqlite3.Connection], None]]] = {
    "embeddings": _take_over_embeddings,
    "hashes": _take_over_hashes,
    "captions": _take_over_captions,
}
