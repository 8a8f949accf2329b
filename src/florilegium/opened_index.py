"""One opened index: its files, what it has learnt, and whether others have changed it since.

Any thread may use it. Who opens and closes it, and which folder it is of, is decided elsewhere.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.agreement import check_manifest, check_store, nothing_ingested
from florilegium.backends import Backends
from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.errors import (
    IndexMismatchError,
    IndexOutdatedError,
    StoreError,
)
from florilegium.generations import CATALOG, STORE, Generations
from florilegium.index import Index
from florilegium.learning import learn_names, load_names
from florilegium.leases import Once
from florilegium.protocols import VectorStore
from florilegium.registry import open_store
from florilegium.sqlite_file import is_read_only
from florilegium.types import Manifest

_Stamp = tuple[int, int, str | None]


class OpenedIndex:
    """An index that is open, in its folder."""

    def __init__(
        self,
        index: Index,
        *,
        folder: Path,
        backends: Backends,
        generations: Generations,
        stamp: _Stamp | None,
        files: ExitStack,
    ) -> None:
        """Take over what was opened.

        Args:
            index: Its parts.
            folder: Where they are.
            backends: What its encoders belong to.
            generations: Says which index is in use.
            stamp: What `read_stamp` gave before its store was opened.
            files: Closes all of it.
        """
        self.index = index
        self.folder = folder
        self.backends = backends
        self._files = files
        self._generations = generations
        self._stamp = stamp
        self.learnt_names: Once[Adapter | Untrained] = Once(
            lambda: load_names(index, folder=folder)
        )

    def is_in_use(self) -> bool:
        """Return whether no other index has taken its place, so that its files are still there."""
        return self.folder == self._generations.current()

    def is_stale(self) -> bool:
        """Return whether this is not the index in use any more, or was changed by others."""
        try:
            # One that was replaced may be deleted at this moment, and is not to be read any more.
            return not self.is_in_use() or self._stamp != self._read_stamp()
        except StoreError:
            if self.is_in_use():
                raise
            return True

    def note_change(self) -> None:
        """Let everybody who has this index open know that it has changed."""
        self.index.catalog.set_fact("generation", str(time.time_ns()))
        self._stamp = self._read_stamp()

    def _read_stamp(self) -> _Stamp | None:
        return read_stamp(self.index.catalog, self._generations)

    def learn_names(self) -> None:
        """Let it learn its names. Raises StoreError."""
        learn_names(self.index, folder=self.folder)

    def close(self) -> None:
        """Close all its files, and let its encoders go. Raises StoreError."""
        self._files.close()


def read_stamp(catalog: Catalog, generations: Generations) -> _Stamp | None:
    """Return what is another value once the index in use is another, or was changed."""
    # An index that was made anew is another file.
    file = generations.current() / CATALOG
    try:
        status = file.stat()
        # Who may not write does not see the log of who does, but the file itself.
        changed = status.st_mtime_ns if is_read_only(file) else 0
    except FileNotFoundError:
        return None
    return status.st_ino, changed, catalog.fact("generation")


def open_index(
    folder: Path,
    *,
    root: Path,
    store: str,
    cache_file: Path,
    lease: AbstractContextManager[Backends],
    generations: Generations,
    writing: bool = False,
) -> OpenedIndex:
    """Open the index in one folder; make it if it is absent, to write.

    Args:
        folder: Where it is, or will be.
        root: The folder of the library.
        store: The name of the vector store that is configured.
        cache_file: Where the embedding cache is.
        lease: Gives the encoders that it must have been built with; it ends with the index.
        generations: Says which index is in use.
        writing: Whether it is for writing.

    Raises:
        StoreError: It is absent, damaged, of other encoders or of a newer version: see `errors`.
    """
    if writing:
        generations.make(folder)
    elif not (folder / CATALOG).exists():
        raise nothing_ingested(root)
    with ExitStack() as opened:
        backends = opened.enter_context(lease)
        manifest = backends.manifest()
        catalog = Catalog(folder / CATALOG, root=root)
        opened.callback(catalog.close)
        # Before the store is read: what changes it from now on is noticed.
        stamp = read_stamp(catalog, generations)
        check_manifest(catalog, manifest, root=root, writing=writing)
        check_store(catalog, store, folder=folder, root=root, writing=writing)
        vectors = _open_store(store, folder=folder, manifest=manifest, writing=writing)
        opened.callback(vectors.close)
        cache = _open_cache(cache_file)
        opened.callback(cache.close)
        index = Index(
            catalog=catalog,
            store=vectors,
            cache=cache,
            encoder=backends.encoder(),
            text_encoder=backends.text_encoder(),
            query_encoder=backends.query_encoder(),
            query_text_encoder=backends.query_text_encoder(),
        )
        return OpenedIndex(
            index,
            folder=folder,
            backends=backends,
            generations=generations,
            stamp=stamp,
            files=opened.pop_all(),
        )


def _open_store(kind: str, *, folder: Path, manifest: Manifest, writing: bool) -> VectorStore:
    try:
        return open_store(kind, folder=folder / STORE, manifest=manifest)
    except IndexMismatchError as error:
        if not writing:
            raise
        # The catalog is right, so this store is left over from another index.
        raise IndexOutdatedError(error.message, hint=error.hint) from error


def _open_cache(file: Path) -> EmbeddingCache:
    try:
        return EmbeddingCache(file)
    except StoreError as error:
        # Without its cause: a damaged cache is no damage of this index.
        raise type(error)(error.message, hint=error.hint) from None
