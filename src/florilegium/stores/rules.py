"""What every vector store here checks and how it ranks: the sentences of the protocol as code.

Knows no database and reads no file. A store of another package may use it, but need not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from florilegium.errors import IndexMismatchError, InvalidQueryError, StoreError
from florilegium.types import Collection, Embeddings, Manifest, Match, Record, Space

REBUILD_HINT = "Run `florilegium ingest --rebuild`, or set the encoders back."
DAMAGE_HINT = (
    "See that the folder is writable and the disk has room; if files are damaged, "
    "run `florilegium doctor --repair`."
)

# How far a float32 cosine may be from the true one, with room: what is within this of a cut is
# compared in double precision.
_ROUGH = 1e-5
_GATHERED = 12  # rows are gathered where at most one in so many is wanted; else all are compared

# A float32 cosine is good to about 1e-7, so equal vectors may differ in the seventh decimal.
# Scores are rounded before they are sorted, and the rounded score is what is returned.
SCORE_DECIMALS = 6


def manifest_to_json(manifest: Manifest) -> str:
    """Return the manifest as text; the order of its spaces does not matter."""
    spaces = sorted((asdict(space) for space in manifest.spaces), key=lambda space: space["name"])
    return json.dumps({"schema": manifest.schema, "spaces": spaces}, sort_keys=True)


def check_manifest(found: str, wanted: Manifest, *, place: str) -> None:
    """Refuse an index that another manifest built.

    Args:
        found: What `manifest_to_json` gave when the index was made.
        wanted: The manifest that is configured now.
        place: Where the index lies, for the message.

    Raises:
        IndexMismatchError: They differ.
    """
    expected = manifest_to_json(wanted)
    if found != expected:
        raise IndexMismatchError(
            f"The index in {place!r} was built with {found}, but {expected} is configured.",
            hint=REBUILD_HINT,
        )


def check_collection(collection: Collection, manifest: Manifest) -> Space:
    """Return the space of `collection`. Raises StoreError when the manifest has no such space."""
    try:
        return manifest.space(collection.space)
    except KeyError as error:
        known = ", ".join(repr(space.name) for space in manifest.spaces) or "none"
        raise StoreError(
            f"The collection {collection.name!r} is of a space that the manifest does not have; "
            f"it has {known}.",
            hint="Open the store with a manifest that lists this space.",
        ) from error


def check_records(records: Sequence[Record], space: Space) -> list[Record]:
    """Return the records with one per id, the last one given.

    Raises:
        StoreError: An id is empty, or an embedding is not one finite row of the space.
    """
    for record in records:
        if not record.id:
            raise StoreError(
                f"A record of the item {record.item_id!r} has an empty id.",
                hint="Give each record an id of at least one character.",
            )
        _check_row(record.embedding, space, what=f"The embedding of the record {record.id!r}")
    return list({record.id: record for record in records}.values())


def check_query(embedding: Embeddings, space: Space, *, top_k: int) -> None:
    """Refuse a search that has no answer.

    Raises:
        InvalidQueryError: `top_k` is below 1.
        StoreError: The embedding is not one finite row of the space.
    """
    if top_k < 1:
        raise InvalidQueryError(
            f"top_k is {top_k!r}, but a search returns at least 1 match.",
            hint="Ask for 1 or more.",
        )
    _check_row(embedding, space, what="The embedding that is searched for")


def rank(candidates: Iterable[tuple[str, str, float]], *, top_k: int) -> list[Match]:
    """Return the best `top_k` of (id, item id, similarity), best first and equal scores by id."""
    matches = [
        # Adding 0.0 turns a rounded -0.0 into 0.0.
        Match(id=id_, item_id=item_id, score=round(similarity, SCORE_DECIMALS) + 0.0)
        for id_, item_id, similarity in candidates
    ]
    return sorted(matches, key=lambda match: (-match.score, match.id))[:top_k]


def find_rows(item_ids: Sequence[str], within: AbstractSet[str]) -> npt.NDArray[np.int64]:
    """Return the numbers, shape (m,), of the rows that belong to the items `within`."""
    wanted = np.fromiter(map(within.__contains__, item_ids), dtype=bool, count=len(item_ids))
    return np.flatnonzero(wanted)


def select_nearest(
    embeddings: Embeddings,
    lengths: npt.NDArray[np.float32],
    query: Embeddings,
    *,
    top_k: int,
    rows: npt.NDArray[np.int64] | None = None,
) -> list[tuple[int, float]]:
    """Return numbers and similarities of the `top_k` nearest rows and of all that tie with them.

    The similarities are those of double precision, clipped to [-1, 1]; `rank` sorts them.

    Args:
        embeddings: Shape (n, dim), no row zero.
        lengths: The length of each row, shape (n,).
        query: Shape (dim,), of any length.
        top_k: How many are wanted, at least 1.
        rows: Numbers of the rows to compare, shape (m,); by default all.
    """
    rows = np.arange(len(embeddings)) if rows is None else rows
    if not len(rows):
        return []
    if _GATHERED * len(rows) > len(embeddings):
        rough = (embeddings @ query)[rows]
    else:
        rough = embeddings[rows] @ query
    length = float(np.linalg.norm(query.astype(np.float64)))
    rough = rough / (lengths[rows] * np.float32(length))
    count = min(top_k, len(rows))
    cut = np.partition(rough, len(rows) - count)[len(rows) - count]
    near = rows[rough >= cut - _ROUGH]
    # Equal rows score equal in double precision wherever they stand; a float32 product sums the
    # last rows of a block in another order.
    wide = embeddings[near].astype(np.float64)
    similarities = wide @ query.astype(np.float64) / (np.linalg.norm(wide, axis=1) * length)
    clipped = np.clip(similarities, -1.0, 1.0)
    return list(zip(near.tolist(), clipped.tolist(), strict=True))


def _check_row(embedding: Embeddings, space: Space, *, what: str) -> None:
    if embedding.shape != (space.dim,):
        raise StoreError(
            f"{what} has the shape {embedding.shape!r}, but the space {space.name!r} needs "
            f"({space.dim},).",
            hint="Use the encoder that the manifest names for this space.",
        )
    if not np.isfinite(embedding).all() or not embedding.any():
        raise StoreError(
            f"{what} is zero or not finite, but the space {space.name!r} needs a direction.",
            hint="See what the encoder returned for it.",
        )
