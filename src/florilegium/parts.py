"""The parts of a library, opened when they are first needed, and closed together.

Knows where the index keeps its files, and refuses one that other encoders built.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.agreement import agrees, check_manifest, check_store, note_statistics
from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.catalog_sources import read_sources
from florilegium.config import INDEX_FOLDER, Config, user_cache_folder
from florilegium.damage import is_damage
from florilegium.errors import (
    FlorilegiumError,
    IndexMismatchError,
    IndexNotFoundError,
    IndexOutdatedError,
    StoreError,
)
from florilegium.file_jobs import FileJobs
from florilegium.generations import CACHE, CATALOG, STORE, Generations
from florilegium.index import Index
from florilegium.isolation import open_jobs
from florilegium.learning import describe, forget_names, learn_names, load_names
from florilegium.protocols import ChatModel, Encoder, Loader, Reranker
from florilegium.registry import (
    open_chat_model,
    open_encoder,
    open_loaders,
    open_reranker,
    open_store,
)
from florilegium.report import FailedFile
from florilegium.sqlite_file import is_read_only
from florilegium.types import Manifest, Modality, Source, Space

logger = logging.getLogger(__name__)

QUOTING_CHAT_MODEL = "extractive"
"""What answers when the configured chat model is out of reach."""

_RECORDS = 2  # raised when the same files give other records than before


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How much is in an index. `failed` are the files that the last ingest could not read."""

    sources: int
    images: int
    texts: int
    failed: tuple[FailedFile, ...]
    spaces: tuple[Space, ...]


