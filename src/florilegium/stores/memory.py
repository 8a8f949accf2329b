"""Exact search with numpy, kept in one file per collection: the reference implementation.

Each write replaces the collection's file whole, so a killed process loses nothing that was
acknowledged, but writing n records costs O(n): meant for small libraries and for tests.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import numpy as np
import numpy.typing as npt

from florilegium.durable import replace_file
from florilegium.errors import StoreError
from florilegium.ids import hash_bytes
from florilegium.protocols import VectorStore
from florilegium.stores.rules import (
    DAMAGE_HINT,
    check_collection,
    check_manifest,
    check_query,
    check_records,
    find_rows,
    manifest_to_json,
    rank,
    select_nearest,
)
from florilegium.types import Collection, Embeddings, Manifest, Match, Record


def open_store(model: str, *, folder: Path, manifest: Manifest) -> MemoryStore:
    """Return a store that keeps its files in `folder`; it has no models to choose from.

    Raises:
        IndexMismatchError: The folder was built with another manifest.
        StoreError: `model` is not empty, or the folder cannot be read or written.
    """
    if model:
        raise StoreError(
            f"The store 'memory' has no variant {model!r}.",
            hint='Set store.name to "memory".',
        )
    return MemoryStore(folder=folder / "memory", manifest=manifest)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """The records of one collection. A write makes a new one, so a reader never sees a half."""

    ids: list[str]
    item_ids: list[str]
    rows: dict[str, int]
    embeddings: Embeddings  # (n, dim), as given
    lengths: npt.NDArray[np.float32]  # (n,)

    def record(self, id_: str) -> Record:
        row = self.rows[id_]
        return Record(id=id_, item_id=self.item_ids[row], embedding=self.embeddings[row].copy())


def _table(ids: list[str], item_ids: list[str], embeddings: Embeddings) -> _Table:
    return _Table(
        ids=ids,
        item_ids=item_ids,
        rows={id_: row for row, id_ in enumerate(ids)},
        embeddings=embeddings,
        lengths=np.linalg.norm(embeddings, axis=1),
    )


class MemoryStore:
    """A vector store that searches exactly, in memory."""

    def __init__(self, *, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._lock = RLock()
        self._tables: dict[str, _Table] = {}
        self._closed = False
        with self._wrapped("opened"):
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._folder / "manifest.json"
            if not file.exists():
                replace_file(file, manifest_to_json(manifest).encode())
            found = file.read_text(encoding="utf-8")
        check_manifest(found, manifest, place=str(folder))

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        table = self._read(collection)
        new = check_records(records, check_collection(collection, self._manifest))
        if not new:
            return
        replaced = {record.id for record in new}
        kept = [row for id_, row in table.rows.items() if id_ not in replaced]
        added = np.stack([record.embedding for record in new]).astype(np.float32)
        self._write(
            collection,
            _table(
                ids=[table.ids[row] for row in kept] + [record.id for record in new],
                item_ids=[table.item_ids[row] for row in kept] + [record.item_id for record in new],
                embeddings=np.concatenate([table.embeddings[kept], added]),
            ),
        )

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        table = self._read(collection)
        removed = set(ids)
        kept = [row for id_, row in table.rows.items() if id_ not in removed]
        if len(kept) == len(table.ids):
            return
        self._write(
            collection,
            _table(
                ids=[table.ids[row] for row in kept],
                item_ids=[table.item_ids[row] for row in kept],
                embeddings=table.embeddings[kept],
            ),
        )

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        table = self._read(collection)
        return [table.record(id_) for id_ in ids if id_ in table.rows]

    def search(
        self,
        collection: Collection,
        embedding: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str] | None = None,
    ) -> list[Match]:
        table = self._read(collection)
        check_query(embedding, check_collection(collection, self._manifest), top_k=top_k)
        nearest = select_nearest(
            table.embeddings,
            table.lengths,
            embedding.astype(np.float32),
            top_k=top_k,
            rows=None if within is None else find_rows(table.item_ids, within),
        )
        return rank(
            ((table.ids[row], table.item_ids[row], score) for row, score in nearest), top_k=top_k
        )

    def ids(self, collection: Collection) -> set[str]:
        return set(self._read(collection).rows)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._tables = {}

    def _read(self, collection: Collection) -> _Table:
        space = check_collection(collection, self._manifest)
        with self._lock:
            if self._closed:
                raise StoreError(
                    f"The store in {str(self._folder)!r} is closed.", hint="Open it again."
                )
            if collection.name not in self._tables:
                file = self._file(collection)
                with self._wrapped("read"):
                    self._tables[collection.name] = (
                        _load(file)
                        if file.exists()
                        else _table([], [], np.zeros((0, space.dim), np.float32))
                    )
            return self._tables[collection.name]

    def _write(self, collection: Collection, table: _Table) -> None:
        with self._lock, self._wrapped("written"):
            file = self._file(collection)
            # As JSON bytes: a numpy array of strings would pad each id to the longest one
            # and drop trailing NUL characters.
            names = json.dumps([table.ids, table.item_ids]).encode()
            data = io.BytesIO()
            np.savez(data, names=np.frombuffer(names, np.uint8), embeddings=table.embeddings)
            replace_file(file, data.getvalue())
            self._tables[collection.name] = table

    def _file(self, collection: Collection) -> Path:
        name = collection.name.encode("utf-8", "surrogatepass")
        return self._folder / f"{hash_bytes(name)}.npz"

    @contextmanager
    def _wrapped(self, done: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"The store in {str(self._folder)!r} cannot be {done}: {error}.", hint=DAMAGE_HINT
            ) from error


def _load(file: Path) -> _Table:
    # Opened here, since numpy leaves a file open that it finds to be damaged.
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        ids, item_ids = json.loads(arrays["names"].tobytes())
        embeddings: Embeddings = arrays["embeddings"]
    if not len(ids) == len(item_ids) == len(embeddings):
        raise ValueError(f"{file.name} has {len(ids)} ids but {len(embeddings)} embeddings")
    return _table(ids, item_ids, embeddings)


_: type[VectorStore] = MemoryStore
