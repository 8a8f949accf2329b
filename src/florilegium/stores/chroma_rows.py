"""Records and matches as Chroma takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from chromadb.api.models.Collection import Collection as ChromaCollection

from florilegium.stores.exact import ExactRecords
from florilegium.stores.rules import rank
from florilegium.types import Embeddings, Match, Record


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
    ids, distances = result["ids"][0], result["distances"][0]
    items = exact.item_ids(name, ids)
    candidates = [
        (id_, items[id_], max(-1.0, min(1.0, 1.0 - distance)))
        for id_, distance in zip(ids, distances, strict=True)
        if id_ in items  # not those that another process is just deleting
    ]
    return rank(candidates, top_k=count)


def get(found: ChromaCollection, ids: list[str]) -> list[Record]:
    """Return the records that Chroma holds of these. Raises what Chroma raises."""
    result: Any = found.get(ids=ids, include=["metadatas", "embeddings"])
    rows = zip(result["ids"], result["metadatas"], result["embeddings"], strict=True)
    return [
        Record(id=id_, item_id=metadata["item_id"], embedding=np.asarray(row, dtype=np.float32))
        for id_, metadata, row in rows
    ]