class Parts:
    """Encoders, loaders, chat model, reranker and index of one library."""

    def __init__(self, root: Path, config: Config) -> None:
        self._root = root
        self._config = config
        self._folder = root / INDEX_FOLDER
        self._generations = Generations(self._folder)
        self._opened: Path | None = None
        self._catalog: Catalog | None = None
        self._index: Index | None = None
        self._learnt: Adapter | Untrained | None = None
        self._generation: tuple[int, int, str | None] | None = None
        self._text_encoder: Encoder | None = None
        self._encoder: Encoder | None = None
        self._loaders: list[Loader] | None = None
        self._chat_model: ChatModel | None = None
        self._quoting_model: ChatModel | None = None
        self._reranker: Reranker | None = None

    @property
    def cache_file(self) -> Path:
        """Return where the embedding cache is, or will be."""
        return self._folder / CACHE

    def loaders(self) -> list[Loader]:
        """Return all loaders."""
        if self._loaders is None:
            config = self._config.ingest
            count_tokens = self.text_encoder().count_tokens
            self._loaders = open_loaders(config=config, count_tokens=count_tokens)
        return self._loaders

    def file_jobs(self) -> FileJobs:
        """Return who has the loaders read files: this process, or others that end with `close`."""
        return open_jobs(self.loaders(), config=self._config, cache_folder=user_cache_folder())

    def text_encoder(self) -> Encoder:
        """Return the text encoder."""
        if self._text_encoder is None:
            config = self._config.text_encoder
            self._text_encoder = open_encoder(
                config.name, config=config, cache_folder=user_cache_folder()
            )
        return self._text_encoder

    def encoder(self) -> Encoder:
        """Return the image-text encoder, which may build on the text encoder."""
        if self._encoder is None:
            config = self._config.encoder
            self._encoder = open_encoder(
                config.name,
                config=config,
                texts=self.text_encoder(),
                cache_folder=user_cache_folder(),
            )
        return self._encoder

    def chat_model(self) -> ChatModel:
        """Return the chat model."""
        if self._chat_model is None:
            self._chat_model = self._open_chat_model(self._config.chat.name)
        return self._chat_model

    def quoting_model(self) -> ChatModel:
        """Return the chat model that needs no server and no weights, and cannot invent."""
        if self._quoting_model is None:
            self._quoting_model = self._open_chat_model(QUOTING_CHAT_MODEL)
        return self._quoting_model

    def reranker(self) -> Reranker | None:
        """Return the reranker, None when none is configured."""
        config = self._config.rerank
        if self._reranker is None and config.name:
            self._reranker = open_reranker(config.name, config=config)
        return self._reranker

    def _open_chat_model(self, name: str) -> ChatModel:
        return open_chat_model(
            name,
            config=self._config.chat,
            texts=self.text_encoder(),
            cache_folder=user_cache_folder(),
        )

    def manifest(self) -> Manifest:
        """Return what an index of this library must have been built by."""
        infos = {encoder.info.id: encoder.info for encoder in (self.encoder(), self.text_encoder())}
        spaces = [
            Space(name=id_, fingerprint=info.fingerprint, dim=info.dim)
            for id_, info in sorted(infos.items())
        ]
        return Manifest(schema=_RECORDS, spaces=tuple(spaces))

    def index(self, *, writing: bool = False, rebuild: bool = False) -> Index:
        """Return the opened index.

        An index that cannot be used as it is, or is not wanted any more, stays where it is while a
        new one is built beside it, until `finish` puts that in use.

        Args:
            writing: Make it if it is absent, and begin a new one if the store has lost records.
            rebuild: Begin a new one in any case, or go on with one that was begun.

        Raises:
            IndexNotFoundError: Nothing was ingested yet, and this is not for writing.
            IndexMismatchError: Other encoders built it, or a newer version.
            StoreError: It is damaged, and this is not for writing.
        """
        if writing or self.is_stale():
            # Another process, or another object of this one, may have changed the files since.
            self.close_index()
        if self._index is not None:
            return self._index
        try:
            if writing:
                self._index = self._open_to_write(rebuild=rebuild)
            else:
                self._index = self._open_to_read()
            self._note_generation()
        except FlorilegiumError:
            self.close_index()
            raise
        return self._index

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

    def finish(self, index: Index) -> None:
        """Complete the index that was written, put it in use, and delete the ones before it.

        Until then searches use the index before, if it can be used. Raises StoreError.
        """
        note_statistics(index)
        if self._opened is not None and self._opened != self._generations.current():
            self._generations.switch(self._opened)
            self._note_generation()
        self._generations.remove_old()

    def _open_to_read(self) -> Index:
        self.manifest()  # opens the encoders, which may take a moment
        while True:
            folder = self._generations.current()
            try:
                index = self._open(folder)
            except StoreError:
                if folder == self._generations.current():
                    raise
                self.close_index()
                continue
            # If another one was put in use meanwhile, this may be a half of one that is deleted.
            if folder == self._generations.current():
                return index
            self.close_index(index)

    def _open_to_write(self, *, rebuild: bool) -> Index:
        current = self._generations.current()
        if not (rebuild and (current / CATALOG).exists()):
            index = self._open_sound(current)
            if index is not None:
                return index
        beside = self._generations.next()
        index = self._open_sound(beside) if beside.exists() else None
        if index is None:
            self._generations.remove(beside)
            index = self._open(beside, writing=True)
        return index

    def _open_sound(self, folder: Path) -> Index | None:
        """Return the index of a folder, or None if it has to be made anew.

        Raises IndexMismatchError if the settings of the index in use are others than those of now.
        """
        index = None
        try:
            index = self._open(folder, writing=True)
            if agrees(index):
                return index
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
            logger.warning("The index in %s is damaged and made anew: %s", folder, error.message)
        self.close_index(index)
        return None

    def _open(self, folder: Path, *, writing: bool = False) -> Index:
        """Open the index in one folder; make it if it is absent, to write. Raises as `index`."""
        if writing:
            self._generations.make(folder)
        elif not (folder / CATALOG).exists():
            raise IndexNotFoundError(
                f"Nothing was ingested in {str(self._root)!r} yet.",
                hint="Run `florilegium ingest`.",
            )
        manifest, kind = self.manifest(), self._config.store.name
        catalog = self._catalog = Catalog(folder / CATALOG, root=self._root)
        self._opened = folder
        check_manifest(catalog, manifest, root=self._root, writing=writing)
        check_store(catalog, kind, folder=folder, root=self._root, writing=writing)
        try:
            store = open_store(kind, folder=folder / STORE, manifest=manifest)
        except IndexMismatchError as error:
            if not writing:
                raise
            # The catalog is right, so this store is left over from another index.
            raise IndexOutdatedError(error.message, hint=error.hint) from error
        try:
            cache = EmbeddingCache(self.cache_file)
        except StoreError as error:
            store.close()
            # Without its cause: a damaged cache is no damage of this index.
            raise type(error)(error.message, hint=error.hint) from None
        return Index(
            catalog=catalog,
            store=store,
            cache=cache,
            encoder=self.encoder(),
            text_encoder=self.text_encoder(),
        )

    def note_change(self) -> None:
        """Let everybody who has this index open know that it has changed."""
        if self._catalog is not None:
            self._catalog.set_fact("generation", str(time.time_ns()))
            self._note_generation()

    def _note_generation(self) -> None:
        # An index that is built beside the one in use is for writing alone.
        in_use = self._opened == self._generations.current()
        self._generation = self._read_generation() if in_use else None

    def _read_generation(self) -> tuple[int, int, str | None] | None:
        if self._catalog is None:
            return None
        # An index that was made anew is another file.
        file = self._generations.current() / CATALOG
        if not file.exists():
            return None
        # Who may not write does not see the log of who does, but the file itself.
        changed = file.stat().st_mtime_ns if is_read_only(file) else 0
        return file.stat().st_ino, changed, self._catalog.fact("generation")

    def is_stale(self) -> bool:
        """Return whether the opened index is not the one in use any more, or was changed."""
        return self._index is not None and self._read_generation() != self._generation

    def learnt_names(self) -> Adapter | Untrained | None:
        """Return what the library has learnt of its names, None where that is off."""
        if not self._config.retrieval.adapter:
            return None
        if self._learnt is None:
            self._learnt = load_names(self.index(), folder=self._generations.current())
        return self._learnt

    def learn_names(self, index: Index) -> None:
        """Let an index learn its names, where that is on. Raises StoreError."""
        if self._config.retrieval.adapter:
            self._learnt = learn_names(index, folder=self._opened or self._folder)
        else:
            forget_names(index)

    def close_index(self, index: Index | None = None) -> None:
        """Close the index alone; it is opened and checked again when it is needed again."""
        self._learnt = self._opened = None
        index = index or self._index
        if index is not None:
            index.store.close()
            index.cache.close()
            self._index = None
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        index = self.index()
        return Statistics(
            sources=len(index.catalog.sources()),
            images=index.catalog.count(Modality.IMAGE),
            texts=index.catalog.count(Modality.TEXT),
            failed=index.catalog.failures(),
            spaces=self.manifest().spaces,
        )

    def describe_index(self) -> str:
        """Return in one line how much is in the index. Raises IndexNotFoundError."""
        found = self.statistics()
        failed = f", {len(found.failed)} failed" if found.failed else ""
        learnt = self.learnt_names()
        names = f"; learnt names: {describe(learnt).reason}" if learnt is not None else ""
        return f"{found.images} pictures and {found.texts} chunks of text{failed}{names}"

    def close(self) -> None:
        """Close what is open. Parts are opened again when they are needed again."""
        self.close_index()
        opened = (
            self._encoder,
            self._text_encoder,
            self._chat_model,
            self._quoting_model,
            self._reranker,
        )
        for part in opened:
            if part is not None:
                part.close()
        self._encoder = self._text_encoder = None
        self._loaders = self._chat_model = self._quoting_model = self._reranker = None
