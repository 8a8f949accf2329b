"""Which vector of the embedding cache each record of the index is made of.

Derived from items alone by what encodes them, so that cache and index can be compared and mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from florilegium.cache import text_key
from florilegium.connect import caption_of, words_at_links
from florilegium.encode import caption_windows, picture_key, stretches
from florilegium.ids import record_id
from florilegium.index import Index
from florilegium.machine_captions import machine_caption_of
from florilegium.types import Collection, Item, Modality


class CacheKey(NamedTuple):
    """What a vector is cached under: who made it, and of which content."""

    fingerprint: str
    key: str


def record_keys(items: Sequence[Item], *, index: Index) -> dict[Collection, dict[str, CacheKey]]:
    """Return the cache key of every record that these items of the catalog have, by record id.

    Items are taken as the catalog holds them, with their machine captions; links are those of the
    catalog. Every collection of the index is in the result, if only with no record.
    """
    made: dict[Collection, dict[str, CacheKey]] = {
        collection: {}
        for collection in (
            index.pictures,
            index.windows,
            index.chunks,
            index.sentences,
            index.cards,
        )
    }
    pictures = [item for item in items if item.modality is Modality.IMAGE]
    paths = list(dict.fromkeys(item.source.path for item in pictures))
    words = words_at_links(index.catalog.links(paths))
    for item in pictures:
        id_ = record_id(item.id, index.pictures.part, 0)
        made[index.pictures][id_] = CacheKey(index.encoder.info.fingerprint, picture_key(item))
        said = caption_of(item, words, machine_caption=machine_caption_of(item.fields))
        texts = caption_windows(said, encoder=index.text_encoder)
        _note(made, index.cards, item, texts, index=index)
    for item in items:
        if item.modality is Modality.TEXT:
            for collection, texts in stretches(item, index=index).items():
                _note(made, collection, item, texts, index=index)
    return made


def _note(
    made: dict[Collection, dict[str, CacheKey]],
    collection: Collection,
    item: Item,
    texts: Sequence[str],
    *,
    index: Index,
) -> None:
    encoder = index.encoder if collection == index.windows else index.text_encoder
    for ordinal, text in enumerate(texts):
        id_ = record_id(item.id, collection.part, ordinal)
        made[collection][id_] = CacheKey(encoder.info.fingerprint, text_key(text))
