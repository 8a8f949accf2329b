"""The parts of a library, opened when they are first needed, and closed together.

Knows where the index keeps its files, and refuses one that other encoders built.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.cache import EmbeddingCache
from florilegium.catalog import SCHEMA_VERSION, Catalog
from florilegium.config import INDEX_FOLDER, Config, user_cache_folder
from florilegium.errors import IndexMismatchError, IndexNotFoundError
from florilegium.file_jobs import DirectJobs, FileJobs
from florilegium.index import Index
from florilegium.isolation import IsolatedJobs
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
from florilegium.types import Manifest, Modality, Space

QUOTING_CHAT_MODEL = "extractive"
"""What answers when the configured chat model is out of reach."""

_CATALOG = "catalog.db"
_CACHE = "embeddings.db"
_STORE = "store"


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
        self._catalog: Catalog | None = None
        self._index: Index | None = None
        self._learnt: Adapter | Untrained | None = None
        self._generation: tuple[int, str | None] | None = None
        self._text_encoder: Encoder | None = None
        self._encoder: Encoder | None = None
        self._loaders: list[Loader] | None = None
        self._chat_model: ChatModel | None = None
        self._quoting_model: ChatModel | None = None
        self._reranker: Reranker | None = None

    def loaders(self) -> list[Loader]:
        """Return all loaders."""
        if self._loaders is None:
            config = self._config.ingest
            count_tokens = self.text_encoder().count_tokens
            self._loaders = open_loaders(config=config, count_tokens=count_tokens)
        return self._loaders

    def file_jobs(self) -> FileJobs:
        """Return who has the loaders read files: this process, or others that end with `close`."""
        config = self._config
        if not config.ingest.isolate:
            return DirectJobs(self.loaders(), config=config.ingest)
        return IsolatedJobs(
            ingest=config.ingest,
            text_encoder=config.text_encoder,
            cache_folder=user_cache_folder(),
        )

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
        return Manifest(schema=SCHEMA_VERSION, spaces=tuple(spaces))

    def index(self, *, writing: bool = False, rebuild: bool = False) -> Index:
        """Return the opened index.

        Args:
            writing: Make it if it is absent, and make it anew if the store has lost records.
            rebuild: Make it anew in any case.

        Raises:
            IndexNotFoundError: Nothing was ingested yet, and this is not for writing.
            IndexMismatchError: Other encoders built it.
        """
        if writing or self._is_stale():
            # Another process, or another object of this one, may have changed the files since.
            self.close_index()
        if self._index is not None:
            return self._index
        manifest = self.manifest()
        if rebuild:
            self._delete_index()
        catalog = self._catalog = Catalog(self._folder / _CATALOG, root=self._root)
        _check_manifest(catalog, manifest, root=self._root, writing=writing)
        if not writing:
            self._check_store(catalog)
        store = open_store(self._config.store.name, folder=self._folder / _STORE, manifest=manifest)
        self._index = Index(
            catalog=catalog,
            store=store,
            cache=EmbeddingCache(self._folder / _CACHE),
            encoder=self.encoder(),
            text_encoder=self.text_encoder(),
        )
        if writing and not _agrees(self._index):
            # The store was lost or is another one: what it held is made anew from the cache.
            return self.index(writing=True, rebuild=True)
        if writing:
            catalog.set_fact("store", self._config.store.name)
        self._generation = self._read_generation()
        return self._index

    def note_change(self) -> None:
        """Let everybody who has this index open know that it has changed."""
        if self._catalog is not None:
            self._catalog.set_fact("generation", str(time.time_ns()))
            self._generation = self._read_generation()

    def _read_generation(self) -> tuple[int, str | None] | None:
        # A catalog that was made anew is another file of the same name.
        file = self._folder / _CATALOG
        if self._catalog is None or not file.exists():
            return None
        return file.stat().st_ino, self._catalog.fact("generation")

    def _is_stale(self) -> bool:
        return self._index is not None and self._read_generation() != self._generation

    def learnt_names(self) -> Adapter | Untrained | None:
        """Return what the library has learnt of its names, None where that is off."""
        if not self._config.retrieval.adapter:
            return None
        if self._learnt is None:
            self._learnt = load_names(self.index(), folder=self._folder)
        return self._learnt

    def learn_names(self, index: Index) -> None:
        """Let an index learn its names, where that is on. Raises StoreError."""
        if self._config.retrieval.adapter:
            self._learnt = learn_names(index, folder=self._folder)
        else:
            forget_names(index)

    def close_index(self) -> None:
        """Close the index alone; it is opened and checked again when it is needed again."""
        self._learnt = None
        if self._index is not None:
            self._index.store.close()
            self._index.cache.close()
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

    def _delete_index(self) -> None:
        # The store goes first: a catalog without its store is found out by the next run.
        self.close_index()
        # A store that is deleted half way must not be taken for a whole one, so it is moved first.
        doomed = self._folder / f"{_STORE}.deleted"
        shutil.rmtree(doomed, ignore_errors=True)
        if (self._folder / _STORE).exists():
            (self._folder / _STORE).rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        for file in self._folder.glob(f"{_CATALOG}*"):
            file.unlink()

    def _check_store(self, catalog: Catalog) -> None:
        kept, wanted = catalog.fact("store"), self._config.store.name
        if kept != wanted:
            raise IndexMismatchError(
                f"The index of {str(self._root)!r} is kept in {kept!r}, "
                f"but the store {wanted!r} is configured.",
                hint="Run `florilegium ingest`, which moves it, or set store.name back.",
            )
        if not (self._folder / _STORE).is_dir():
            raise IndexMismatchError(
                f"The vector store of {str(self._root)!r} is gone.",
                hint="Run `florilegium ingest`; nothing is encoded again.",
            )

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


def _check_manifest(catalog: Catalog, manifest: Manifest, *, root: Path, writing: bool) -> None:
    wanted = json.dumps(asdict(manifest), sort_keys=True)
    found = catalog.fact("manifest")
    if found is None and writing:
        catalog.set_fact("manifest", wanted)
    elif found is not None and found != wanted:
        raise IndexMismatchError(
            f"The index of {str(root)!r} was built with {_names(found)}, "
            f"but {_names(wanted)} is configured.",
            hint="Run `florilegium ingest --rebuild`, or set the encoders back.",
        )
    # An empty folder gets a catalog and no index: `loading` is noted when a run has begun.
    elif not writing and catalog.fact("loading") is None:
        raise IndexNotFoundError(
            f"Nothing was ingested in {str(root)!r} yet.", hint="Run `florilegium ingest`."
        )


def _names(manifest: str) -> str:
    spaces = json.loads(manifest)["spaces"]
    return " and ".join(f"{space['name']} (…{space['fingerprint'][-8:]})" for space in spaces)


def _agrees(index: Index) -> bool:
    # Records that are announced and not committed are settled by ingest itself.
    uncertain, records = index.catalog.pending_ids(), index.catalog.record_ids()
    for collection in (index.pictures, index.windows, index.chunks, index.sentences, index.cards):
        known = set(records.get(collection, ()))
        if (known ^ index.store.ids(collection)) - uncertain.get(collection, set()):
            return False
    return True
