"""What keeps a library well: its checks and its numbers. The class Library is built on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from florilegium.cache_upkeep import CachePruning, CacheStats
from florilegium.checks import Check, attempt, check_reranker, try_chat_model, try_encoder
from florilegium.config import INDEX_FOLDER, Settings
from florilegium.gate_file import read_gate
from florilegium.inspection import Finding, check_files, inspect
from florilegium.locking import writers_lock
from florilegium.parts import Parts, Statistics
from florilegium.pruning import prune_cache, read_cache_stats
from florilegium.sqlite_file import is_read_only
from florilegium.thresholds import Threshold, choose_threshold


class Upkeep:
    """The opened parts of a library, and what is asked of them besides searching."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self._parts = Parts(root, settings.config)

    def threshold(self) -> Threshold:
        """Return below which confidence questions are refused, and what to expect of that.

        Raises:
            StoreError: What was measured for this library is damaged.
        """
        return choose_threshold(
            self.settings.config.chat.min_confidence,
            is_set="chat.min_confidence" in self.settings.origins,
            measured=read_gate(self.root / INDEX_FOLDER),
            encoders={one.name: one.fingerprint for one in self._parts.manifest().spaces},
        )

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        return self._parts.statistics()

    def cache_stats(self) -> CacheStats:
        """Return what is in the embedding cache.

        Raises:
            IndexNotFoundError: There is none yet.
            StoreError: It cannot be read.
        """
        return read_cache_stats(self._parts.cache_file, manifest=self._parts.manifest())

    def prune_cache(self, *, other_encoders: bool = False, dry_run: bool = False) -> CachePruning:
        """Remove from the embedding cache what no file of the library uses now.

        Args:
            other_encoders: Remove the vectors of encoders that are not configured too.
            dry_run: Count, and remove nothing.

        Raises:
            IndexNotFoundError: Nothing was ingested yet.
            IndexLockedError: Another process is writing to the index.
            StoreError: The last ingest has not ended, or the cache cannot be written.
        """
        with writers_lock(self.root / INDEX_FOLDER, doing="pruning the cache"):
            index = self._parts.index()
            return prune_cache(index, other_encoders=other_encoders, dry_run=dry_run)

    def check(self, *, deep: bool = False) -> list[Check]:
        """Look at each part that this library needs and return what was found.

        Args:
            deep: Read every vector of the index and every row of the cache, instead of samples.
        """
        parts, config = self._parts, self.settings.config
        room = config.chat.max_tokens
        return [
            Check(name="settings", ok=True, message=f"profile {config.profile}"),
            attempt("text encoder", lambda: try_encoder(parts.text_encoder())),
            attempt("image-text encoder", lambda: try_encoder(parts.encoder())),
            attempt("index", parts.describe_index),
            *check_files(partial(self.inspect, deep=deep)),
            attempt("chat model", lambda: try_chat_model(parts.chat_model(), max_tokens=room)),
            *check_reranker(parts.reranker),
        ]

    def inspect(self, *, deep: bool = False) -> list[Finding]:
        """Compare catalog, vector store and cache, and return what is wrong; nothing is changed.

        Args:
            deep: Read every vector of the index and every row of the cache, instead of samples.

        Raises:
            IndexLockedError: Another process is writing, so that nothing can be compared.
        """
        folder = self.root / INDEX_FOLDER
        if is_read_only(folder):  # then nobody writes to it
            return inspect(self._parts, folder, deep=deep)
        with writers_lock(folder, doing="florilegium doctor"):
            return inspect(self._parts, folder, deep=deep)
