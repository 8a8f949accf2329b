"""Records and matches as Chroma takes and gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from chromadb.api.models.Collection import Collection as ChromaCollection

from florilegium.ids import hash_bytes
from florilegium.stores.exact import ExactRecords
from florilegium.stores.rules import rank
from florilegium.types import Collection, Embeddings, Match, Record

_SAME: Final = 1e-3  # cosine distance up to which a match is the record itself or its equal


def collection_name(collection: Collection) -> str:
    """Return a name that Chroma allows: readable words, made unique by a hash."""
    words = re.sub(r"[^a-zA-Z0-9]+", "-", collection.name)[:64]
    return f"c-{words}-{hash_bytes(collection.name.encode('utf-8', 'surrogatepass'))[:16]}"


def put(found: ChromaCollection, records: Sequence[Record]) -> None:
    """Give records to Chroma, which replaces those with the same ids. Raises what Chroma raises."""
    found.upsert(
        ids=[record.id for record in records],
        embeddings=np.stack([record.embedding for record in records]).astype(np.float32),
        metadatas=[{"item_id": record.item_id} for record in records],
    )


def nearest(
    found: ChromaCollection, query: Embeddings, count: int, *, exact: ExactRecords, name: str
) -> list[Match]:
    """Return what the graph of a collection finds, best first. Raises what Chroma raises."""
    # Chroma looks metadata up row by row, which takes longer than its search; so the items are
    # looked up beside it. mypy: Chroma types its rows as optional lists, which they are only when
    # left out of `include`.
    result: Any = found.query(
        query_embeddings=query[np.newaxis], n_results=count, include=["distances"]
    )
    return to_matches(result["ids"][0], result["distances"][0], exact=exact, name=name)


def to_matches(
    ids: Sequence[str], distances: Sequence[float], *, exact: ExactRecords, name: str
) -> list[Match]:
    """Return what a graph found as matches, best first; a distance is 1 minus the cosine."""
    items = exact.item_ids(name, ids)
    candidates = [
        (id_, items[id_], max(-1.0, min(1.0, 1.0 - distance)))
        for id_, distance in zip(ids, distances, strict=True)
        if id_ in items  # not those that another process is just deleting
    ]
    return rank(candidates, top_k=len(ids))


def get(found: ChromaCollection, ids: list[str]) -> list[Record]:
    """Return the records that Chroma holds of these. Raises what Chroma raises."""
    result: Any = found.get(ids=ids, include=["metadatas", "embeddings"])
    rows = zip(result["ids"], result["metadatas"], result["embeddings"], strict=True)
    return [
        Record(id=id_, item_id=metadata["item_id"], embedding=np.asarray(row, dtype=np.float32))
        for id_, metadata, row in rows
    ]


def missed(found: ChromaCollection, records: Sequence[Record]) -> list[str]:
    """Return the ids of the records that the graph does not find. Raises what Chroma raises."""
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
    held = {record.id: record.embedding for record in get(found, [one.id for one in far])}
    return [one.id for one in far if one.id not in held or _differ(held[one.id], one.embedding)]


def _differ(one: Embeddings, other: Embeddings) -> bool:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return not abs(float(one @ other) - lengths) <= _SAME * max(lengths, 1e-9)
