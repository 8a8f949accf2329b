"""A library learns the names of its own pictures: trained at ingest, kept in a file, and used.

Names come from labels that sidecars and tables give, else from folders. The file follows from the
index alone, so a run that dies before it is written leaves work to the next one and nothing else.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from florilegium.adapter import Adapter, blend
from florilegium.adapter_training import Untrained, fit_adapter, training_fingerprint
from florilegium.answers import Candidate
from florilegium.cards import picture_name
from florilegium.catalog import Catalog
from florilegium.errors import StoreError
from florilegium.folder_names import names_of
from florilegium.ids import record_id
from florilegium.index import Index
from florilegium.types import Embeddings, Item, Modality, Part

ADAPTER_FILE: Final = "adapter.npz"
UNTRAINED_FILE: Final = "adapter.json"
FACT: Final = "learnt names"

_ROWS = 2048  # embeddings that are read from the store at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntNames:
    """What a library has learnt of its names, as far as a search used it.

    `known` says in [0, 1] how far the query's picture is like those that have names; None where
    there is no picture or nothing was used. The counts are those of `adapter.Validation`.
    """

    used: bool
    reason: str
    names: int = 0
    held_out: int = 0
    adapter_right: int = 0
    vote_right: int = 0
    known: float | None = None


def learn_names(index: Index, *, folder: Path) -> Adapter | Untrained:
    """Train an adapter on the named pictures of an index, unless it is there already.

    Args:
        index: What is learnt from.
        folder: Where the adapter is kept: the folder of the index.

    Raises:
        StoreError: It cannot be written.
    """
    items = [item for item, _ in index.catalog.all_items(Modality.IMAGE)]
    names = _names(items)
    ids = [record_id(item.id, Part.WHOLE, 0) for item in items]
    fingerprint = training_fingerprint(
        index.encoder.info.fingerprint,
        [f"{id_} {item.source.content_hash}" for id_, item in zip(ids, items, strict=True)],
        names,
    )
    known = _read(folder)
    if known is not None and known[0] == fingerprint:
        index.catalog.set_fact(FACT, fingerprint)
        return known[1]
    named = [n for n, name in enumerate(names) if name is not None]
    rows = _embeddings([ids[n] for n in named], index=index)
    found = fit_adapter(rows, [names[n] for n in named], fingerprint=fingerprint)
    _write(found, fingerprint, folder=folder)
    index.catalog.set_fact(FACT, fingerprint)
    return found


def forget_names(index: Index) -> None:
    """Note that an index may have changed since it last learnt its names."""
    if index.catalog.fact(FACT):
        index.catalog.set_fact(FACT, "")


def load_names(index: Index, *, folder: Path) -> Adapter | Untrained:
    """Return what `learn_names` left for an index in its folder, or why there is nothing to use.

    What was learnt from another index, by another encoder perhaps, is not used.
    """
    found = _read(folder)
    if found is None or found[0] != index.catalog.fact(FACT):
        return Untrained(reason="nothing was learnt, or it is damaged: run `florilegium ingest`")
    return found[1]


def describe(found: Adapter | Untrained, embedding: Embeddings | None = None) -> LearntNames:
    """Return what is to be told of an adapter, and of a picture's embedding, shape (dim,)."""
    if isinstance(found, Untrained):
        return LearntNames(used=False, reason=found.reason)
    checked = found.validation
    used = found.helps and embedding is not None
    return LearntNames(
        used=used,
        reason=checked.reason,
        names=len(found.names),
        held_out=checked.held_out,
        adapter_right=checked.adapter_right,
        vote_right=checked.vote_right,
        known=found.known(embedding) if used and embedding is not None else None,
    )


def own_names(items: Sequence[Item], adapter: Adapter) -> dict[str, str]:
    """Return by item id the names of pictures that the adapter knows; others are left out."""
    spelled = {name.casefold(): name for name in adapter.names}
    found: dict[str, str] = {}
    for item in items:
        # A folder needs two pictures to be a name; whether it is one the adapter knows.
        label = _label(item) or names_of([item.source.path] * 2)[0] or ""
        if label.casefold() in spelled:
            found[item.id] = spelled[label.casefold()]
    return found


