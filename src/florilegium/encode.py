"""From the items of files to the records of the index: which text or picture is encoded by what.

Writes nothing but the embedding cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from florilegium.cache import check_embeddings, encode_texts
from florilegium.chunking import split_sentences, split_windows
from florilegium.config import Config
from florilegium.entries import Card, Entry, checksum
from florilegium.guesses import label_words
from florilegium.ids import record_id
from florilegium.index import Index
from florilegium.languages import can_read
from florilegium.protocols import Encoder, Labeler
from florilegium.types import (
    Collection,
    Description,
    Embeddings,
    Item,
    Label,
    Modality,
    Record,
    Source,
)

_LABELS = 5
_LIKELY_LABEL = 0.05  # labels that their encoder holds less likely are mostly wrong


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A file that was read: its items, and the embeddings of its pictures by item id.

    A sidecar or table has no items, but what it says of other files.
    """

    source: Source
    items: tuple[Item, ...]
    pictures: Mapping[str, Embeddings]
    descriptions: tuple[Description, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """What became of a batch of files. `count` is how many texts encoders really ran on."""

    entries: tuple[Entry, ...]
    records: Mapping[Collection, Sequence[Record]]
    count: int


def encode_items(files: Sequence[Loaded], *, index: Index, config: Config) -> Encoded:
    """Return entries and records for the items of these files.

    Raises:
        EncoderError: An encoder failed or returned unusable rows.
    """
    pictures = [
        (item, file.pictures[item.id])
        for file in files
        for item in file.items
        if item.modality is Modality.IMAGE
    ]
    chunks = [item for file in files for item in file.items if item.modality is Modality.TEXT]
    read, count = _encode_chunks(chunks, index=index, config=config)
    by_item: dict[str, list[tuple[Collection, Record]]] = {}
    for item, row in pictures:
        by_item[item.id] = [(index.pictures, _record(index.pictures, item, 0, row))]
    for collection, record in read:
        by_item.setdefault(record.item_id, []).append((collection, record))
    guesses = _guesses(index.encoder, pictures)
    entries: list[Entry] = []
    records: dict[Collection, list[Record]] = {}
    for file in files:
        mine: dict[Collection, list[str]] = {}
        checksums: dict[str, int] = {}
        for collection, record in (
            pair for item in file.items for pair in by_item.get(item.id, ())
        ):
            mine.setdefault(collection, []).append(record.id)
            checksums[record.id] = checksum(record.embedding)
            records.setdefault(collection, []).append(record)
        entries.append(
            Entry(
                source=file.source,
                items=tuple(replace(item, guesses=guesses.get(item.id, ())) for item in file.items),
                labels={item.id: label_words(guesses.get(item.id, ())) for item in file.items},
                records={collection: tuple(some) for collection, some in mine.items()},
                descriptions=file.descriptions,
                checksums=checksums,
            )
        )
    return Encoded(entries=tuple(entries), records=records, count=count)


def encode_pictures(pictures: Mapping[str, Image.Image], *, index: Index) -> dict[str, Embeddings]:
    """Return the embeddings, shape (dim,), of pictures by their keys, and keep them in the cache.

    Raises:
        EncoderError: The encoder failed or returned unusable rows.
    """
    rows = index.encoder.encode_images(list(pictures.values()))
    check_embeddings(rows, count=len(pictures), encoder=index.encoder)
    new = dict(zip(pictures, rows, strict=True))
    index.cache.put(index.encoder.info.fingerprint, new)
    return new


def picture_key(item: Item) -> str:
    """Return what the embedding of a picture is cached under."""
    # Several pictures of one file, as from a document, have one content hash.
    content = item.source.content_hash
    return f"{content}#{item.ordinal}" if item.ordinal else content


def stretches(item: Item, *, index: Index) -> dict[Collection, list[str]]:
    """Return which stretches of a chunk of text have a record, in order, by collection.

    A text in a language that an encoder cannot read would be noise in its space; lexical search
    still finds it.
    """
    found: dict[Collection, list[str]] = {}
    if can_read(index.text_encoder.info.languages, item.text):
        found[index.chunks] = [item.text]
        spans = split_sentences(item.text)
        found[index.sentences] = [item.text[span.start : span.end] for span in spans]
    info = index.encoder.info
    if Modality.TEXT in info.modalities and can_read(info.languages, item.text):
        found[index.windows] = _windows(item.text, encoder=index.encoder)
    return found


def caption_windows(caption: str, *, encoder: Encoder) -> list[str]:
    """Return which stretches of what people call a picture have a record, in order.

    None if it is empty, or in a language that the text encoder cannot read.
    """
    if not caption or not can_read(encoder.info.languages, caption):
        return []
    return _windows(caption, encoder=encoder)


def encode_query_image(encoder: Encoder, image: Image.Image) -> Embeddings:
    """Return the embedding, shape (dim,), of one picture that is searched with."""
    rows = check_embeddings(encoder.encode_images([image]), count=1, encoder=encoder)
    row: Embeddings = rows[0]
    return row


def encode_query_text(encoder: Encoder, text: str) -> Embeddings:
    """Return the embedding, shape (dim,), of one text that is searched with."""
    rows = encoder.encode_texts([text], purpose="query")
    row: Embeddings = check_embeddings(rows, count=1, encoder=encoder)[0]
    return row


def encode_captions(
    cards: Sequence[Card], *, index: Index, config: Config
) -> tuple[list[Card], list[Record], int]:
    """Return the cards with the ids of their records, the records, and how many were encoded.

    What people call a picture is encoded; its labels are in its own embedding already. A caption
    that is longer than the text encoder's limit is encoded in windows, one record each. A card
    without a caption, or with one that the text encoder cannot read, has no record.
    """
    encoder = index.text_encoder
    windows = [
        (card, ordinal, text)
        for card in cards
        for ordinal, text in enumerate(caption_windows(card.caption, encoder=encoder))
    ]
    rows, count = encode_texts(
        encoder,
        [text for _, _, text in windows],
        cache=index.cache,
        batch_size=config.text_encoder.batch_size,
    )
    records = [
        _record(index.cards, card.item, ordinal, row)
        for (card, ordinal, _), row in zip(windows, rows, strict=True)
    ]
    checksums: dict[str, dict[str, int]] = {}
    for record in records:
        checksums.setdefault(record.item_id, {})[record.id] = checksum(record.embedding)
    with_ids = [
        replace(card, record_ids=tuple(mine), checksums=mine)
        for card in cards
        for mine in (checksums.get(card.item.id, {}),)
    ]
    return with_ids, records, count


def _encode_chunks(
    chunks: Sequence[Item], *, index: Index, config: Config
) -> tuple[list[tuple[Collection, Record]], int]:
    wanted: dict[Collection, list[tuple[Item, int, str]]] = {}
    for item in chunks:
        for collection, texts in stretches(item, index=index).items():
            some = wanted.setdefault(collection, [])
            some += [(item, ordinal, text) for ordinal, text in enumerate(texts)]
    records: list[tuple[Collection, Record]] = []
    count = 0
    for collection, some in wanted.items():
        crossing = collection == index.windows
        encoder = index.encoder if crossing else index.text_encoder
        rows, new = encode_texts(
            encoder,
            [text for _, _, text in some],
            cache=index.cache,
            batch_size=config.text_encoder.batch_size,
        )
        count += new
        records += [
            (collection, _record(collection, item, ordinal, row))
            for (item, ordinal, _), row in zip(some, rows, strict=True)
        ]
    return records, count


def _windows(text: str, *, encoder: Encoder) -> list[str]:
    spans = split_windows(
        text, max_tokens=encoder.info.max_text_tokens, count_tokens=encoder.count_tokens
    )
    return [text[span.start : span.end] for span in spans]


def _guesses(
    encoder: Encoder, pictures: Sequence[tuple[Item, Embeddings]]
) -> dict[str, tuple[Label, ...]]:
    """Return what an encoder that names things takes pictures for, by item id."""
    if not pictures or not isinstance(encoder, Labeler):
        return {}
    labels = encoder.label_embeddings(np.stack([row for _, row in pictures]), top_k=_LABELS)
    return {
        item.id: tuple(label for label in some if label.weight >= _LIKELY_LABEL)
        for (item, _), some in zip(pictures, labels, strict=True)
    }


def _record(collection: Collection, item: Item, ordinal: int, row: Embeddings) -> Record:
    id_ = record_id(item.id, collection.part, ordinal)
    return Record(id=id_, item_id=item.id, embedding=row)
