"""A Chroma server: its graphs are searched over HTTP; the exact records stay with the library.

Collections are named by the library's own id and the folder of its index. What an index that was
replaced has left in the server is deleted when its library is next written.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx
import numpy as np

from florilegium.durable import replace_file
from florilegium.errors import ConfigError, StoreError
from florilegium.protocols import VectorStore
from florilegium.redaction import show_address
from florilegium.stores import chroma_rows
from florilegium.stores.chroma_http import ChromaHttp, ChromaRefusedError, ChromaRemote
from florilegium.stores.chroma_search import HNSW, Graph
from florilegium.stores.exact import COPY_NAME, ExactRecords
from florilegium.stores.rules import (
    check_collection,
    check_manifest,
    check_query,
    check_records,
    manifest_to_json,
)
from florilegium.types import Collection, Embeddings, Manifest, Match, Record

ID_FILE: Final = "chroma-server"
"""File in the index folder of a library: its id in Chroma servers, and the folder's own number.

A copy of the folder has another number (its inode); a folder that is moved keeps it.
"""

_BATCH = 1_000  # records in a request: servers refuse bodies of more than 40 MB
_EXAMPLE = 'Set store.name to the server\'s address, e.g. "chroma_server:http://localhost:8001".'
_FAILURES = (
    ChromaRefusedError, httpx.HTTPError, sqlite3.Error, OSError, ValueError, KeyError, TypeError,
)  # fmt: skip


def open_store(model: str, *, folder: Path, manifest: Manifest) -> ChromaServerStore:
    """Return a store on the Chroma server whose address is `model`.

    Raises:
        ConfigError: `model` is no http address.
        IndexMismatchError: What is there was built with another manifest.
        StoreError: The server cannot be reached, or the folder cannot be written.
    """
    return ChromaServerStore(_parse(model), folder=folder / "chroma-server", manifest=manifest)


class ChromaServerStore:
    """A vector store on a Chroma server. Several threads may use it."""

    def __init__(self, address: SplitResult, *, folder: Path, manifest: Manifest) -> None:
        self._place = address.geturl()
        self._manifest = manifest
        self._collections: dict[str, ChromaRemote] = {}
        self._client: ChromaHttp | None = None
        self._exact: ExactRecords | None = None
        self._library = folder.parents[2]
        self._index = folder.parents[1].name
        self._is_ready_to_write = False
        is_new = not (folder / COPY_NAME).exists()
        try:
            with self._wrapped("opened"):
                folder.mkdir(parents=True, exist_ok=True)
                self._client = ChromaHttp(address)
                self._id, self._number = _read_id(self._library / ID_FILE)
                self._prefix = f"fl-{self._id}.{self._index}."
                if is_new:
                    self._prepare_writing(self._client, is_new=True)
                else:
                    self._check_claim(self._client.find(f"{self._prefix}manifest"))
                self._exact = ExactRecords(folder / COPY_NAME)
        except StoreError:
            self.close()
            raise

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        new = check_records(records, check_collection(collection, self._manifest))
        with self._wrapped("written"):
            if not new:
                return
            self._prepare_writing(self._opened())
            found = self._find(collection) or self._make(collection)
            for start in range(0, len(new), _BATCH):
                part = new[start : start + _BATCH]
                found.upsert(part)
                self._records().upsert(collection.name, part)

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        with self._wrapped("written"):
            found = self._find(collection)
            if found is None:
                return
            self._prepare_writing(self._opened())
            unique = list(dict.fromkeys(ids))
            for start in range(0, len(unique), _BATCH):
                part = unique[start : start + _BATCH]
                self._records().delete(collection.name, part)
                found.delete(part)

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        with self._wrapped("read"):
            if self._find(collection) is None:
                return []
            records = self._records().get(collection.name, list(dict.fromkeys(ids)))
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
                if self._records().holds(collection.name):
                    raise ChromaRefusedError("it has lost the records that were given to it")
                return []
            graph = Graph(
                nearest=partial(self._nearest, collection, found, query),
                count=found.count,
                exact=self._records(),
                name=collection.name,
            )
            return graph.search(query, top_k=top_k, within=within)

    def ids(self, collection: Collection) -> set[str]:
        with self._wrapped("read"):
            found = self._find(collection)
            if found is None:
                return set()
            # What either lacks is lost to a search, so the index has to be made anew.
            there = set(found.ids())
            return there & set(self._records().ids(collection.name))

    def close(self) -> None:
        client, self._client = self._client, None
        self._collections = {}
        if self._exact is not None:
            self._exact.close()
        if client is not None:
            client.close()

    def _prepare_writing(self, client: ChromaHttp, *, is_new: bool = False) -> None:
        """See that the collections are this folder's, and delete what indexes before it left.

        Whoever only reads does neither: the folder may be a copy of the one that they belong to.
        """
        if self._is_ready_to_write:
            return
        if self._number != _number(self._library):
            file = self._library / ID_FILE
            raise StoreError(
                f"The library in {str(self._library)!r} is a copy: what its id names in the Chroma "
                f"server at {self._place!r} belongs to the library that it was copied from.",
                hint=f"Delete the file {str(file)!r} and run `florilegium ingest`, which fills the "
                "server from the cache under an id of its own.",
            )
        ours = re.compile(rf"fl-{self._id}\.([\w-]+)\.")
        for name in client.names():
            match = ours.match(name)
            if match is None:
                continue
            is_left = is_new and match[1] == self._index
            # First the list and then the folders: an index is made in the other order.
            if is_left or not (self._library / match[1]).exists():
                client.remove(name)
        metadata = {"manifest": manifest_to_json(self._manifest)}
        self._check_claim(client.make(f"{self._prefix}manifest", metadata=metadata))
        self._is_ready_to_write = True

    def _check_claim(self, entry: ChromaRemote | None) -> None:
        if entry is not None:  # else the server has forgotten it
            found = str(entry.metadata.get("manifest", "nothing"))
            check_manifest(found, self._manifest, place=self._place)

    def _opened(self) -> ChromaHttp:
        if self._client is None:
            raise StoreError(f"The store at {self._place!r} is closed.", hint="Open it again.")
        return self._client

    def _find(self, collection: Collection) -> ChromaRemote | None:
        client = self._opened()
        check_collection(collection, self._manifest)
        name = self._prefix + chroma_rows.collection_name(collection)
        if name not in self._collections:
            found = client.find(name)
            if found is None:
                return None
            self._collections[name] = found
        return self._collections[name]

    def _make(self, collection: Collection) -> ChromaRemote:
        self._records().mark(collection.name)
        return self._opened().make(
            self._prefix + chroma_rows.collection_name(collection),
            metadata={"collection": collection.name},
            configuration={"hnsw": HNSW["hnsw"]},
        )

    def _nearest(
        self, collection: Collection, found: ChromaRemote, query: Embeddings, count: int
    ) -> list[Match]:
        ids, distances = found.nearest(query, count)
        return chroma_rows.to_matches(ids, distances, exact=self._records(), name=collection.name)

    def _records(self) -> ExactRecords:
        assert self._exact is not None, "_find comes first and refuses a closed store"
        return self._exact

    @contextmanager
    def _wrapped(self, done: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise StoreError(
                f"The index in the Chroma server at {self._place!r} cannot be {done}: {error}.",
                hint="See that the server runs and has room; `florilegium ingest` makes anew what "
                "it has lost, from the cache.",
            ) from error


def _parse(model: str) -> SplitResult:
    try:
        parts = urlsplit(model)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if "@" in parts.netloc:
        raise ConfigError("The setting 'store.name' holds a user or password.", hint=_EXAMPLE)
    is_bare = not (parts.path.strip("/") or parts.query or parts.fragment)
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not is_bare:
        raise ConfigError(
            f"The setting 'store.name' has {show_address(model)!r} for the address of a Chroma "
            "server.",
            hint=_EXAMPLE,
        )
    return parts._replace(path="")


def _read_id(file: Path) -> tuple[str, int]:
    """Return the id of a library, and the number of the folder that it is for; made if absent."""
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        text = f"{secrets.token_hex(8)} {_number(file.parent)}\n"
        replace_file(file, text.encode())
    found = re.fullmatch(r"([0-9a-f]{16}) ([0-9]+)\n?", text)
    if found is None:
        raise ValueError(f"the file {str(file)!r} holds no id")
    return found[1], int(found[2])


def _number(folder: Path) -> int:
    return folder.stat().st_ino


_: type[VectorStore] = ChromaServerStore