def blend_candidates(
    candidates: Sequence[Candidate],
    votes: Mapping[str, float],
    adapter: Adapter,
    embedding: Embeddings,
    *,
    catalog: Catalog,
) -> tuple[Candidate, ...]:
    """Return candidates whose shares are blended with what the adapter says, best first.

    A candidate is of a name if it is called so, or if its text is linked to voting pictures of
    that name and of no other.

    Args:
        candidates: What `votes.name_candidates` gave.
        votes: What `votes.count_votes` gave.
        adapter: One that helps.
        embedding: The query picture's, shape (dim,).
        catalog: Where items and links are.
    """
    items = list(catalog.items(list(votes)).values())
    named = own_names(items, adapter)
    total = sum(votes[item.id] for item in items) or 1.0
    shares: dict[str, float] = defaultdict(float)
    for item in items:
        # Names that the adapter never saw keep what the vote gave them; no name is no name.
        called = named.get(item.id) or picture_name(item.source.path)
        if called:
            shares[called] += votes[item.id] / total
    sure = blend(shares, adapter.probabilities(embedding), adapter)
    by_path = _names_of_texts(items, named, catalog=catalog)
    left = {name: value for name, value in sure.items() if name in adapter.names}
    result: list[Candidate] = []
    for candidate in candidates:
        name = by_path.get(candidate.path or "") or _spelled(candidate.name, adapter)
        if name is None or (name not in left):
            result.append(candidate)
            continue
        result.append(replace(candidate, share=min(1.0, left.pop(name))))
    result += [
        Candidate(name=name, share=min(1.0, value), path=None)
        for name, value in left.items()
        if value > 0
    ]
    return tuple(sorted(result, key=lambda one: (-one.share, one.name)))


def _names_of_texts(
    items: Sequence[Item], named: Mapping[str, str], *, catalog: Catalog
) -> dict[str, str]:
    by_picture = {item.source.path: named.get(item.id, "") for item in items}
    linked: dict[str, Counter[str]] = defaultdict(Counter)
    for link in catalog.links(list(by_picture)):
        linked[link.other][by_picture[link.path]] += 1
    return {path: next(iter(found)) for path, found in linked.items() if len(found) == 1}


def _spelled(name: str, adapter: Adapter) -> str | None:
    return next((one for one in adapter.names if one.casefold() == name.casefold()), None)


def _names(items: Sequence[Item]) -> list[str | None]:
    folders = names_of([item.source.path for item in items])
    found = [_label(item) or folder for item, folder in zip(items, folders, strict=True)]
    # "Rose" and "rose" are one name, spelled as the first by the alphabet.
    spelled: dict[str, str] = {}
    for name in sorted(filter(None, found), reverse=True):
        spelled[name.casefold()] = name
    return [spelled[name.casefold()] if name else None for name in found]


def _label(item: Item) -> str | None:
    labels = [value for name, value in item.fields if name == "label"]
    return labels[0] if len(labels) == 1 else None


def _embeddings(ids: Sequence[str], *, index: Index) -> Embeddings:
    rows: list[Embeddings] = []
    for start in range(0, len(ids), _ROWS):
        some = ids[start : start + _ROWS]
        found = {one.id: one.embedding for one in index.store.get(index.pictures, some)}
        missing = [id_ for id_ in some if id_ not in found]
        if missing:
            raise StoreError(
                f"The vector store lacks {len(missing)} pictures that the catalog has.",
                hint="Run `florilegium ingest --rebuild`; nothing is encoded again.",
            )
        rows += [found[id_] for id_ in some]
    return np.stack(rows) if rows else np.zeros((0, index.encoder.info.dim), dtype=np.float32)


def _read(folder: Path) -> tuple[str, Adapter | Untrained] | None:
    """Return what is kept, with the fingerprint of what it comes from; None if it is unusable."""
    try:
        adapter = Adapter.from_bytes((folder / ADAPTER_FILE).read_bytes())
    except (OSError, StoreError):
        pass
    else:
        return adapter.fingerprint, adapter
    try:
        said = json.loads((folder / UNTRAINED_FILE).read_text(encoding="utf-8"))
        return str(said["fingerprint"]), Untrained(reason=str(said["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(found: Adapter | Untrained, fingerprint: str, *, folder: Path) -> None:
    if isinstance(found, Adapter):
        name, other, data = ADAPTER_FILE, UNTRAINED_FILE, found.to_bytes()
    else:
        said = {"fingerprint": fingerprint, "reason": found.reason}
        name, other, data = UNTRAINED_FILE, ADAPTER_FILE, json.dumps(said).encode()
    partial = folder / f"{name}.partial"
    try:
        partial.write_bytes(data)
        # The other kind goes first: with both there, it would not be known which is true.
        (folder / other).unlink(missing_ok=True)
        partial.replace(folder / name)
    except OSError as error:
        raise StoreError(
            f"What was learnt cannot be written to {str(folder / name)!r}: {error.strerror}.",
            hint="Check that you may write to the folder .florilegium of the library.",
        ) from error
