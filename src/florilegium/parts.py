"""The parts of a library: opened when they are first needed, shared by threads, closed together.

Knows which of its indexes is read and which is written, and refuses one that other encoders built.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.agreement import agrees, note_statistics
from florilegium.backends import Backends
from florilegium.catalog_sources import read_sources
from florilegium.config import INDEX_FOLDER, Config
from florilegium.damage import is_damage
from florilegium.errors import IndexMismatchError, IndexOutdatedError, StoreError
from florilegium.file_jobs import FileJobs
from florilegium.generations import CACHE, CATALOG, Generations
from florilegium.index import Index
from florilegium.learning import describe, forget_names
from florilegium.leases import Leases
from florilegium.opened_index import OpenedIndex, open_index
from florilegium.protocols import ChatModel, Encoder, Loader, Reranker
from florilegium.report import FailedFile
from florilegium.types import Manifest, Modality, Source, Space

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 10  # of reading, where the index is replaced each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How much is in an index. `failed` are the files that the last ingest could not read."""

    sources: int
    images: int
    texts: int
    failed: tuple[FailedFile, ...]
    spaces: tuple[Space, ...]


class Parts:
    """Encoders, loaders, chat model, reranker and index of one library.

    What is given by a context manager stays open until its block ends, whatever other threads do;
    what is returned stays open until it is outdated, or `close` is called.
    """

    def __init__(self, root: Path, config: Config) -> None:
        self._root = root
        self._config = config
        self._folder = root / INDEX_FOLDER
        self._generations = Generations(self._folder)
        self._backends = Leases(lambda: Backends(config), close=Backends.close)
        self._reading = Leases(
            self._open_to_read, close=OpenedIndex.close, is_outdated=self._is_outdated
        )

    # -- what a library works with --

    @property
    def cache_file(self) -> Path:
        """Return where the embedding cache is, or will be."""
        return self._folder / CACHE

    @contextmanager
    def using(self) -> Iterator[Backends]:
        """Give encoders, loaders, chat models and reranker."""
        with self._backends.lease() as backends:
            yield backends

    def backends(self) -> Backends:
        """Return encoders, loaders, chat models and reranker."""
        return self._backends.current()

    def loaders(self) -> list[Loader]:
        """Return all loaders."""
        return self.backends().loaders()

    def file_jobs(self) -> FileJobs:
        """Return who has the loaders read files."""
        return self.backends().file_jobs()

    def text_encoder(self) -> Encoder:
        """Return the text encoder."""
        return self.backends().text_encoder()

    def encoder(self) -> Encoder:
        """Return the image-text encoder, which may build on the text encoder."""
        return self.backends().encoder()

    def chat_model(self) -> ChatModel:
        """Return the chat model."""
        return self.backends().chat_model()

    def quoting_model(self) -> ChatModel:
        """Return the chat model that needs no server and no weights, and cannot invent."""
        return self.backends().quoting_model()

    def reranker(self) -> Reranker | None:
        """Return the reranker, None when none is configured."""
        return self.backends().reranker()

    def manifest(self) -> Manifest:
        """Return what an index of this library must have been built by."""
        return self.backends().manifest()

    # -- the index that is read --

    @contextmanager
    def reading(self) -> Iterator[OpenedIndex]:
        """Give the index in use, as it is now; it is opened once for all threads.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
            IndexMismatchError: Other encoders built it, or a newer version.
            StoreError: It is damaged.
        """
        with self._reading.lease() as opened:
            yield opened

    def read(self, work: Callable[[OpenedIndex], T]) -> T:
        """Return what `work` makes of the index in use, and do it again if that was replaced.

        Raises:
            StoreError: The index cannot be read, or is replaced again and again; and what
                `reading` and `work` raise.
        """
        for _ in range(_TRIES):
            with self.reading() as opened:
                try:
                    done = work(opened)
                except StoreError:
                    if not opened.is_stale():
                        raise
                    continue
                # Files of one that was replaced may be gone, which not every store notices.
                if opened.is_in_use():
                    return done
        raise StoreError(
            f"The index of {str(self._root)!r} was replaced {_TRIES} times while it was read.",
            hint="Try again when fewer processes ingest it.",
        )

    def index(self) -> Index:
        """Return the index in use. Raises what `reading` does."""
        return self._reading.current().index

    def is_stale(self) -> bool:
        """Return whether the opened index is not the one in use any more, or was changed."""
        opened = self._reading.opened()
        return opened is not None and opened.is_stale()

    def learnt_names(self, opened: OpenedIndex) -> Adapter | Untrained | None:
        """Return what the library has learnt of its names, None where that is off."""
        return opened.learnt_names() if self._config.retrieval.adapter else None

    def close_index(self) -> None:
        """Have the index opened and checked again when it is needed again."""
        self._reading.retire()

    # -- the index that is written --

    @contextmanager
    def writing(self, *, rebuild: bool = False) -> Iterator[OpenedIndex]:
        """Give an index that nobody else reads or writes through this object.

        It is made if it is absent. One that cannot be used as it is, or is not wanted any more,
        stays where it is while a new one is built beside it, until `finish` puts that in use.

        Args:
            rebuild: Begin a new one in any case, or go on with one that was begun.

        Raises:
            IndexMismatchError: Other encoders built it, or a newer version.
            StoreError: Its files cannot be made or opened.
        """
        self.close_index()  # if nobody reads it now, it need not be in memory twice
        with closing(self._open_to_write(rebuild=rebuild)) as opened:
            yield opened

    @contextmanager
    def mending(self) -> Iterator[OpenedIndex]:
        """Give the index in use, damaged or not, to nobody else. Raises what `reading` does."""
        self.close_index()
        with closing(self._open_to_read()) as opened:
            yield opened

    def sources_in_use(self) -> dict[str, Source]:
        """Return the files of the index in use by path; none if it cannot be read."""
        file = self._generations.current() / CATALOG
        if not file.exists():
            return {}
        try:
            return read_sources(file, root=self._root)
        except StoreError as error:
            if not is_damage(error):
                raise
            logger.warning("How many files are gone cannot be told: %s", error.message)
            return {}

    def is_building(self) -> bool:
        """Return whether a new index was begun beside the one in use, and not finished."""
        return self._generations.next().exists()

    def finish(self, opened: OpenedIndex) -> None:
        """Complete the index that was written, put it in use, and delete the ones before it.

        It learns its names, where that is on.

        Until then searches use the index before, if it can be used. Raises StoreError.
        """
        if self._config.retrieval.adapter:
            opened.learn_names()
        else:
            forget_names(opened.index)
        note_statistics(opened.index)
        if not opened.is_in_use():
            self._generations.switch(opened.folder)
        self._generations.remove_old()

    def _is_outdated(self, opened: OpenedIndex) -> bool:
        # After `close`, the encoders of one that was opened at that very moment are others.
        return opened.backends is not self._backends.opened() or opened.is_stale()

    def _open_to_read(self) -> OpenedIndex:
        while True:
            folder = self._generations.current()
            try:
                opened = self._open(folder)
            except StoreError:
                if folder == self._generations.current():
                    raise
                continue
            # If another one was put in use meanwhile, this may be a half of one that is deleted.
            if opened.is_in_use():
                return opened
            opened.close()

    def _open_to_write(self, *, rebuild: bool) -> OpenedIndex:
        current = self._generations.current()
        if not (rebuild and (current / CATALOG).exists()):
            opened = self._open_sound(current)
            if opened is not None:
                return opened
        beside = self._generations.next()
        opened = self._open_sound(beside) if beside.exists() else None
        if opened is None:
            self._generations.remove(beside)
            opened = self._open(beside, writing=True)
        return opened

    def _open_sound(self, folder: Path) -> OpenedIndex | None:
        """Return the index of a folder, or None if it has to be made anew.

        Raises IndexMismatchError if the settings of the index in use are others than those of now.
        """
        with ExitStack() as stack:
            try:
                opened = self._open(folder, writing=True)
                stack.callback(opened.close)
                if agrees(opened.index):
                    stack.pop_all()
                    return opened
                logger.warning("The vector store in %s has lost records: it is made anew.", folder)
            except IndexOutdatedError as error:
                logger.warning("%s It is made anew from the cache.", error.message)
            except IndexMismatchError:
                # Of an index that was begun with other settings, nothing is wanted.
                if folder == self._generations.current():
                    raise
            except StoreError as error:
                if not is_damage(error):
                    raise
                logger.warning("The index in %s is damaged, made anew: %s", folder, error.message)
        return None

    def _open(self, folder: Path, *, writing: bool = False) -> OpenedIndex:
        return open_index(
            folder,
            root=self._root,
            store=self._config.store.name,
            cache_file=self.cache_file,
            lease=self._backends.lease(),
            generations=self._generations,
            writing=writing,
        )

    # -- all of it --

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        spaces = self.manifest().spaces

        def count(opened: OpenedIndex) -> Statistics:
            catalog = opened.index.catalog
            return Statistics(
                sources=catalog.count("source"),
                images=catalog.count(Modality.IMAGE),
                texts=catalog.count(Modality.TEXT),
                failed=catalog.failures(),
                spaces=spaces,
            )

        return self.read(count)

    def describe_index(self) -> str:
        """Return in one line how much is in the index. Raises IndexNotFoundError."""
        found = self.statistics()
        failed = f", {len(found.failed)} failed" if found.failed else ""
        learnt = self.read(self.learnt_names)
        names = f"; learnt names: {describe(learnt).reason}" if learnt is not None else ""
        return f"{found.images} pictures and {found.texts} chunks of text{failed}{names}"

    def close(self) -> None:
        """Close what is open; what a block of another thread uses, at the end of that block.

        Parts are opened again when they are needed again.
        """
        self._reading.retire()
        self._backends.retire()
