"""Every record of an ingested library has the vector that the cache keeps under its key."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from florilegium import Library
from florilegium.index import Index
from florilegium.record_keys import record_keys
from florilegium.types import Item, Modality
from tests.unit.caption_samples import Seeing, ingest, make_folder
from tests.unit.test_encode import Desk, Encoder, paint, write


def items_of(index: Index) -> list[Item]:
    """Return all items of the catalog."""
    return [item for modality in Modality for item, _ in index.catalog.all_items(modality)]


def assert_all_agree(index: Index) -> None:
    """Check that store, catalog, keys and cache agree on every record, bit by bit."""
    keys = record_keys(items_of(index), index=index)
    known = index.catalog.record_ids()
    for collection, of_records in keys.items():
        assert set(of_records) == index.store.ids(collection) == set(known.get(collection, ()))
        for record in index.store.get(collection, list(of_records)):
            fingerprint, key = of_records[record.id]
            row = index.cache.get(fingerprint, [key], dim=record.embedding.shape[0])[key]
            assert np.array_equal(record.embedding, row)


def test_every_record_has_the_vector_of_its_key(tiny_library: Library) -> None:
    assert all(tiny_library.index.catalog.record_ids().values())
    assert len(tiny_library.index.catalog.record_ids()) == 5
    assert_all_agree(tiny_library.index)


def test_cards_with_machine_captions_have_the_keys_of_their_words(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    ingest(folder, Seeing())

    with Library.open(folder) as library:
        cards = record_keys(items_of(library.index), index=library.index)[library.index.cards]
        assert len(cards) == 3
        assert_all_agree(library.index)


def test_long_texts_have_a_key_for_each_window(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path,
        encoder=Encoder(dim=16, max_text_tokens=8),
        text_encoder=Encoder(dim=32, max_text_tokens=512),
    )
    encoded = desk.encode(write(desk, "a.txt", "One two three. " * 20), paint(desk, "b.png"))
    desk.index.catalog.commit(encoded.entries)

    keys = record_keys(items_of(desk.index), index=desk.index)

    made = {collection: [r.id for r in some] for collection, some in encoded.records.items()}
    assert len(made[desk.index.windows]) > 1
    assert {c: list(ids) for c, ids in keys.items() if c != desk.index.cards} == made
    desk.close()


def test_an_encoder_of_pictures_alone_has_no_keys_of_texts(tmp_path: Path) -> None:
    encoder = Encoder(dim=16, modalities=frozenset({Modality.IMAGE}))
    desk = Desk(tmp_path, encoder=encoder, text_encoder=Encoder(dim=32))
    (loaded,) = desk.load(write(desk, "a.txt", "Roses are red."))

    keys = record_keys(loaded.items, index=desk.index)

    assert keys[desk.index.windows] == keys[desk.index.pictures] == {}
    assert len(keys[desk.index.chunks]) == 1
    desk.close()


def test_no_items_have_no_keys(tiny_library: Library) -> None:
    assert not any(record_keys([], index=tiny_library.index).values())
