"""Which collection is searched for what: space, modality and part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.index import Index
from florilegium.stores.memory import open_store
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Manifest, Modality, Space
from tests.unit.catalog_samples import image_entry


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Return an empty index with an image-text encoder and another text encoder."""
    encoder, text_encoder = FakeEncoder(dim=16), FakeEncoder(dim=32)
    spaces = tuple(
        Space(name=one.info.id, fingerprint=one.info.fingerprint, dim=one.info.dim)
        for one in (encoder, text_encoder)
    )
    index = Index(
        catalog=Catalog(tmp_path / "catalog.db", root=tmp_path),
        store=open_store("", folder=tmp_path, manifest=Manifest(schema=1, spaces=spaces)),
        cache=EmbeddingCache(tmp_path / "cache.db"),
        encoder=encoder,
        text_encoder=text_encoder,
        query_encoder=encoder,
        query_text_encoder=text_encoder,
    )
    yield index
    index.catalog.close()
    index.cache.close()


def test_what_crosses_modalities_is_in_the_space_of_the_pictures(index: Index) -> None:
    assert index.pictures.name == "fake:16/image/whole"
    assert index.windows.name == "fake:16/text/window"


def test_what_compares_texts_is_in_the_space_of_the_texts(index: Index) -> None:
    assert index.chunks.name == "fake:32/text/whole"
    assert index.sentences.name == "fake:32/text/sentence"
    assert index.cards.name == "fake:32/image/card"


def test_the_collections_of_an_index_have_different_names_even_in_one_space(index: Index) -> None:
    one = Index(
        catalog=index.catalog,
        store=index.store,
        cache=index.cache,
        encoder=index.encoder,
        text_encoder=index.encoder,
        query_encoder=index.encoder,
        query_text_encoder=index.encoder,
    )

    names = [
        collection.name
        for collection in (one.pictures, one.windows, one.chunks, one.sentences, one.cards)
    ]
    assert len(set(names)) == 5


def test_every_collection_is_in_the_manifest_and_empty_at_first(index: Index) -> None:
    for collection in (
        index.pictures, index.windows, index.chunks, index.sentences, index.cards
    ):  # fmt: skip
        assert index.store.ids(collection) == set()


def test_pages_hold_all_items_in_their_order(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("florilegium.index._PAGE", 2)
    index.catalog.commit([image_entry(f"{n}.jpg", str(n)) for n in range(5)])

    pages = list(index.pages(Modality.IMAGE))

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [pair for page in pages for pair in page] == list(
        index.catalog.all_items(Modality.IMAGE)
    )
    assert list(index.pages(Modality.TEXT)) == []
