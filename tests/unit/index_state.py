"""All that an index holds, as plain data that two runs can be compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from florilegium import Library
from florilegium.types import Hit, Item, Link, Modality, Source

QUERIES = ("red square", "green circle corners", "三角形")


@dataclass(frozen=True, kw_only=True)
class State:
    """What was derived from the files, and what a search makes of it."""

    sources: dict[str, Source]
    items: list[tuple[Item, str]]
    links: list[Link]
    failures: list[str]
    vectors: dict[str, dict[str, tuple[float, ...]]]
    words: list[list[tuple[str, float]]]
    hits: list[list[tuple[str, int, float]]]


def state_of(library: Library) -> State:
    """Return the state of an index, after checking that catalog and store agree."""
    index, vectors = library.index, {}
    catalog = index.catalog
    recorded = catalog.record_ids()
    for collection in (index.pictures, index.windows, index.chunks, index.sentences, index.cards):
        ids = sorted(recorded.get(collection, ()))
        assert set(ids) == index.store.ids(collection), collection.name
        records = index.store.get(collection, ids)
        vectors[collection.name] = {r.id: tuple(map(float, r.embedding)) for r in records}
    assert catalog.pending_ids() == {}
    sources = catalog.sources()
    return State(
        sources=sources,
        items=[pair for modality in Modality for pair in catalog.all_items(modality)],
        links=sorted(catalog.links(list(sources)), key=repr),
        failures=[failure.path for failure in catalog.failures()],
        vectors=vectors,
        words=[
            [(id_, round(score, 9)) for id_, score in catalog.search_words(query, m, top_k=100)]
            for query in QUERIES
            for m in Modality
        ],
        hits=[
            [(hit.item.source.path, hit.item.ordinal, round(hit.fused, 9)) for hit in hits]
            for hits in (library.search(query, top_k=100) for query in QUERIES)
        ],
    )


def paths(hits: Sequence[Hit]) -> list[str]:
    """Return where hits come from, best first."""
    return [hit.item.source.path for hit in hits]
