"""Embedded ChromaDB: one folder, one Chroma collection per collection, approximate search (HNSW).

Gives Chroma vectors only: its loaders, embedding functions and telemetry stay off. HNSW: Malkov
and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", 2016. Where a graph is not whole, all records are compared instead.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import RLock

import numpy as np
from chromadb.api.client import Client
from chromadb.api.models.Collection import Collection as ChromaCollection
from chromadb.errors import ChromaError, NotFoundError

from florilegium.errors import IndexMismatchError, StoreError
from florilegium.protocols import SelfChecking, VectorStore
from florilegium.stores import chroma_rows
from florilegium.stores.chroma_client import open_client
from florilegium.stores.chroma_files import (
    DATABASE,
    GraphError,
    are_sound,
    check_database,
    check_graphs,
)
from florilegium.stores.chroma_read_only import ReadOnlyChroma, can_only_be_read
from florilegium.stores.chroma_search import HNSW, Graph
from florilegium.stores.exact import COPY_NAME, ExactRecords
from florilegium.stores.graph_files import GraphFiles
from florilegium.stores.rules import (
    DAMAGE_HINT,
    REBUILD_HINT,
    check_collection,
    check_manifest,
    check_query,
    check_records,
    manifest_to_json,
)
from florilegium.types import Collection, Embeddings, Manifest, Match, Record

logger = logging.getLogger(__name__)

_MANIFEST_NAME = "florilegium-manifest"

# Besides its own errors, Chroma lets these of its parts through: a surrogate in an id is a
# ValueError, a wrong argument a TypeError, a full disk an OSError.
_FAILURES = (ChromaError, GraphError, sqlite3.Error, OSError, RuntimeError, TypeError, ValueError)


def open_store(model: str, *, folder: Path, manifest: Manifest) -> ChromaStore | ReadOnlyChroma:
    """Return a store that keeps its files in `folder`; it has no models to choose from.

    Where the folder cannot be written, it is one that can be searched only.

    Raises:
        IndexMismatchError: The folder was built with another manifest.
        StoreError: `model` is not empty, or the folder cannot be read or written.
    """
    if model:
        raise StoreError(
            f"The store 'chroma' has no variant {model!r}.",
            hint='Set store.name to "chroma".',
        )
    place = folder / "chroma"
    if can_only_be_read(place / DATABASE, copy=place / COPY_NAME):
        return ReadOnlyChroma(database=place / DATABASE, copy=place / COPY_NAME, manifest=manifest)
    return ChromaStore(folder=place, manifest=manifest)


class ChromaStore:
    """A vector store on an embedded Chroma."""

    def __init__(self, *, folder: Path, manifest: Manifest) -> None:
        self._place = str(folder)
        self._manifest = manifest
        self._collections: dict[str, ChromaCollection] = {}
        self._copied: set[str] = set()
        self._copying = RLock()
        self._turns: dict[str, RLock] = {}  # by the name of a collection
        self._client: Client | None = None
        self._exact: ExactRecords | None = None
        with self._wrapped("opened"):
            folder.mkdir(parents=True, exist_ok=True)
            check_database(folder)
            self._graphs = GraphFiles(folder, is_new=not (folder / DATABASE).exists())
            self._is_whole = self._graphs.are_whole() and are_sound(folder)
            self._client = open_client(self._place)
        try:
            with self._wrapped("opened"):
                self._claim(self._client)
                self._batch = self._client.get_max_batch_size()
                self._exact = ExactRecords(folder / COPY_NAME)
        except StoreError:
            self.close()
            raise

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        new = check_records(records, check_collection(collection, self._manifest))
        with self._wrapped("written"):
            if not new:
                return
            found = self._find_mended(collection) or self._make(collection)
            exact = self._copy(collection, found)
            for start in range(0, len(new), self._batch):
                part = new[start : start + self._batch]
                chroma_rows.put(found, part)
                exact.upsert(collection.name, part)
            self._graphs.settle()

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        with self._wrapped("written"):
            found = self._find_mended(collection)
            if found is None:
                return
            exact = self._copy(collection, found)
            for part in self._parts(ids):
                exact.delete(collection.name, part)
                found.delete(ids=part)
            self._graphs.settle()

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        with self._wrapped("read"):
            exact = self._held(collection)
            if exact is None:
                return []
            records = exact.get(collection.name, list(dict.fromkeys(ids)))
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
        with self._wrapped("searched"), self._turn(collection):
            exact = self._held(collection)
            if exact is None:
                return []
            try:
                found = self._find(collection)
                if found is not None:
                    graph = Graph(
                        nearest=partial(self._nearest, collection, found, query),
                        count=found.count,
                        exact=exact,
                        name=collection.name,
                    )
                    return graph.search(query, top_k=top_k, within=within)
            except ChromaError as error:
                if not self._is_made_anew(collection):
                    raise
                self._mistrust(error)
            return exact.search(collection.name, query, top_k=top_k, within=within)

    def ids(self, collection: Collection) -> set[str]:
        with self._wrapped("read"):
            found = self._find(collection)
            if found is None:
                return set()
            if not self._is_whole:
                return set(self._copy(collection, found).ids(collection.name))
            return set(found.get(include=[])["ids"])

    def check_files(self) -> None:
        with self._wrapped("read"):
            if not self._graphs.are_whole():
                raise GraphError("its graphs have changed since they were last known to be whole")
            check_graphs(Path(self._place), thorough=True)

    def unfound(self, collection: Collection, ids: Sequence[str]) -> list[str]:
        with self._wrapped("searched"):
            found = self._find(collection)
            if found is None:
                return list(ids)
            missed: list[str] = []
            for part in self._parts(ids):
                records = self.get(collection, part)
                missed += set(part) - {record.id for record in records}
                if records and self._is_whole:  # else all records are compared
                    missed += chroma_rows.missed(found, records)
        return missed

    def close(self) -> None:
        client, self._client = self._client, None
        self._collections = {}
        if self._exact is not None:
            self._exact.close()
        if client is not None:
            with self._wrapped("closed"):
                client.close()

    def _claim(self, client: Client) -> None:
        """Write the manifest into a new index, or compare it with the one that is there."""
        try:
            entry = client.get_collection(_MANIFEST_NAME, embedding_function=None)
        except NotFoundError:
            if client.count_collections():
                raise IndexMismatchError(
                    f"The Chroma index in {self._place!r} was not built by Florilegium.",
                    hint=REBUILD_HINT,
                ) from None
            entry = client.create_collection(
                _MANIFEST_NAME,
                metadata={"manifest": manifest_to_json(self._manifest)},
                embedding_function=None,
            )
        found = str((entry.metadata or {}).get("manifest", "nothing"))
        check_manifest(found, self._manifest, place=self._place)

    def _find(self, collection: Collection) -> ChromaCollection | None:
        if self._client is None:
            raise StoreError(f"The store in {self._place!r} is closed.", hint="Open it again.")
        check_collection(collection, self._manifest)
        name = chroma_rows.collection_name(collection)
        if name not in self._collections:
            try:
                found = self._client.get_collection(name, embedding_function=None)
            except NotFoundError:
                return None
            self._collections[name] = found
        return self._collections[name]

    def _make(self, collection: Collection) -> ChromaCollection:
        assert self._client is not None, "_find comes first and refuses a closed store"
        return self._client.get_or_create_collection(
            chroma_rows.collection_name(collection),
            configuration=HNSW,
            metadata={"collection": collection.name},
            embedding_function=None,
        )

    def _nearest(
        self, collection: Collection, found: ChromaCollection, query: Embeddings, count: int
    ) -> list[Match] | None:
        """Return the nearest that the graph finds, None if it cannot be used."""
        exact = self._copy(collection, found)
        if not self._is_whole:
            return None
        try:
            return chroma_rows.nearest(found, query, count, exact=exact, name=collection.name)
        except ChromaError as error:
            self._mistrust(error)
            return None

    def _is_made_anew(self, collection: Collection) -> bool:
        """Return whether another process has deleted the graph; Chroma may say it in any words."""
        old = self._collections.pop(chroma_rows.collection_name(collection), None)
        new = self._find(collection)
        return new is None or old is None or new.id != old.id

    def _mistrust(self, error: ChromaError) -> None:
        # Another process may be writing it at this moment; who opens it later finds it whole.
        if self._is_whole:
            logger.warning("All records are compared, since a graph cannot be read: %s", error)
        self._is_whole = False

    @contextmanager
    def _turn(self, collection: Collection) -> Iterator[None]:
        """Let threads search a collection one after the other.

        A search brings Chroma's graph up to date, and several at once do so several times over:
        then Chroma saves the graph, from a process that only reads.
        """
        with self._turns.setdefault(collection.name, RLock()):
            yield

    def _find_mended(self, collection: Collection) -> ChromaCollection | None:
        """Find a collection after making the graphs anew from the exact records, if need be."""
        found = self._find(collection)
        if self._is_whole:
            return found
        assert self._client is not None, "_find comes first and refuses a closed store"
        assert self._exact is not None, "_find comes first and refuses a closed store"
        logger.warning("The graphs in %s are not whole and are made anew.", self._place)
        self._graphs.doubt()
        old, copied = self._graphs.folders(), self._exact.collections()
        # Chroma leaves the files of what it deletes. Besides the copied there is the manifest.
        is_all = len(copied) + 1 == self._client.count_collections()
        for name in copied:
            one = Collection.named(name)
            self._collections.pop(chroma_rows.collection_name(one), None)
            with suppress(NotFoundError):
                self._client.delete_collection(chroma_rows.collection_name(one))
            made = self._make(one)
            for part in self._parts(self._exact.ids(name)):
                chroma_rows.put(made, list(self._exact.get(name, part).values()))
        if is_all:
            self._graphs.remove(old)
        self._graphs.settle()
        self._is_whole = True
        return self._find(collection)

    def _held(self, collection: Collection) -> ExactRecords | None:
        """Return the exact records if they hold all of the collection, None if there is none."""
        if self._exact is not None and self._client is not None:
            check_collection(collection, self._manifest)
            if collection.name in self._copied or self._exact.holds(collection.name):
                self._copied.add(collection.name)
                return self._exact
        found = self._find(collection)
        return None if found is None else self._copy(collection, found)

    def _copy(self, collection: Collection, found: ChromaCollection) -> ExactRecords:
        """Return the exact records, which hold all of the collection."""
        assert self._exact is not None, "_find comes first and refuses a closed store"
        with self._copying:
            if collection.name not in self._copied:
                if not self._exact.holds(collection.name):
                    for part in self._parts(found.get(include=[])["ids"]):
                        self._exact.upsert(collection.name, chroma_rows.get(found, part))
                    self._exact.mark(collection.name)
                self._copied.add(collection.name)
        return self._exact

    def _parts(self, ids: Sequence[str]) -> Iterator[list[str]]:
        """Yield the ids, each once, in lists that Chroma takes at a time."""
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), self._batch):
            yield unique[start : start + self._batch]

    @contextmanager
    def _wrapped(self, done: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise self._failure(done, error) from error
        except BaseException as error:
            # A panic of Chroma's Rust part is no Exception, and its class cannot be imported.
            if type(error).__module__ != "pyo3_runtime":
                raise
            raise self._failure(done, error) from error

    def _failure(self, done: str, error: BaseException) -> StoreError:
        return StoreError(
            f"The Chroma index in {self._place!r} cannot be {done}: {error}.", hint=DAMAGE_HINT
        )


_: type[VectorStore] = ChromaStore
_checked: type[SelfChecking] = ChromaStore
