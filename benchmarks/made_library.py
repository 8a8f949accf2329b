"""A library of a hundred thousand items that nobody wrote, for measuring how long searches take.

Vectors lie around real ones, words are drawn with the frequencies of real texts, and everything is
written by the functions that an ingest writes with; only files and encoders are left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from florilegium import Library, Modality, lexical
from florilegium.cards import caption, card_text
from florilegium.encode import encode_query_text
from florilegium.entries import Card, Entry
from florilegium.ids import hash_bytes, item_id, record_id
from florilegium.index import Index
from florilegium.ingest import _write
from florilegium.links import find_links
from florilegium.types import Collection, Embeddings, Item, Link, Record, Source

SEED = 20260101
BATCH = 2_500
SENTENCES = 3
SENTENCE_WORDS = 12
# Length of the noise beside a real vector: two that lie around one have a cosine near 0.7.
NOISE = 0.6
RARE_WORDS = 100_000
RARE_SHARE = 0.05  # of all words of a text, as in texts of that many words
FOLDERS = 40
FOLDER_SHARE = 0.2  # of pictures lie in a folder that says what they show, and say nothing else
CAPTION_SHARE = 0.1  # of pictures have a caption of their own
STEM_SHARE = 0.05  # of pictures have a text of their name
CREATORS = 50
NS: Final = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """Real vectors by collection, and real words with how often each occurs."""

    vectors: dict[Collection, Embeddings]
    words: list[str]
    counts: list[int]
    labels: list[str]


def learn(library: Library) -> Real:
    """Return what the made library is made of."""
    index = library.index
    vectors = {}
    for collection, ids in index.catalog.record_ids().items():
        if collection != index.cards:
            vectors[collection] = np.stack([r.embedding for r in index.store.get(collection, ids)])
    counts: Counter[str] = Counter()
    for item, _ in index.catalog.all_items(Modality.TEXT):
        if item.text.isascii():
            counts.update(lexical.tokens(item.text))
    labels = [words for _, words in index.catalog.all_items(Modality.IMAGE) if words]
    words = sorted(counts)
    return Real(vectors=vectors, words=words, counts=[counts[w] for w in words], labels=labels)


def build(library: Library, real: Real, *, pictures: int, texts: int) -> float:
    """Write a made library into the index of `library`, and return the seconds that it took."""
    started = time.perf_counter()
    index = library.index
    maker = _Maker(library, real)
    for kind, count in (("picture", pictures), ("text", texts)):
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            maker.write(kind, numbers)
            print(f"{kind} {numbers.stop}: {time.perf_counter() - started:.0f} s", flush=True)
    index.catalog.set_links(maker.links())
    maker.write_cards()
    index.catalog.set_fact("links", "found")
    index.catalog.set_fact("loading", "made")
    return time.perf_counter() - started


class _Maker:
    def __init__(self, library: Library, real: Real) -> None:
        self._root = library.root
        self._index: Index = library.index
        self._real = real
        self._chance = np.random.default_rng(SEED)
        counts = np.asarray(real.counts, dtype=np.float64)
        rare = 1.0 / np.arange(1, RARE_WORDS + 1)
        self._words = np.asarray([*real.words, *(f"zz{n:x}" for n in range(RARE_WORDS))])
        shares = [(1 - RARE_SHARE) * counts / counts.sum(), RARE_SHARE * rare / rare.sum()]
        self._cumulated = np.cumsum(np.concatenate(shares))
        common = [w for w, n in zip(real.words, real.counts, strict=True) if n > 5 and w.isalpha()]
        chosen = self._chance.permutation(common)[: 2 * FOLDERS]
        self._folders = [" ".join(chosen[2 * n : 2 * n + 2]) for n in range(FOLDERS)]
        encoder = self._index.text_encoder
        self._names = {name: encode_query_text(encoder, name) for name in self._folders}
        self._cards: list[tuple[Card, Embeddings]] = []
        self._images: list[str] = []
        self._texts: list[str] = []

    def write(self, kind: str, numbers: range) -> None:
        """Write pictures or texts as an ingest writes a batch."""
        make = self._pictures if kind == "picture" else self._chunks
        entries: list[Entry] = []
        records: dict[Collection, list[Record]] = {}
        for entry, mine in make(numbers):
            entries.append(entry)
            for collection, some in mine.items():
                records.setdefault(collection, []).extend(some)
        _write(records, [], entries, index=self._index)

    def links(self) -> list[Link]:
        """Return what names link, as an ingest finds it."""
        return find_links(self._images, self._texts, {})

    def write_cards(self) -> None:
        """Write the cards of described pictures, as an ingest does."""
        index = self._index
        for start in range(0, len(self._cards), BATCH):
            records = []
            cards = []
            for card, row in self._cards[start : start + BATCH]:
                described = bool(card.caption)
                some = [_record(index.cards, card.item, 0, row)] if described else []
                records += some
                cards.append(replace(card, record_ids=tuple(one.id for one in some)))
            announced = [
                (c.item.source.path, index.cards, id_) for c in cards for id_ in c.record_ids
            ]
            index.catalog.announce(announced)
            if records:
                index.store.upsert(index.cards, records)
            index.catalog.commit_cards(cards, collection=index.cards)

    def _pictures(self, numbers: range) -> Iterator[tuple[Entry, dict[Collection, list[Record]]]]:
        index = self._index
        rows = self._around(index.pictures, len(numbers))
        own = self._around(index.chunks, len(numbers))
        for place, number in enumerate(numbers):
            draw = self._chance.random()
            folder = f"photos/{number // 1000:03d}"
            fields: tuple[tuple[str, str], ...] = ()
            row = own[place]
            if draw < FOLDER_SHARE:
                # A few folders hold most of them.
                name = self._folders[int(FOLDERS * self._chance.random() ** 2)]
                folder, row = f"albums/{name}", self._names[name]
            elif draw < FOLDER_SHARE + CAPTION_SHARE:
                fields = (("caption", " ".join(self._draw(6))),)
            if self._chance.random() < 0.5:
                creator = f"creator {self._chance.integers(CREATORS)}"
                fields = tuple(sorted((*fields, ("creator", creator))))
            path = f"{folder}/{number:06d}.jpg"
            labels = str(self._real.labels[int(self._chance.integers(len(self._real.labels)))])
            said = caption(path, (), fields)
            item = Item(
                id=item_id(path, 0),
                source=self._source(path, number),
                modality=Modality.IMAGE,
                ordinal=0,
                title=f"{number:06d}",
                text=card_text(path, said, labels),
                width=500,
                height=375,
                fields=fields,
            )
            self._images.append(path)
            self._cards.append((Card(item=item, caption=said, labels=labels), row))
            yield self._entry(item, {index.pictures: rows[place : place + 1]}, labels)

    def _chunks(self, numbers: range) -> Iterator[tuple[Entry, dict[Collection, list[Record]]]]:
        index = self._index
        count = len(numbers)
        rows = {c: self._around(c, count) for c in (index.chunks, index.windows)}
        rows[index.sentences] = self._around(index.sentences, SENTENCES * count)
        names = [f"albums/{name}.txt" for name in self._folders]
        for place, number in enumerate(numbers):
            path = f"articles/{number // 1000:03d}/{number:06d}.txt"
            if number < len(names):
                path = names[number]
            elif self._chance.random() < STEM_SHARE:
                path = f"photos/{number // 1000:03d}/{number:06d}.txt"
            sentences = [" ".join(self._draw(SENTENCE_WORDS)) + "." for _ in range(SENTENCES)]
            item = Item(
                id=item_id(path, 0),
                source=self._source(path, number),
                modality=Modality.TEXT,
                ordinal=0,
                title=f"{number:06d}",
                text=" ".join(sentences),
            )
            self._texts.append(path)
            mine = {
                index.chunks: rows[index.chunks][place : place + 1],
                index.windows: rows[index.windows][place : place + 1],
                index.sentences: rows[index.sentences][SENTENCES * place : SENTENCES * (place + 1)],
            }
            yield self._entry(item, mine, "")

    def _entry(
        self, item: Item, rows: dict[Collection, Embeddings], labels: str
    ) -> tuple[Entry, dict[Collection, list[Record]]]:
        records = {
            collection: [
                _record(collection, item, ordinal, row) for ordinal, row in enumerate(some)
            ]
            for collection, some in rows.items()
        }
        entry = Entry(
            source=item.source,
            items=(item,),
            labels={item.id: labels},
            records={c: tuple(one.id for one in some) for c, some in records.items()},
        )
        return entry, records

    def _source(self, path: str, number: int) -> Source:
        return Source(
            root=self._root,
            path=path,
            size=number,
            modified_ns=NS + number * 10**9,
            content_hash=hash_bytes(path.encode()),
        )

    def _draw(self, count: int) -> Sequence[Any]:
        draws = self._chance.random(count) * self._cumulated[-1]
        return list(self._words[np.searchsorted(self._cumulated, draws)])

    def _around(self, collection: Collection, count: int) -> Embeddings:
        """Return unit vectors around real ones, shape (count, dim)."""
        real = self._real.vectors[collection]
        centres = real[self._chance.integers(len(real), size=count)]
        noise = self._chance.standard_normal(centres.shape, dtype=np.float32)
        # Where a real vector has nothing, as texts have in the visual half of the starter's
        # space, there is nothing around it either.
        noise *= (centres != 0).any(axis=0)
        noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        rows = centres + noise
        unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


def _record(collection: Collection, item: Item, ordinal: int, row: Embeddings) -> Record:
    id_ = record_id(item.id, collection.part, ordinal)
    return Record(id=id_, item_id=item.id, embedding=row)
