"""What of a file is encoded by which encoder, and what an encoder is never asked twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.config import Config, EncoderConfig, load_settings
from florilegium.encode import (
    Encoded,
    encode_captions,
    encode_items,
    encode_query_image,
    encode_query_text,
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
    Item,
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
        )
        loaders: list[Loader] = [
            open_image_loader("", config=CONFIG.ingest, count_tokens=len),
            open_text_loader("", config=CONFIG.ingest, count_tokens=text_encoder.count_tokens),
        ]
        self.by_suffix = {suffix: one for one in loaders for suffix in one.suffixes}

    def load(self, *names: str) -> list[tuple[Source, tuple[Item, ...]]]:
        """Return files with their items."""
        loaded = []
        for name in names:
            file = self.root / name
            stat = file.stat()
            source = Source(
                root=self.root,
                path=name,
                size=stat.st_size,
                modified_ns=stat.st_mtime_ns,
                content_hash=hash_file(file),
            )
            loaded.append((source, tuple(self.by_suffix[file.suffix].load(source))))
        return loaded

    def encode(self, *names: str, config: Config = CONFIG) -> Encoded:
        """Encode files, and check that a record is where its entry says."""
        encoded = encode_items(
            self.load(*names), by_suffix=self.by_suffix, index=self.index, config=config
        )
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


# -- pictures --


def test_pictures_are_encoded_in_batches_and_rows_stay_with_their_pictures(desk: Desk) -> None:
    colours = ("red", "green", "blue", "yellow", "black")
    names = [paint(desk, f"{n}.png", colour) for n, colour in enumerate(colours)]
    config = CONFIG.model_copy(update={"encoder": EncoderConfig(batch_size=2)})

    encoded = desk.encode(*names, config=config)

    assert desk.encoder.batches == [2, 2, 1]
    rows = [record.embedding for record in encoded.records[desk.index.pictures]]
    wanted = FakeEncoder(dim=16).encode_images([draw(colour, "square") for colour in colours])
    assert np.array_equal(rows, wanted)


def test_large_pictures_do_not_wait_for_a_full_batch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.encode._MOST_PIXELS", 64 * 64)
    names = [paint(desk, f"{colour}.png", colour) for colour in ("red", "green", "blue")]

    desk.encode(*names)

    assert desk.encoder.batches == [2, 1]


def test_equal_pictures_are_encoded_once(desk: Desk) -> None:
    encoded = desk.encode(paint(desk, "a.png"), paint(desk, "b.png"))

    first, second = encoded.records[desk.index.pictures]
    assert desk.encoder.batches == [1]
    assert first.item_id != second.item_id
    assert np.array_equal(first.embedding, second.embedding)


def test_what_is_in_the_cache_is_neither_encoded_nor_counted(desk: Desk) -> None:
    names = [paint(desk, "a.png"), write(desk, "a.txt", "Roses are red.")]
    first = desk.encode(*names)
    texts, batches = list(desk.text_encoder.texts), list(desk.encoder.batches)

    second = desk.encode(*names)

    assert (first.count, second.count) == (3, 0)
    assert (desk.text_encoder.texts, desk.encoder.batches) == (texts, batches)
    assert [entry.records for entry in second.entries] == [e.records for e in first.entries]


def test_a_picture_that_breaks_fails_its_file_only(desk: Desk) -> None:
    loaded = desk.load(paint(desk, "a.png"), paint(desk, "b.png", "green"))
    (desk.root / "a.png").write_bytes(b"no longer a picture")

    encoded = encode_items(loaded, by_suffix=desk.by_suffix, index=desk.index, config=CONFIG)

    assert [(p, e.code) for p, e in encoded.failed.items()] == [("a.png", "source_unreadable")]
    assert [entry.source.path for entry in encoded.entries] == ["b.png"]
    (record,) = encoded.records[desk.index.pictures]
    green = FakeEncoder(dim=16).encode_images([draw("green", "square")])[0]
    assert np.array_equal(record.embedding, green)


def test_the_words_of_labels_are_kept_once_each(tmp_path: Path, make: list[Desk]) -> None:
    desk = Desk(tmp_path, encoder=NamingEncoder(dim=16), text_encoder=Encoder(dim=32))
    make.append(desk)

    entry = desk.encode(paint(desk, "a.png")).entries[0]

    assert list(entry.labels.values()) == ["daisy, oxeye, 雏菊, vase"]


def test_an_encoder_without_labels_leaves_them_empty(desk: Desk) -> None:
    assert list(desk.encode(paint(desk, "a.png")).entries[0].labels.values()) == [""]


def test_unusable_rows_stop_the_batch_and_are_not_cached(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = paint(desk, "a.png")
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "encode_images", lambda self, images: np.zeros((3, 16)))
        with pytest.raises(EncoderError, match=r"\(3, 16\)"):
            desk.encode(name)

    assert desk.encode(name).count == 1


# -- cards and queries --


def cards_of(desk: Desk, **captions: str) -> list[Card]:
    """Return cards of new pictures with these captions."""
    loaded = desk.load(*(paint(desk, f"{name}.png") for name in captions))
    items = [item for _, some in loaded for item in some]
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
