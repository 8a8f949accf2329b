"""Older schemas of the catalog become the present one, in place and in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from florilegium.errors import IndexMismatchError, IndexOutdatedError
from florilegium.simplified import simplify

SCHEMA_VERSION: Final = 4

GUESSES: Final = "guesses"
"""The fact that says, where it is `DUE`, that how sure guesses are is not known."""
DUE: Final = "due"


def _add_checksums(connection: sqlite3.Connection) -> None:
    # What records of before looked like is not known; NULL says so.
    connection.execute("ALTER TABLE records ADD COLUMN checksum INTEGER")


def _simplify_words(connection: sqlite3.Connection) -> None:
    _set_guesses_apart(connection)
    # Words were cut already, and a character stands alone in its word as in its text.
    connection.create_function("simplify", 1, simplify, deterministic=True)
    columns = ("words", "characters", "labels")
    changes = ", ".join(f"{name}=simplify({name})" for name in columns)
    differs = " OR ".join(f"{name} != simplify({name})" for name in columns)
    for table in ("text_words", "image_words"):
        rows = connection.execute(f"SELECT rowid FROM {table} WHERE {differs}").fetchall()  # noqa: S608 - constants
        connection.executemany(f"UPDATE {table} SET {changes} WHERE rowid=?", rows)  # noqa: S608 - constants


def _set_guesses_apart(connection: sqlite3.Connection) -> None:
    """Note as guesses what was words of labels, with no weight: `ingest` finds it out."""
    rows = connection.execute("SELECT number, labels, details FROM items WHERE labels != ''")
    changed = [
        (json.dumps(json.loads(details) | {"guesses": [[labels, [], [], 0.0]]}), number)
        for number, labels, details in rows.fetchall()
    ]
    connection.executemany("UPDATE items SET details=? WHERE number=?", changed)
    if changed:
        connection.execute("REPLACE INTO facts VALUES (?, ?)", (GUESSES, DUE))


_STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {
    2: _add_checksums,
    3: _simplify_words,
}
"""What makes the next schema of each that can be changed in place. Schema 1 cannot: it holds
nothing of what files say about pictures."""


def migrate(connection: sqlite3.Connection, *, place: str) -> None:
    """Bring a catalog to the present schema; an empty file is left as it is.

    Raises:
        IndexOutdatedError: It is so old that the index has to be made anew from the cache.
        IndexMismatchError: It is newer than this program.
        sqlite3.Error: It cannot be written; nothing has changed.
    """
    found = _version(connection)
    if found in (0, SCHEMA_VERSION):
        return
    if found > SCHEMA_VERSION:
        raise IndexMismatchError(
            f"The catalog {place!r} has schema {found}, which is newer than {SCHEMA_VERSION}.",
            hint="Update florilegium: this one is older than the one that wrote the index.",
        )
    if found not in _STEPS:
        raise IndexOutdatedError(
            f"The catalog {place!r} has schema {found}, which is too old to be changed in place.",
            hint="Run `florilegium ingest`, which makes the index anew; nothing is encoded again.",
        )
    try:
        _take_steps(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        raise IndexOutdatedError(
            f"The catalog {place!r} has schema {found}, not {SCHEMA_VERSION}, and is read-only.",
            hint="Copy the library to where it can be written, and run `florilegium ingest` there.",
        ) from error


def _take_steps(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have done it while this one waited.
        for version in range(_version(connection), SCHEMA_VERSION):
            _STEPS[version](connection)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
