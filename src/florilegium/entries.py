"""What one file puts into the catalog, and the rows that hold it. Knows no transaction."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from florilegium import field_rows, word_index
from florilegium.types import (
    Collection,
    Description,
    Embeddings,
    Item,
    Label,
    Modality,
    Reference,
    Source,
    Span,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    content_hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sources_by_content ON sources (content_hash);
CREATE TABLE IF NOT EXISTS failures (
    path TEXT PRIMARY KEY, code TEXT NOT NULL, message TEXT NOT NULL, hint TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
    ordinal INTEGER NOT NULL, modality TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    labels TEXT NOT NULL, details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_path ON items (path);
CREATE INDEX IF NOT EXISTS paths_of_items ON items (id, path);  -- read without the texts
CREATE TABLE IF NOT EXISTS records (
    id TEXT NOT NULL, collection TEXT NOT NULL, path TEXT NOT NULL,
    checksum INTEGER,  -- of the embedding; NULL in records of schema 2
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_path ON records (path);
CREATE TABLE IF NOT EXISTS pending (
    id TEXT NOT NULL, collection TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
    path TEXT NOT NULL, other TEXT NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL,
    PRIMARY KEY (path, other, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

INSERT_RECORD = "REPLACE INTO records (id, collection, path, checksum) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that one file puts into the index.

    Its items, the words of their labels by item id, its record ids by collection, what it says of
    other files, and the checksums of its records' embeddings by record id.
    """

    source: Source
    items: tuple[Item, ...]
    labels: Mapping[str, str]
    records: Mapping[Collection, tuple[str, ...]]
    descriptions: tuple[Description, ...] = ()
    checksums: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card of a picture: its item with the whole card as text, and what the text is made of."""

    item: Item
    caption: str
    labels: str
    record_ids: tuple[str, ...] = ()
    checksums: Mapping[str, int] = field(default_factory=dict)


def checksum(embedding: Embeddings) -> int:
    """Return the CRC-32 of an embedding, shape (dim,), as float32 with the low byte first."""
    return zlib.crc32(embedding.astype("<f4").tobytes())


def write_details(item: Item) -> str:
    """Return as JSON what the catalog holds of an item in no column of its own."""
    details = {
        "span": [item.span.start, item.span.end] if item.span else None,
        "size": [item.width, item.height],
        "references": [[r.target, r.words] for r in item.references],
        "guesses": [[g.name, g.synonyms, g.chinese, round(g.weight, 3)] for g in item.guesses],
    }
    return json.dumps(details, ensure_ascii=False)


def read_details(details: str) -> dict[str, Any]:
    """Return the fields of an Item that `write_details` wrote."""
    more = json.loads(details)
    return {
        "span": Span(start=more["span"][0], end=more["span"][1]) if more["span"] else None,
        "width": more["size"][0],
        "height": more["size"][1],
        "references": tuple(Reference(target=t, words=w) for t, w in more["references"]),
        "guesses": tuple(
            Label(name=name, synonyms=tuple(synonyms), chinese=tuple(chinese), weight=weight)
            for name, synonyms, chinese, weight in more.get("guesses", ())
        ),
    }


def forget(connection: sqlite3.Connection, path: str) -> None:
    """Delete all rows of one file but its links."""
    field_rows.forget(connection, path)
    for (number,) in connection.execute(
        "SELECT number FROM items WHERE path=?", (path,)
    ).fetchall():
        word_index.remove(connection, number)
    connection.execute("DELETE FROM items WHERE path=?", (path,))
    connection.execute("DELETE FROM records WHERE path=?", (path,))
    connection.execute("DELETE FROM sources WHERE path=?", (path,))


def insert(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write all rows of one file, which must have none."""
    source = entry.source
    connection.execute(
        "INSERT INTO sources VALUES (?, ?, ?, ?)",
        (source.path, source.size, source.modified_ns, source.content_hash),
    )
    for item in entry.items:
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
                write_details(item),
            ),
        )
        field_rows.add_item(connection, cursor.lastrowid or 0, item)
        # The words of a title find every chunk of its file, as a heading does for a reader.
        words = f"{item.title}\n{item.text}" if item.modality is Modality.TEXT else item.text
        word_index.add(connection, cursor.lastrowid or 0, item.modality, words)
    connection.executemany(
        INSERT_RECORD,
        [
            (id_, collection.name, source.path, entry.checksums.get(id_))
            for collection, ids in entry.records.items()
            for id_ in ids
        ],
    )
    field_rows.add_descriptions(connection, source.path, entry.descriptions)
