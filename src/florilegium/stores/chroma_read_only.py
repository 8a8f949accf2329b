"""A Chroma index on a medium that cannot be written: Chroma itself opens none there.

The exact records beside it answer everything, by comparing all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from florilegium.errors import StoreError
from florilegium.protocols import VectorStore
from florilegium.sqlite_file import is_read_only, open_sqlite
from florilegium.stores.exact import ExactRecords
from florilegium.stores.rules import DAMAGE_HINT, check_collection, check_manifest, check_query
from florilegium.types import Collection, Embeddings, Manifest, Match, Record

_MANIFEST = "SELECT str_value FROM collection_metadata WHERE key='manifest'"


class ReadOnlyChroma:
    """The records of a Chroma index, to search alone."""

    def __init__(self, *, database: Path, copy: Path, manifest: Manifest) -> None:
        """Open what Chroma keeps in `database` and its exact records in `copy`.

        Raises:
            IndexMismatchError: It was built with another manifest.
            StoreError: A file cannot be read.
        """
        self._place = str(database.parent)
        self._manifest = manifest
        with self._wrapped():
            opened = open_sqlite(database).connection
            try:
                rows = opened.execute(_MANIFEST).fetchall()
            finally:
                opened.close()
            found = str(rows[0][0]) if rows else "nothing"
            check_manifest(found, manifest, place=self._place)
            self._exact = ExactRecords(copy)

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:  # noqa: ARG002
        raise self._refused()

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:  # noqa: ARG002
        raise self._refused()

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        check_collection(collection, self._manifest)
        with self._wrapped():
            records = self._exact.get(collection.name, list(dict.fromkeys(ids)))
        return [records[id_] for id_ in ids if id_ in records]

    def search(
        self,
        collection: Collection,
        embedding: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str] | None = None,
    ) -> list[Match]:
        check_query(embedding, check_collection(collection, self._manifest), top_k=top_k)
        query = embedding.astype(np.float32)
        with self._wrapped():
            return self._exact.search(collection.name, query, top_k=top_k, within=within)

    def ids(self, collection: Collection) -> set[str]:
        check_collection(collection, self._manifest)
        with self._wrapped():
            return set(self._exact.ids(collection.name))

    def close(self) -> None:
        # Closing twice is no error.
        with suppress(sqlite3.Error):
            self._exact.close()

    def _refused(self) -> StoreError:
        return StoreError(
            f"The Chroma index in {self._place!r} can only be read.",
            hint="Make its folder writable, or copy the library to where it is.",
        )

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"The Chroma index in {self._place!r} cannot be read: {error}.", hint=DAMAGE_HINT
            ) from error


def can_only_be_read(database: Path, *, copy: Path) -> bool:
    """Return whether an index is there, with its exact records, and cannot be written."""
    return copy.exists() and is_read_only(database)


_: type[VectorStore] = ReadOnlyChroma
