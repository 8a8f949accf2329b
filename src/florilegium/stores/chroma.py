"""Embedded ChromaDB: one folder, one Chroma collection per collection, approximate search (HNSW).

Gives Chroma vectors only: its loaders, embedding functions and telemetry stay off. HNSW: Malkov
and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", 2016.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import chromadb
import numpy as np
from chromadb.api.client import Client
from chromadb.api.collection_configuration import CreateCollectionConfiguration
from chromadb.api.models.Collection import Collection as ChromaCollection
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from florilegium.errors import IndexMismatchError, StoreError
from florilegium.ids import hash_bytes
from florilegium.protocols import SelfChecking, VectorStore
from florilegium.stores.chroma_files import GraphError, check_files
from florilegium.stores.exact import COPY_NAME, ExactRecords
from florilegium.stores.rules import (
    DAMAGE_HINT,
    REBUILD_HINT,
    check_collection,
    check_manifest,
    check_query,
    check_records,
    manifest_to_json,
    rank,
)
from florilegium.types import Collection, Embeddings, Manifest, Match, Record

_MANIFEST_NAME = "florilegium-manifest"

# Measured in benchmarks/results/store_recall.json. A search looks at as many nodes as the larger
# of ef_search and the matches asked for, so top_k needs no upper limit.
_HNSW = CreateCollectionConfiguration(
    hnsw={"space": "cosine", "ef_construction": 100, "ef_search": 200, "max_neighbors": 16}
)

# Matches asked for beyond top_k, so that ids decide among equal scores at the cut.
_MARGIN = 16

# With a filter, both measured in benchmarks/results/filtered_search.json: up to so many records
# are read and compared, and up to so many neighbours are looked through for what is wanted.
_FEW_RECORDS = 5_000
_MOST_NEIGHBOURS = 1_000

# Up to so many records, comparing all takes no longer than asking for several hundred neighbours.
_COMPARED = 20_000

# Besides its own errors, Chroma lets these of its parts through: a surrogate in an id is a
# ValueError, a wrong argument a TypeError, a full disk an OSError.
_FAILURES = (ChromaError, GraphError, sqlite3.Error, OSError, RuntimeError, TypeError, ValueError)

_ASKED_AT_ONCE = 500
_SAME = 1e-3  # cosine distance up to which a match is the record itself or its equal


def open_store(model: str, *, folder: Path, manifest: Manifest) -> ChromaStore:
    """Return a store that keeps its files in `folder`; it has no models to choose from.

    Raises:
        IndexMismatchError: The folder was built with another manifest.
        StoreError: `model` is not empty, or the folder cannot be read or written.
    """
    if model:
        raise StoreError(
            f"The store 'chroma' has no variant {model!r}.",
            hint='Set store.name to "chroma".',
        )
    return ChromaStore(folder=folder / "chroma", manifest=manifest)


class ChromaStore:
    """A vector store on an embedded Chroma."""

    def __init__(self, *, folder: Path, manifest: Manifest) -> None:
        self._place = str(folder)
        self._manifest = manifest
        self._collections: dict[str, ChromaCollection] = {}
        self._copied: set[str] = set()
        self._client: Client | None = None
        self._exact: ExactRecords | None = None
        with self._wrapped("opened"):
            folder.mkdir(parents=True, exist_ok=True)
            check_files(folder, thorough=False)
            self._client = _open_client(self._place)
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
            found = self._find(collection) or self._make(collection)
            exact = self._copy(collection, found)
            for start in range(0, len(new), self._batch):
                part = new[start : start + self._batch]
                found.upsert(
                    ids=[record.id for record in part],
                    embeddings=np.stack([record.embedding for record in part]).astype(np.float32),
                    metadatas=[{"item_id": record.item_id} for record in part],
                )
                exact.upsert(collection.name, part)

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        with self._wrapped("written"):
            found = self._find(collection)
            if found is None:
                return
            exact = self._copy(collection, found)
            for part in self._parts(ids):
                exact.delete(collection.name, part)
                found.delete(ids=part)

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        with self._wrapped("read"):
            found = self._find(collection)
            if found is None:
                return []
            records = self._copy(collection, found).get(collection.name, list(dict.fromkeys(ids)))
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
        with self._wrapped("searched"):
            found = self._find(collection)
            if found is None:
                return []
            if within is not None:
                return self._search_within(collection, found, query, top_k=top_k, within=within)
            exact = self._copy(collection, found)
            asked = top_k + _MARGIN
            while True:
                matches = _nearest(found, query, asked, exact=exact, name=collection.name)
                if len(matches) < asked:
                    # All there are; or, where thousands of equal vectors have cut the graph into
                    # pieces, fewer than there are, and then every one is compared.
                    if len(matches) < min(asked, found.count()):
                        return exact.search(collection.name, query, top_k=top_k)
                    return matches[:top_k]
                if matches[-1].score < matches[top_k - 1].score:
                    return matches[:top_k]
                # The tie at the cut goes on past what was fetched. All are compared where that
                # takes less than asking again, else more are fetched.
                if found.count() <= _COMPARED:
                    return exact.search(collection.name, query, top_k=top_k)
                asked *= 4

    def ids(self, collection: Collection) -> set[str]:
        with self._wrapped("read"):
            found = self._find(collection)
            return set() if found is None else set(found.get(include=[])["ids"])

    def check_files(self) -> None:
        with self._wrapped("read"):
            check_files(Path(self._place), thorough=True)

    def unfound(self, collection: Collection, ids: Sequence[str]) -> list[str]:
        with self._wrapped("searched"):
            found = self._find(collection)
            if found is None:
                return list(ids)
            missed: list[str] = []
            for start in range(0, len(ids), _ASKED_AT_ONCE):
                asked = ids[start : start + _ASKED_AT_ONCE]
                records = self.get(collection, asked)
                missed += set(asked) - {record.id for record in records}
                missed += _missed(found, records) if records else []
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
        name = _chroma_name(collection)
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
            _chroma_name(collection),
            configuration=_HNSW,
            metadata={"collection": collection.name},
            embedding_function=None,
        )

    def _search_within(
        self,
        collection: Collection,
        found: ChromaCollection,
        query: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str],
    ) -> list[Match]:
        # Chroma's own filters are slow, miss records where few are wanted, and fail for more
        # than 32,000 ids.
        exact = self._copy(collection, found)
        few = exact.search_few(
            collection.name, query, top_k=top_k, within=within, most=_FEW_RECORDS
        )
        if few is not None:
            return few
        asked = top_k + _MARGIN
        while asked <= _MOST_NEIGHBOURS:
            nearest = _nearest(found, query, asked, exact=exact, name=collection.name)
            matches = [match for match in nearest if match.item_id in within]
            if len(nearest) < asked:
                break
            if len(matches) >= top_k and nearest[-1].score < matches[top_k - 1].score:
                return matches[:top_k]
            asked *= 4
        return exact.search(collection.name, query, top_k=top_k, within=within)

    def _copy(self, collection: Collection, found: ChromaCollection) -> ExactRecords:
        """Return the exact records, which hold all of the collection."""
        assert self._exact is not None, "_find comes first and refuses a closed store"
        if collection.name not in self._copied:
            if not self._exact.holds(collection.name):
                for part in self._parts(found.get(include=[])["ids"]):
                    self._exact.upsert(collection.name, _get(found, part))
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


def _missed(found: ChromaCollection, records: Sequence[Record]) -> list[str]:
    # A graph may miss a record here and there; it is wrong only where it holds another vector,
    # or misses many.
    rows = np.stack([record.embedding for record in records])
    result: Any = found.query(query_embeddings=rows, n_results=1, include=["distances"])
    far = [
        record
        for record, distances in zip(records, result["distances"], strict=True)
        if not distances or distances[0] > _SAME
    ]
    if not far or len(far) > max(1, len(records) // 20):
        return [record.id for record in far]
    held = {record.id: record.embedding for record in _get(found, [one.id for one in far])}
    return [one.id for one in far if one.id not in held or _differ(held[one.id], one.embedding)]


def _differ(one: Embeddings, other: Embeddings) -> bool:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return not abs(float(one @ other) - lengths) <= _SAME * max(lengths, 1e-9)


def _open_client(place: str) -> Client:
    settings = Settings(
        # Explicit, since Chroma would read these from the environment and from `.env`.
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
        anonymized_telemetry=False,
        allow_reset=False,
    )
    try:
        # Typed as an interface that lacks close().
        return cast(Client, chromadb.PersistentClient(path=place, settings=settings))
    except BaseException:
        # Clients of one path share a system, and Chroma 1.5.9 keeps one that failed to start:
        # opening the mended folder again in this process would meet the broken one.
        if place not in SharedSystemClient._identifier_to_refcount:
            SharedSystemClient._identifier_to_system.pop(place, None)
        raise


def _chroma_name(collection: Collection) -> str:
    """Return a name that Chroma allows: readable words, made unique by a hash."""
    words = re.sub(r"[^a-zA-Z0-9]+", "-", collection.name)[:64]
    return f"c-{words}-{hash_bytes(collection.name.encode('utf-8', 'surrogatepass'))[:16]}"


def _nearest(
    found: ChromaCollection, query: Embeddings, count: int, *, exact: ExactRecords, name: str
) -> list[Match]:
    # Chroma looks metadata up row by row, which takes longer than its search; so the items are
    # looked up beside it. mypy: Chroma types its rows as optional lists, which they are only when
    # left out of `include`.
    result: Any = found.query(
        query_embeddings=query[np.newaxis], n_results=count, include=["distances"]
    )
    ids, distances = result["ids"][0], result["distances"][0]
    items = exact.item_ids(name, ids)
    candidates = [
        (id_, items[id_], max(-1.0, min(1.0, 1.0 - distance)))
        for id_, distance in zip(ids, distances, strict=True)
        if id_ in items  # not those that another process is just deleting
    ]
    return rank(candidates, top_k=count)


def _get(found: ChromaCollection, ids: list[str]) -> list[Record]:
    result: Any = found.get(ids=ids, include=["metadatas", "embeddings"])
    rows = zip(result["ids"], result["metadatas"], result["embeddings"], strict=True)
    return [
        Record(id=id_, item_id=metadata["item_id"], embedding=np.asarray(row, dtype=np.float32))
        for id_, metadata, row in rows
    ]


_: type[VectorStore] = ChromaStore
_checked: type[SelfChecking] = ChromaStore
