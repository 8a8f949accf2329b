"""Which vectors of the embedding cache the index of a library still uses, and removing the others.

Goes through the catalog in batches, so that memory does not grow with the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from florilegium.cache import EmbeddingCache
from florilegium.cache_upkeep import CachePruning, CacheStats
from florilegium.errors import IndexNotFoundError, StoreError
from florilegium.index import Index
from florilegium.record_keys import CacheKey, record_keys
from florilegium.types import Manifest

_FILES_AT_A_TIME: Final = 256


def read_cache_stats(file: Path, *, manifest: Manifest) -> CacheStats:
    """Count what is in the cache of a library; `manifest` says which encoders are configured.

    Raises:
        IndexNotFoundError: There is no cache yet.
        StoreError: It cannot be read.
    """
    if not file.exists():
        raise IndexNotFoundError(
            f"There is no embedding cache {str(file)!r} yet.", hint="Run `florilegium ingest`."
        )
    cache = EmbeddingCache(file)
    try:
        stats = cache.stats()
    finally:
        cache.close()
    names = {space.fingerprint: space.name for space in manifest.spaces}
    encoders = (replace(one, name=names.get(one.fingerprint)) for one in stats.encoders)
    return replace(stats, encoders=tuple(encoders))


def prune_cache(index: Index, *, other_encoders: bool, dry_run: bool) -> CachePruning:
    """Remove from the cache what no item of the index uses. Nobody else may write meanwhile.

    Raises:
        StoreError: The last ingest has not ended, so what it is to use next is not known; or the
            cache cannot be written. Nothing is removed then.
    """
    if index.catalog.fact("links") != "found":
        raise StoreError(
            "The last ingest of this library has not ended, so what it has encoded last would be "
            "taken for unused.",
            hint="Run `florilegium ingest`, then prune the cache.",
        )
    encoders = (index.encoder, index.text_encoder)
    return index.cache.prune(
        _used(index),
        fingerprints=list(dict.fromkeys(encoder.info.fingerprint for encoder in encoders)),
        other_encoders=other_encoders,
        dry_run=dry_run,
    )


def _used(index: Index) -> Iterator[CacheKey]:
    paths = list(index.catalog.sources())
    for start in range(0, len(paths), _FILES_AT_A_TIME):
        items = index.catalog.items_of(paths[start : start + _FILES_AT_A_TIME])
        for of_records in record_keys(items, index=index).values():
            yield from of_records.values()
