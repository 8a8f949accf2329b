"""What one file puts into the catalog, and the rows that hold it. Knows no transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from florilegium import word_index
from florilegium.descriptions import target_key, target_keys
from florilegium.fields import fold
from florilegium.filters import place
from florilegium.types import Collection, Description, Item, Modality, Source

OF_ALL_ITEMS: Final = -1
"""The ordinal of a field that a description gives to all items of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that one file puts into the index.

    Its items, the words of their labels by item id, its record ids by collection, and what it says
    of other files.
    """

    source: Source
    items: tuple[Item, ...]
    labels: Mapping[str, str]
    records: Mapping[Collection, tuple[str, ...]]
    descriptions: tuple[Description, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card of a picture: its item with the whole card as text, and what the text is made of."""

    item: Item
    caption: str
    labels: str
    record_ids: tuple[str, ...] = ()


def forget(connection: sqlite3.Connection, path: str) -> None:
    """Delete all rows of one file but its links."""
    for (number,) in connection.execute(
        "SELECT number FROM items WHERE path=?", (path,)
    ).fetchall():
        word_index.remove(connection, number)
    connection.execute("DELETE FROM items WHERE path=?", (path,))
    connection.execute("DELETE FROM records WHERE path=?", (path,))
    connection.execute("DELETE FROM fields WHERE path=?", (path,))
    connection.execute("DELETE FROM sources WHERE path=?", (path,))


def insert(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write all rows of one file, which must have none."""
    source = entry.source
    connection.execute(
        "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            source.path,
            source.size,
            source.modified_ns,
            source.content_hash,
            *target_keys(source.path),
            *place(source.path),
        ),
    )
    connection.executemany("INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?)", _field_rows(entry))
    for item in entry.items:
        details = {
            "span": [item.span.start, item.span.end] if item.span else None,
            "size": [item.width, item.height],
            "references": [[r.target, r.words] for r in item.references],
        }
        cursor = connection.execute(
            "INSERT INTO items (id, path, ordinal, modality, title, text, labels, details)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.id,
                source.path,
                item.ordinal,
                item.modality,
                item.title,
                item.text,
                entry.labels.get(item.id, ""),
                json.dumps(details, ensure_ascii=False),
            ),
        )
        # The words of a title find every chunk of its file, as a heading does for a reader.
        words = f"{item.title}\n{item.text}" if item.modality is Modality.TEXT else item.text
        word_index.add(connection, cursor.lastrowid or 0, item.modality, words)
    connection.executemany(
        "INSERT INTO records VALUES (?, ?, ?)",
        [(id_, c.name, source.path) for c, ids in entry.records.items() for id_ in ids],
    )


def _field_rows(entry: Entry) -> Iterator[tuple[str, int, str, str, str, str]]:
    path = entry.source.path
    for item in entry.items:
        for name, value in item.fields:
            yield path, item.ordinal, "", name, value, fold(value)
    for description in entry.descriptions:
        target = target_key(description.target)
        # A description without a word still counts as one, so that a wrong name is noticed.
        for name, value in description.fields or (("", ""),):
            yield path, OF_ALL_ITEMS, target, name, value, fold(value)
