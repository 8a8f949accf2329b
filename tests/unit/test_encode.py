"""What of a file is encoded by which encoder, and what an encoder is never asked twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.config import load_settings
from florilegium.encode import (
    Encoded,
    Loaded,
    encode_captions,
    encode_items,
    encode_pictures,
    encode_query_image,
    encode_query_text,
    picture_key,
)
from florilegium.entries import Card
from florilegium.errors import EncoderError
from florilegium.ids import hash_file
from florilegium.index import Index
from florilegium.loaders.image import open_loader as open_image_loader
from florilegium.loaders.text import open_loader as open_text_loader
from florilegium.protocols import Loader
from florilegium.stores.memory import open_store
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import (
    Embeddings,
    EncoderInfo,
    Label,
    Manifest,
    Modality,
    Purpose,
    Source,
    Space,
)
from tests.conftest import draw

CONFIG = load_settings().config


class Encoder(FakeEncoder):
    """A fake of another size that remembers its inputs, and reads some languages only."""

    def __init__(
        self,
        *,
        dim: int,
        languages: frozenset[str] | None = None,
        max_text_tokens: int = 512,
        modalities: frozenset[Modality] = frozenset(Modality),
    ) -> None:
        super().__init__(dim=dim)
        self._changes = (languages, max_text_tokens, modalities)
        self.texts: list[str] = []
        self.purposes: set[str] = set()
        self.batches: list[int] = []

    @property
    def info(self) -> EncoderInfo:
        languages, max_text_tokens, modalities = self._changes
        return replace(
            super().info,
            languages=languages,
            max_text_tokens=max_text_tokens,
            modalities=modalities,
        )

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        self.texts += texts
        self.purposes.add(purpose)
        return super().encode_texts(texts, purpose=purpose)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        self.batches.append(len(images))
        return super().encode_images(images)


class NamingEncoder(Encoder):
    """Names every picture alike."""

    def label_embeddings(self, embeddings: Embeddings, *, top_k: int) -> list[tuple[Label, ...]]:
        labels = (
            Label(name="daisy", synonyms=("oxeye",), chinese=("雏菊",)),
            Label(name="vase", synonyms=("daisy",), weight=0.05),
            Label(name="ladle", weight=0.04),
        )
        return [labels[:top_k] for _ in embeddings]


class Desk:
    """A folder, its loaders, and an index with two encoders."""

    def __init__(self, root: Path, *, encoder: Encoder, text_encoder: Encoder) -> None:
        self.root, self.encoder, self.text_encoder = root, encoder, text_encoder
        spaces = tuple(
            Space(name=one.info.id, fingerprint=one.info.fingerprint, dim=one.info.dim)
            for one in (encoder, text_encoder)
        )
        self.index = Index(
            catalog=Catalog(root / "catalog.db", root=root),
            store=open_store("", folder=root, manifest=Manifest(schema=1, spaces=spaces)),
            cache=EmbeddingCache(root / "cache.db"),
            encoder=encoder,
            text_encoder=text_encoder,
            query_encoder=encoder,
            query_text_encoder=text_encoder,
        )
        loaders: list[Loader] = [
            open_image_loader("", config=CONFIG.ingest, count_tokens=len),
            open_text_loader("", config=CONFIG.ingest, count_tokens=text_encoder.count_tokens),
        ]
        self.by_suffix = {suffix: one for one in loaders for suffix in one.suffixes}

    def source(self, name: str) -> Source:
        """Return a file as it is now."""
        file = self.root / name
        stat = file.stat()
        return Source(
            root=self.root,
            path=name,
            size=stat.st_size,
            modified_ns=stat.st_mtime_ns,
            content_hash=hash_file(file),
        )

    def load(self, *names: str) -> list[Loaded]:
        """Return files with their items and the embeddings of their pictures."""
        loaded = []
        for name in names:
            source, loader = self.source(name), self.by_suffix[Path(name).suffix]
            items = tuple(loader.load(source))
            pictures = {
                item.id: loader.read_image(item)
                for item in items
                if item.modality is Modality.IMAGE
            }
            rows = encode_pictures(pictures, index=self.index) if pictures else {}
            loaded.append(Loaded(source=source, items=items, pictures=rows))
        return loaded

    def encode(self, *names: str) -> Encoded:
        """Encode files, and check that a record is where its entry says."""
        encoded = encode_items(self.load(*names), index=self.index, config=CONFIG)
        announced = {
            collection: [i for entry in encoded.entries for i in entry.records.get(collection, ())]
            for collection in encoded.records
        }
        assert announced == {c: [r.id for r in some] for c, some in encoded.records.items()}
        return encoded

    def close(self) -> None:
        """Close the files."""
        self.index.catalog.close()
        self.index.store.close()
        self.index.cache.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[list[Desk]]:
    """Return a list whose desks are closed at the end."""
    desks: list[Desk] = []
    yield desks
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(tmp_path: Path, make: list[Desk]) -> Desk:
    """Return a desk with encoders that read everything."""
    make.append(Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=Encoder(dim=32)))
    return make[-1]


def write(desk: Desk, name: str, text: str) -> str:
    """Write a text and return its name."""
    (desk.root / name).write_text(text, encoding="utf-8")
    return name


def paint(desk: Desk, name: str, colour: str = "red", size: int = 64) -> str:
    """Write a picture and return its name."""
    draw(colour, "square", size=size).save(desk.root / name)
    return name


# -- texts --


def test_a_chunk_is_encoded_whole_by_sentence_and_in_windows(desk: Desk) -> None:
    encoded = desk.encode(write(desk, "a.txt", "Roses are red. Violets are blue."))

    index = desk.index
    counts = {collection: len(some) for collection, some in encoded.records.items()}
    assert counts == {index.chunks: 1, index.sentences: 2, index.windows: 1}
    assert set(desk.text_encoder.texts) == {
        "Roses are red. Violets are blue.",
        "Roses are red.",
        "Violets are blue.",
    }
    assert desk.encoder.texts == ["Roses are red. Violets are blue."]
    assert desk.encoder.purposes == desk.text_encoder.purposes == {"document"}
    assert encoded.count == 4


def test_records_hold_the_embedding_of_their_own_text(desk: Desk) -> None:
    encoded = desk.encode(write(desk, "a.txt", "Roses are red. Violets are blue."))

    first, second = encoded.records[desk.index.sentences]
    wanted = FakeEncoder(dim=32).encode_texts(
        ["Roses are red.", "Violets are blue."], purpose="document"
    )
    assert np.array_equal([first.embedding, second.embedding], wanted)
    assert first.item_id == second.item_id == encoded.entries[0].items[0].id


def test_windows_fit_the_limit_of_the_image_text_encoder(tmp_path: Path, make: list[Desk]) -> None:
    desk = Desk(tmp_path, encoder=Encoder(dim=16, max_text_tokens=12), text_encoder=Encoder(dim=32))
    make.append(desk)
    words = " ".join(f"word{n}" for n in range(40)) + "."
    encoded = desk.encode(write(desk, "a.txt", words))

    assert len(encoded.records[desk.index.windows]) >= 4
    assert max(desk.encoder.count_tokens(text) for text in desk.encoder.texts) <= 12
    assert {word for text in desk.encoder.texts for word in text.rstrip(".").split()} == set(
        words.rstrip(".").split()
    )


def test_an_encoder_is_not_given_a_language_that_it_does_not_read(
    tmp_path: Path, make: list[Desk]
) -> None:
    english = frozenset({"en"})
    desk = Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=Encoder(dim=32, languages=english))
    make.append(desk)

    encoded = desk.encode(write(desk, "a.txt", "玫瑰在春天修剪。"))

    assert desk.text_encoder.texts == []
    assert desk.encoder.texts == ["玫瑰在春天修剪。"]
    assert list(encoded.records) == [desk.index.windows]
    assert len(encoded.entries[0].items) == 1


def test_an_encoder_of_pictures_alone_is_given_no_text(tmp_path: Path, make: list[Desk]) -> None:
    encoder = Encoder(dim=16, modalities=frozenset({Modality.IMAGE}))
    desk = Desk(tmp_path, encoder=encoder, text_encoder=Encoder(dim=32))
    make.append(desk)

    encoded = desk.encode(write(desk, "a.txt", "Roses are red."), paint(desk, "a.png"))

    assert encoder.texts == []
    assert desk.index.windows not in encoded.records
    assert len(encoded.records[desk.index.pictures]) == 1


def test_a_file_without_items_has_an_entry_without_records(desk: Desk) -> None:
    encoded = desk.encode(write(desk, "a.txt", ""))

    assert [(entry.items, entry.records) for entry in encoded.entries] == [((), {})]
    assert encoded.count == 0


def test_texts_in_the_cache_are_neither_encoded_nor_counted(desk: Desk) -> None:
    name = write(desk, "a.txt", "Roses are red.")
    first = desk.encode(name)
    texts = list(desk.text_encoder.texts)

    second = desk.encode(name)

    assert (first.count, second.count) == (2, 0)
    assert desk.text_encoder.texts == texts
    assert [entry.records for entry in second.entries] == [e.records for e in first.entries]


# -- pictures --


def test_a_picture_has_a_record_with_its_own_embedding(desk: Desk) -> None:
    encoded = desk.encode(paint(desk, "a.png", "red"), paint(desk, "b.png", "green"))

    first, second = encoded.records[desk.index.pictures]
    wanted = FakeEncoder(dim=16).encode_images([draw("red", "square"), draw("green", "square")])
    assert np.array_equal([first.embedding, second.embedding], wanted)
    assert [entry.items[0].id for entry in encoded.entries] == [first.item_id, second.item_id]


def test_pictures_are_encoded_together_and_kept_in_the_cache(desk: Desk) -> None:
    colours = ("red", "green", "blue")
    pictures = {colour: draw(colour, "square") for colour in colours}

    rows = encode_pictures(pictures, index=desk.index)

    assert desk.encoder.batches == [3]
    assert list(rows) == list(colours)
    wanted = FakeEncoder(dim=16).encode_images(list(pictures.values()))
    assert np.array_equal(list(rows.values()), wanted)
    kept = desk.index.cache.get(desk.encoder.info.fingerprint, colours, dim=16)
    assert all(np.array_equal(kept[colour], rows[colour]) for colour in colours)


def test_unusable_rows_are_refused_and_not_cached(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEncoder, "encode_images", lambda self, images: np.zeros((3, 16)))

    with pytest.raises(EncoderError, match=r"\(3, 16\)"):
        encode_pictures({"red": draw("red", "square")}, index=desk.index)

    assert desk.index.cache.get(desk.encoder.info.fingerprint, ["red"], dim=16) == {}


def test_a_picture_is_cached_by_its_content_and_its_place_in_the_file(desk: Desk) -> None:
    paint(desk, "a.png")
    shutil.copy(desk.root / "a.png", desk.root / "b.png")
    (first,), (copy,) = (loaded.items for loaded in desk.load("a.png", "b.png"))

    assert picture_key(first) == picture_key(copy) == first.source.content_hash
    assert picture_key(replace(first, ordinal=2)) == f"{first.source.content_hash}#2"


def test_the_words_of_labels_are_kept_once_each(tmp_path: Path, make: list[Desk]) -> None:
    desk = Desk(tmp_path, encoder=NamingEncoder(dim=16), text_encoder=Encoder(dim=32))
    make.append(desk)

    entry = desk.encode(paint(desk, "a.png")).entries[0]

    assert list(entry.labels.values()) == ["daisy, oxeye, 雏菊, vase"]
    assert [(one.name, one.weight) for one in entry.items[0].guesses] == [
        ("daisy", 1.0),
        ("vase", 0.05),
    ]


def test_an_encoder_without_labels_leaves_them_empty(desk: Desk) -> None:
    assert list(desk.encode(paint(desk, "a.png")).entries[0].labels.values()) == [""]


# -- cards and queries --


def cards_of(desk: Desk, **captions: str) -> list[Card]:
    """Return cards of new pictures with these captions."""
    loaded = desk.load(*(paint(desk, f"{name}.png") for name in captions))
    items = [item for file in loaded for item in file.items]
    pairs = zip(items, captions.values(), strict=True)
    return [Card(item=item, caption=caption, labels="daisy") for item, caption in pairs]


def test_captions_are_encoded_by_the_text_encoder_unless_they_are_empty(desk: Desk) -> None:
    cards = cards_of(desk, a="red rose", b="", c="blue")

    encoded, records, count = encode_captions(cards, index=desk.index, config=CONFIG)

    assert desk.text_encoder.texts == ["red rose", "blue"]
    assert count == 2
    assert [len(card.record_ids) for card in encoded] == [1, 0, 1]
    assert [i for card in encoded for i in card.record_ids] == [record.id for record in records]
    assert [record.item_id for record in records] == [cards[0].item.id, cards[2].item.id]
    blue = FakeEncoder(dim=32).encode_texts(["blue"], purpose="document")[0]
    assert np.array_equal(records[1].embedding, blue)


def test_a_caption_that_cannot_be_read_has_no_record(tmp_path: Path, make: list[Desk]) -> None:
    english = frozenset({"en"})
    desk = Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=Encoder(dim=32, languages=english))
    make.append(desk)
    cards = cards_of(desk, a="红玫瑰")

    assert encode_captions(cards, index=desk.index, config=CONFIG) == (cards, [], 0)


def test_a_query_is_encoded_as_a_query_and_gives_one_row() -> None:
    encoder = Encoder(dim=16)

    text = encode_query_text(encoder, "red")
    image = encode_query_image(encoder, Image.new("RGB", (4, 4), "red"))

    assert encoder.purposes == {"query"}
    assert text.shape == image.shape == (16,)
    assert float(text @ image) == 1.0


def test_an_encoder_that_returns_too_much_for_a_query_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeEncoder, "encode_images", lambda self, images: np.ones((2, 16)))

    with pytest.raises(EncoderError, match="shape"):
        encode_query_image(FakeEncoder(dim=16), Image.new("RGB", (4, 4)))
