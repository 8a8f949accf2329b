"""The tables of fields: what files say, and what that makes of each item. For the catalog.

`statements` hold what was read, whoever it is said of. `item_fields` and `places` are derived from
them in the same transaction, for the items that a change concerns, so that filters are fast.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from florilegium.descriptions import target_key, target_keys
from florilegium.fields import MACHINE_CAPTION, fold
from florilegium.filters import place
from florilegium.types import Description, Item, Source

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS statements (
    path TEXT NOT NULL, target TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    folded TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS statements_by_path ON statements (path);
CREATE INDEX IF NOT EXISTS statements_by_target ON statements (target);
CREATE TABLE IF NOT EXISTS own_fields (
    number INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, folded TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS own_fields_by_number ON own_fields (number);
CREATE TABLE IF NOT EXISTS places (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, modality TEXT NOT NULL, folder TEXT NOT NULL,
    suffix TEXT NOT NULL, modified_ns INTEGER NOT NULL, key TEXT NOT NULL, stem TEXT NOT NULL,
    dated INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS places_by_modality ON places (modality);
CREATE INDEX IF NOT EXISTS places_by_folder ON places (folder);
CREATE INDEX IF NOT EXISTS places_by_key ON places (key);
CREATE INDEX IF NOT EXISTS places_by_stem ON places (stem);
CREATE TABLE IF NOT EXISTS item_fields (
    name TEXT NOT NULL, folded TEXT NOT NULL, number INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (name, folded, number, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_fields_by_number ON item_fields (number);
CREATE TABLE IF NOT EXISTS unresolved (number INTEGER PRIMARY KEY);
"""

FIELDS_OF_ITEM: Final = (
    "(SELECT json_group_array(json_array(f.name, f.value)) FROM item_fields f"
    " WHERE f.number = i.number)"
)
"""The fields of the item `i`, as JSON in any order."""

COUNTS: Final = (
    "SELECT modality, count(*) FROM places GROUP BY modality"
    " UNION ALL SELECT 'source', count(*) FROM sources"
)
"""Lists how many items of each modality there are, and how many sources."""

MISSING: Final = (
    "SELECT d.path, count(*), min(d.target) FROM (SELECT DISTINCT path, target FROM statements) d"
    " WHERE NOT EXISTS (SELECT 1 FROM places p WHERE p.key = d.target)"
    " AND NOT EXISTS (SELECT 1 FROM places p WHERE p.stem = d.target)"
    " GROUP BY d.path ORDER BY d.path"
)
"""Lists (path, count, first) of the names in descriptions that no item's file has."""

_LONGEST_TITLE: Final = 300  # characters, as of front matter

# A description names a file with or without its suffix; one without a word gives no field.
_CONCERN: Final = """
INSERT OR IGNORE INTO unresolved
    SELECT p.number FROM statements d JOIN places p ON p.key = d.target WHERE d.path = :path
    UNION ALL
    SELECT p.number FROM statements d JOIN places p ON p.stem = d.target WHERE d.path = :path
"""
_DERIVE: Final = """
INSERT OR IGNORE INTO item_fields (number, name, folded, value)
    SELECT f.number, f.name, f.folded, f.value
        FROM unresolved u JOIN own_fields f ON f.number = u.number
    UNION ALL
    SELECT p.number, d.name, d.folded, d.value
        FROM unresolved u JOIN places p ON p.number = u.number
        JOIN statements d ON d.target = p.key WHERE d.name <> ''
    UNION ALL
    SELECT p.number, d.name, d.folded, d.value
        FROM unresolved u JOIN places p ON p.number = u.number
        JOIN statements d ON d.target = p.stem WHERE d.name <> ''
"""
_DATE: Final = """
UPDATE places SET dated = EXISTS (
    SELECT 1 FROM item_fields f WHERE f.number = places.number AND f.name = 'date'
) WHERE number IN (SELECT number FROM unresolved)
"""


def given_title(fields: Iterable[tuple[str, str]]) -> str:
    """Return the first title among sorted fields that fits on a line; empty without one."""
    titles = (value for name, value in fields if name == "title" and len(value) <= _LONGEST_TITLE)
    return next(titles, "")


def forget(connection: sqlite3.Connection, path: str) -> None:
    """Delete what a file says, and the rows of its items, which must still be in the catalog."""
    _note_concerned(connection, path)
    connection.execute("DELETE FROM statements WHERE path=?", (path,))
    rows = connection.execute("SELECT number FROM items WHERE path=?", (path,))
    numbers = rows.fetchall()
    for table in ("own_fields", "item_fields", "places", "unresolved"):
        connection.executemany(f"DELETE FROM {table} WHERE number=?", numbers)  # noqa: S608 - a constant


def add_item(connection: sqlite3.Connection, number: int, item: Item) -> None:
    """Note where item number `number` lies, and what its own file says of it."""
    path = item.source.path
    connection.execute(
        "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            number,
            item.id,
            item.modality,
            *place(path),
            item.source.modified_ns,
            *target_keys(path),
        ),
    )
    connection.executemany(
        "INSERT INTO own_fields VALUES (?, ?, ?, ?)",
        [(number, name, value, fold(value)) for name, value in item.fields],
    )
    connection.execute("INSERT INTO unresolved VALUES (?)", (number,))


def add_descriptions(
    connection: sqlite3.Connection, path: str, descriptions: Iterable[Description]
) -> None:
    """Note what the file at `path` says of others."""
    connection.executemany(
        "INSERT INTO statements VALUES (?, ?, ?, ?, ?)",
        [
            (path, target_key(one.target), name, value, fold(value))
            for one in descriptions
            # One without a word is kept too, so that a wrong name in it is noticed.
            for name, value in one.fields or (("", ""),)
        ],
    )
    _note_concerned(connection, path)


def touch(connection: sqlite3.Connection, source: Source) -> None:
    """Note the new time of a file whose content is the same."""
    connection.execute(
        "UPDATE places SET modified_ns=? WHERE number IN (SELECT number FROM items WHERE path=?)",
        (source.modified_ns, source.path),
    )


def set_machine_caption(connection: sqlite3.Connection, number: int, item: Item) -> None:
    """Replace the machine caption of item number `number`; `resolve` takes it away again."""
    connection.execute(
        "DELETE FROM item_fields WHERE number=? AND name=?", (number, MACHINE_CAPTION)
    )
    connection.executemany(
        "INSERT INTO item_fields (number, name, folded, value) VALUES (?, ?, ?, ?)",
        [
            (number, name, fold(value), value)
            for name, value in item.fields
            if name == MACHINE_CAPTION
        ],
    )


def resolve(connection: sqlite3.Connection) -> None:
    """Derive the fields of all items that were added, or of which something else is said now."""
    connection.execute("DELETE FROM item_fields WHERE number IN (SELECT number FROM unresolved)")
    connection.execute(_DERIVE)
    connection.execute(_DATE)
    connection.execute("DELETE FROM unresolved")


def _note_concerned(connection: sqlite3.Connection, path: str) -> None:
    connection.execute(_CONCERN, {"path": path})
