"""Entries for catalogs in tests: small texts and pictures with ids that a reader can guess."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from florilegium.catalog import Catalog
from florilegium.entries import Entry
from florilegium.types import Collection, Item, Modality, Part, Source

ROOT = Path("flowers")
PICTURES = Collection(space="clip", modality=Modality.IMAGE)
CHUNKS = Collection(space="e5", modality=Modality.TEXT)
SENTENCES = Collection(space="a/b:c", modality=Modality.TEXT, part=Part.SENTENCE)
CARDS = Collection(space="e5", modality=Modality.IMAGE, part=Part.CARD)


def source(path: str, *, content_hash: str = "", size: int = 1) -> Source:
    return Source(
        root=ROOT, path=path, size=size, modified_ns=7, content_hash=content_hash or f"#{path}"
    )


def text_entry(
    path: str, *texts: str, title: str = "", records: Mapping[Collection, tuple[str, ...]] = {}
) -> Entry:
    """Return an entry with items `path 0`, `path 1` …"""
    items = tuple(
        Item(
            id=f"{path} {i}",
            source=source(path),
            modality=Modality.TEXT,
            ordinal=i,
            title=title,
            text=text,
        )
        for i, text in enumerate(texts)
    )
    return Entry(source=source(path), items=items, labels={}, records=records)


def image_entry(path: str, card: str, *, labels: str = "", content_hash: str = "") -> Entry:
    """Return an entry with the item `path 0` and one record in each space."""
    origin = source(path, content_hash=content_hash)
    item = Item(
        id=f"{path} 0",
        source=origin,
        modality=Modality.IMAGE,
        ordinal=0,
        title=path,
        text=card,
        width=64,
        height=48,
    )
    return Entry(
        source=origin,
        items=(item,),
        labels={item.id: labels},
        records={PICTURES: (f"{path} whole",), CARDS: (f"{path} card",)},
    )


def found(catalog: Catalog, query: str, modality: Modality = Modality.TEXT) -> list[str]:
    """Return the ids of the items that share words with the query, best first."""
    return [id_ for id_, _ in catalog.search_words(query, modality, top_k=10)]
