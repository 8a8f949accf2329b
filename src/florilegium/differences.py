"""Where catalog, vector store and embedding cache of an index contradict each other. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from florilegium.entries import checksum
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.protocols import SelfChecking
from florilegium.record_keys import CacheKey, record_keys
from florilegium.types import Collection, Embeddings, Record

SAMPLE: Final = 256
"""Records of each collection that are searched for by their own embedding."""

Trouble = Literal["missing", "wrong", "uncached"]

_FILES = 200  # whose records are compared at a time
_SURE: Final = 0.999  # cosine from which a match is the record itself or its equal


class Suspect(NamedTuple):
    """A record that is not as it should be, with what its vector is cached under, if that is known.

    `missing` and `wrong` are about the store; `uncached` says that only the cache lacks its vector.
    """

    path: str
    collection: Collection
    id: str
    key: CacheKey | None
    trouble: Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Record ids by collection: only in the store, only in the catalog, and not found by search."""

    orphans: Mapping[Collection, Sequence[str]]
    missing: Mapping[Collection, Sequence[str]]
    unfound: Mapping[Collection, Sequence[str]]


def compare(index: Index, *, deep: bool) -> Differences:
    """Compare what records catalog and store have, and search for some, or with `deep` for all.

    What was announced and not committed is settled by the next ingest and counts for nothing.

    Raises:
        StoreError: Catalog or store cannot be read.
    """
    uncertain, recorded = index.catalog.pending_ids(), index.catalog.record_ids()
    orphans: dict[Collection, list[str]] = {}
    missing: dict[Collection, list[str]] = {}
    unfound: dict[Collection, list[str]] = {}
    for collection in index.collections:
        unsure = uncertain.get(collection, set())
        known, there = set(recorded.get(collection, ())), index.store.ids(collection)
        if extra := there - known - unsure:
            orphans[collection] = sorted(extra)
        if gone := known - there - unsure:
            missing[collection] = sorted(gone)
        asked = sorted((known & there) - unsure)
        if lost := _unfound(index, collection, asked if deep else _some(asked)):
            unfound[collection] = lost
    return Differences(orphans=orphans, missing=missing, unfound=unfound)


def suspects(index: Index) -> Iterator[Suspect]:
    """Read the vector of every record of the catalog, and yield those that are not as they should.

    A vector is right if it has the checksum that the catalog noted; where none was noted, if it is
    the one in the cache. Raises StoreError.
    """
    catalog = index.catalog
    uncertain = catalog.pending_ids()
    sums = {collection: catalog.checksums(collection) for collection in index.collections}
    paths = sorted(catalog.sources())
    for start in range(0, len(paths), _FILES):
        some = paths[start : start + _FILES]
        records = catalog.records(some)
        keys = _keys(index, some, records)
        by_collection: dict[Collection, dict[str, str]] = defaultdict(dict)
        for path, collection, id_ in records:
            if collection in sums and id_ not in uncertain.get(collection, ()):
                by_collection[collection][id_] = path
        for collection, owners in by_collection.items():
            yield from _look(
                index, collection, owners, keys=keys.get(collection, {}), sums=sums[collection]
            )


def read_vectors(index: Index, keys: Mapping[str, CacheKey]) -> dict[str, Embeddings]:
    """Return the vectors, shape (dim,), that the cache has of these records, by record id."""
    infos = index.encoder.info, index.text_encoder.info
    dim = {info.fingerprint: info.dim for info in infos}
    by_fingerprint: dict[str, list[str]] = defaultdict(list)
    for key in keys.values():
        by_fingerprint[key.fingerprint].append(key.key)
    cached = {
        CacheKey(fingerprint, key): vector
        for fingerprint, some in by_fingerprint.items()
        for key, vector in index.cache.get(fingerprint, some, dim=dim[fingerprint]).items()
    }
    return {id_: cached[key] for id_, key in keys.items() if key in cached}


def _look(
    index: Index,
    collection: Collection,
    owners: Mapping[str, str],
    *,
    keys: Mapping[str, CacheKey],
    sums: Mapping[str, int | None],
) -> Iterator[Suspect]:
    held = {record.id: record.embedding for record in index.store.get(collection, list(owners))}
    mine = {id_: keys[id_] for id_ in owners if id_ in keys}
    cached = read_vectors(index, mine)
    for id_, path in owners.items():
        trouble: Trouble | None = None
        if id_ not in held:
            trouble = "missing"
        elif not _is_right(held[id_], sums.get(id_), cached.get(id_)):
            trouble = "wrong"
        elif id_ in mine and id_ not in cached:
            trouble = "uncached"
        if trouble:
            yield Suspect(path, collection, id_, mine.get(id_), trouble)


def _is_right(held: Embeddings, sum_: int | None, cached: Embeddings | None) -> bool:
    if sum_ is not None:
        return checksum(held) == sum_
    return cached is None or checksum(held) == checksum(cached)


def _keys(
    index: Index, paths: Sequence[str], records: Sequence[tuple[str, Collection, str]]
) -> dict[Collection, dict[str, CacheKey]]:
    """Return the cache keys of records by id, as far as they are what the records were made of."""
    if index.catalog.fact("loading") in (None, "due"):
        return {}  # files of both kinds are in the index
    recorded: dict[Collection, set[str]] = defaultdict(set)
    for _, collection, id_ in records:
        recorded[collection].add(id_)
    found = record_keys(index.catalog.items_of(paths), index=index)
    if index.catalog.fact("links") != "found":
        found.pop(index.cards, None)  # cards are about to change
    return {
        collection: _of_same_items(keys, recorded[collection]) for collection, keys in found.items()
    }


def _of_same_items(keys: Mapping[str, CacheKey], recorded: AbstractSet[str]) -> dict[str, CacheKey]:
    # An item that another version cut into other stretches has other vectors than its keys say.
    changed = {item_of(id_) for id_ in keys.keys() ^ recorded}
    return {id_: key for id_, key in keys.items() if item_of(id_) not in changed}


def _some(ids: Sequence[str]) -> Sequence[str]:
    # Ids begin with hashes, so every so-manieth is a random sample.
    return ids[:: max(1, len(ids) // SAMPLE)]


def _unfound(index: Index, collection: Collection, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    if isinstance(index.store, SelfChecking):
        return index.store.unfound(collection, ids)
    return [
        record.id
        for record in index.store.get(collection, ids)
        if not _finds(index, collection, record)
    ]


def _finds(index: Index, collection: Collection, record: Record) -> bool:
    matches = index.store.search(collection, record.embedding, top_k=1)
    return bool(matches) and matches[0].score >= _SURE
