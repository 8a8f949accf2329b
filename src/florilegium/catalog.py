"""The catalog: which files, items, records and links the index holds, and the lexical index.

One SQLite file next to the vector store. Knows how to change both without ever losing track of a
record: `pending` names every record whose state in the store is uncertain. Encodes nothing.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from florilegium import field_rows, word_index
from florilegium.entries import INSERT_RECORD, SCHEMA, Card, Entry, forget, insert, read_details
from florilegium.errors import IndexMismatchError, ItemNotFoundError, StoreError
from florilegium.facets import Facets, read_facets
from florilegium.filters import Filter
from florilegium.matching import matching_statement
from florilegium.migrations import SCHEMA_VERSION, migrate
from florilegium.report import FailedFile
from florilegium.sqlite_file import open_sqlite
from florilegium.types import Collection, Item, Link, Modality, Part, Source

_ITEM = (
    "i.id, i.path, i.ordinal, i.modality, i.title, i.text, i.details,"
    f" {field_rows.FIELDS_OF_ITEM}, s.size, s.modified_ns, s.content_hash"
)
_PAGE = 500  # items read at a time
_VARIABLES = 500  # SQLite allows at least 999 variables in one statement


class Catalog:
    """The state of one index."""

    def __init__(self, file: Path, *, root: Path) -> None:
        self._file = file
        self._root = root
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._counted: tuple[int, int] | None = None
        try:
            opened = open_sqlite(file)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._connection = opened.connection
        try:
            migrate(self._connection, place=str(file))
            if not opened.read_only:
                self._connection.executescript(SCHEMA + word_index.SCHEMA + field_rows.SCHEMA)
                self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                self._connection.commit()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._failed(error) from error
        except IndexMismatchError:
            self._connection.close()
            raise

    # -- files and facts --

    def sources(self) -> dict[str, Source]:
        """Return all indexed files by path."""
        rows = self._rows("SELECT path, size, modified_ns, content_hash FROM sources")
        return {row[0]: self._source(row) for row in rows}

    def failures(self) -> tuple[FailedFile, ...]:
        """Return the files that failed in the last run, by path."""
        rows = self._rows("SELECT path, code, message, hint FROM failures ORDER BY path")
        return tuple(FailedFile(path=p, code=c, message=m, hint=h) for p, c, m, h in rows)

    def set_failures(self, failures: Iterable[FailedFile]) -> None:
        """Replace the list of files that failed."""
        rows = [(f.path, f.code, f.message, f.hint) for f in failures]
        with self._change() as connection:
            connection.execute("DELETE FROM failures")
            connection.executemany("INSERT INTO failures VALUES (?, ?, ?, ?)", rows)

    def touch(self, sources: Iterable[Source]) -> None:
        """Note new sizes and times of files whose content is the same."""
        with self._change() as connection:
            for source in sources:
                connection.execute(
                    "UPDATE sources SET size=?, modified_ns=? WHERE path=?",
                    (source.size, source.modified_ns, source.path),
                )
                field_rows.touch(connection, source)

    def fact(self, name: str) -> str | None:
        """Return a fact about the index, or None when it is not known."""
        rows = self._rows("SELECT value FROM facts WHERE name=?", (name,))
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        """Note a fact about the index."""
        with self._change() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    # -- changes, in two steps around the vector store --

    def announce(self, records: Iterable[tuple[str, Collection, str]]) -> None:
        """Note (path, collection, id) of records that are about to change in the store."""
        with self._change() as connection:
            connection.executemany(
                "REPLACE INTO pending (path, collection, id) VALUES (?, ?, ?)",
                [(path, collection.name, id_) for path, collection, id_ in records],
            )

    def commit(self, entries: Sequence[Entry], *, removed: Sequence[str] = ()) -> None:
        """Replace what is known of these files and forget what was pending, all at once."""
        with self._change() as connection:
            for path in [entry.source.path for entry in entries] + list(removed):
                forget(connection, path)
            for entry in entries:
                insert(connection, entry)
            field_rows.resolve(connection)
            connection.execute("DELETE FROM pending")

    def commit_cards(self, cards: Sequence[Card], *, collection: Collection) -> None:
        """Replace the cards of pictures and forget what was pending, all at once.

        Records that were announced and are not among the new ones are gone.
        """
        with self._change() as connection:
            connection.execute(
                "DELETE FROM records WHERE (collection, id) IN (SELECT collection, id FROM pending)"
            )
            for card in cards:
                item = card.item
                connection.execute("UPDATE items SET text=? WHERE id=?", (item.text, item.id))
                sql = "SELECT number FROM items WHERE id=?"
                [number] = connection.execute(sql, (item.id,)).fetchone()
                field_rows.set_machine_caption(connection, number, item)
                word_index.remove(connection, number)
                word_index.add(connection, number, item.modality, card.caption, card.labels)
                connection.executemany(
                    INSERT_RECORD,
                    [
                        (id_, collection.name, item.source.path, card.checksums.get(id_))
                        for id_ in card.record_ids
                    ],
                )
            connection.execute("DELETE FROM pending")

    def roll_back(self) -> dict[Collection, list[str]]:
        """Forget every file that has pending records; return the records to delete from the store.

        The files are new to the next run. Call `settle` once the store has deleted the records.
        """
        cards = f"%/{Part.CARD}"
        rows = self._rows("SELECT DISTINCT path FROM pending WHERE collection NOT LIKE ?", (cards,))
        with self._change() as connection:
            # A card that was not finished costs its record only; its picture stays.
            connection.execute(
                "DELETE FROM records WHERE collection LIKE ? AND (collection, id) IN"
                " (SELECT collection, id FROM pending)",
                (cards,),
            )
            for (path,) in rows:
                connection.execute(
                    "INSERT OR IGNORE INTO pending"
                    " SELECT id, collection, path FROM records WHERE path=?",
                    (path,),
                )
                forget(connection, path)
            field_rows.resolve(connection)
        return _by_collection(self._rows("SELECT collection, id FROM pending ORDER BY id"))

    def pending_ids(self) -> dict[Collection, set[str]]:
        """Return the records whose state in the store is uncertain, by collection."""
        rows = self._rows("SELECT collection, id FROM pending")
        return {c: set(ids) for c, ids in _by_collection(rows).items()}

    def settle(self) -> None:
        """Note that the store agrees with the catalog."""
        with self._change() as connection:
            connection.execute("DELETE FROM pending")

    def records(self, paths: Sequence[str]) -> list[tuple[str, Collection, str]]:
        """Return (path, collection, id) of all records of these files."""
        rows = self._in("SELECT path, collection, id FROM records WHERE path IN ({})", paths)
        return [(path, Collection.named(name), id_) for path, name, id_ in rows]

    def record_ids(self) -> dict[Collection, list[str]]:
        """Return all record ids by collection."""
        return _by_collection(self._rows("SELECT collection, id FROM records ORDER BY id"))

    def checksums(self, collection: Collection) -> dict[str, int | None]:
        """Return the checksum of each record of a collection by id, None where it is not known."""
        sql = "SELECT id, checksum FROM records WHERE collection=?"
        return dict(self._rows(sql, (collection.name,)))

    def first_records(self, collection: Collection, *, limit: int) -> list[str]:
        """Return the first record ids of a collection in the order of ids, at most `limit`."""
        sql = "SELECT id FROM records WHERE collection=? ORDER BY id LIMIT ?"
        return [row[0] for row in self._rows(sql, (collection.name, limit))]

    # -- items --

    def paths(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the paths of the files of these items; unknown ids are left out."""
        return dict(self._in("SELECT id, path FROM items WHERE id IN ({})", ids))

    def described(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of these pictures that people have described in words."""
        sql = (
            "SELECT i.id FROM items i JOIN image_words w ON w.rowid = i.number"
            " WHERE i.id IN ({}) AND (w.words != '' OR w.characters != '')"
        )
        return frozenset(row[0] for row in self._in(sql, ids))

    def items(self, ids: Sequence[str]) -> dict[str, Item]:
        """Return the items with these ids; unknown ids are left out."""
        sql = f"SELECT {_ITEM} FROM items i JOIN sources s USING (path) WHERE i.id IN ({{}})"  # noqa: S608 - a constant
        return {row[0]: self._item(row) for row in self._in(sql, ids)}

    def item(self, id_: str) -> Item:
        """Return one item. Raises ItemNotFoundError."""
        found = self.items([id_])
        if id_ not in found:
            raise ItemNotFoundError(
                f"There is no item {id_[:100]!r} in this library.",
                hint="Ids change when a file is moved; search again.",
            )
        return found[id_]

    def items_of(self, paths: Sequence[str]) -> list[Item]:
        """Return the items of these files, in order of path and ordinal."""
        sql = f"SELECT {_ITEM} FROM items i JOIN sources s USING (path) WHERE i.path IN ({{}})"  # noqa: S608 - a constant
        items = [self._item(row) for row in self._in(sql, paths)]
        return sorted(items, key=lambda item: (item.source.path, item.ordinal))

    def all_items(self, modality: Modality) -> Iterator[tuple[Item, str]]:
        """Yield every item of a modality with the words of its labels, by path and ordinal."""
        sql = (
            f"SELECT {_ITEM}, i.labels FROM items i JOIN sources s USING (path)"  # noqa: S608 - a constant
            " WHERE i.modality=? AND (i.path, i.ordinal) > (?, ?) ORDER BY i.path, i.ordinal"
        )
        last = "", -1
        while rows := self._rows(f"{sql} LIMIT {_PAGE}", (modality, *last)):
            yield from ((self._item(row), row[-1]) for row in rows)
            last = rows[-1][1], rows[-1][2]

    def count(self, what: Modality | Literal["source"]) -> int:
        """Return how many items of a modality there are, or how many sources."""
        with self._lock:
            # Asked for several times a search. What others write changes the first number, what
            # this connection writes the second.
            version = self._rows("PRAGMA data_version")[0][0], self._connection.total_changes
            if version != self._counted:
                self._counts = dict(self._rows(field_rows.COUNTS))
                self._counted = version
            return int(self._counts.get(what, 0))

    def twins(self, content_hash: str) -> set[str]:
        """Return the ids of the items whose file has exactly this content."""
        sql = "SELECT i.id FROM items i JOIN sources s USING (path) WHERE s.content_hash=?"
        return {row[0] for row in self._rows(sql, (content_hash,))}

    def matching(self, wanted: Filter, modality: Modality | None = None) -> set[str]:
        """Return the ids of all items that a filter admits."""
        folders = [row[0] for row in self._rows("SELECT DISTINCT folder FROM places")]
        sql, values = matching_statement(wanted, modality, folders=folders)
        return set(json.loads(self._rows(sql, values)[0][0]))

    def facets(self, *, most: int) -> Facets:
        """Return what filters can choose from; other threads may use the catalog meanwhile."""
        try:
            return read_facets(self._file, most=most)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def missing_targets(self) -> list[tuple[str, int, str]]:
        """Return for each file that describes others how many of them are not here, and one."""
        return [(path, count, one) for path, count, one in self._rows(field_rows.MISSING)]

    # -- links --

    def set_links(self, links: Iterable[Link]) -> None:
        """Replace all links."""
        rows = [(link.path, link.other, link.kind, link.words) for link in links]
        with self._change() as connection:
            connection.execute("DELETE FROM links")
            connection.executemany("REPLACE INTO links VALUES (?, ?, ?, ?)", rows)

    def links(self, paths: Sequence[str]) -> list[Link]:
        """Return the links that begin at these files."""
        rows = self._in("SELECT path, other, kind, words FROM links WHERE path IN ({})", paths)
        return [Link(path=p, other=o, kind=k, words=w) for p, o, k, w in rows]

    # -- lexical search --

    def search_words(
        self,
        text: str,
        modality: Modality,
        *,
        top_k: int,
        labels: bool = False,
        within: Set[str] | None = None,
    ) -> list[tuple[str, float]]:
        """Return (item id, BM25 score) of the items that share words with `text`, best first.

        With `labels`, the words of labels are searched instead of those that people wrote. With
        `within`, only these items are found.
        """
        if self.count(modality) <= word_index.SMALL:
            rows = self._rows(word_index.small_statement(modality))
            scored = word_index.score_small(rows, text, labels=labels)
            return [pair for pair in scored if within is None or pair[0] in within][:top_k]
        sql, values = word_index.search_statement(text, modality, labels=labels)
        if not values:
            return []
        if within is None:
            rows = self._rows(f"{sql} LIMIT ?", (*values, top_k))
            return [(row[0], float(row[1])) for row in rows]
        with self._reading() as connection:
            found = ((r[0], float(r[1])) for r in connection.execute(sql, values) if r[0] in within)
            return list(islice(found, top_k))

    def item_frequency(self, words: Sequence[str], modality: Modality) -> dict[str, int]:
        """Return in how many items of a modality each indexed word occurs."""
        sql = word_index.frequency_statement(modality)
        return {
            word: int(self._rows(sql, (word_index.match_word(word),))[0][0])
            for word in dict.fromkeys(words)
        }

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # -- rows --

    def _source(self, row: Sequence[Any]) -> Source:
        path, size, ns, content_hash = row
        return Source(
            root=self._root, path=path, size=size, modified_ns=ns, content_hash=content_hash
        )

    def _item(self, row: Sequence[Any]) -> Item:
        id_, path, ordinal, modality, title, text, details, said, *stat = row[:11]
        fields = sorted({(name, value) for name, value in json.loads(said)})
        return Item(
            id=id_,
            source=self._source((path, *stat)),
            modality=Modality(modality),
            ordinal=ordinal,
            title=field_rows.given_title(fields) or title,
            text=text,
            fields=tuple(fields),
            **read_details(details),
        )

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connection
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _in(self, sql: str, values: Sequence[str]) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(values), _VARIABLES):
            some = values[start : start + _VARIABLES]
            rows += self._rows(sql.format(",".join("?" * len(some))), some)
        return rows

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The catalog {str(self._file)!r} failed: {error}.",
            hint="Check the disk; if the file is broken, run `florilegium doctor --repair`.",
        )


def _by_collection(rows: Iterable[tuple[str, str]]) -> dict[Collection, list[str]]:
    grouped: dict[Collection, list[str]] = {}
    for name, id_ in rows:
        grouped.setdefault(Collection.named(name), []).append(id_)
    return grouped
