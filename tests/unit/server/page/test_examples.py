"""What a library can be asked about, to begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.catalog import Catalog
from florilegium.server.page.examples import example_items, spread
from florilegium.types import Item, Modality
from tests.conftest import FAKES


def test_titles_are_given_once_each(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.TEXT, count=10))

    titles = [item.title for item in items]
    assert len(titles) == len(set(titles))
    assert "The green circle" in titles


@pytest.mark.parametrize(
    ("others", "given"), [((), {"DSC_0001", "IMG_0001"}), (("rose",), {"rose"})]
)
def test_what_only_a_camera_named_is_given_only_where_nothing_else_is(
    tmp_path: Path, others: tuple[str, ...], given: set[str]
) -> None:
    for shade, name in enumerate(("DSC_0001", "IMG_0001", *others)):
        Image.new("RGB", (8, 8), (shade * 80, 0, 0)).save(tmp_path / f"{name}.png")

    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        items = asyncio.run(example_items(library, modality=Modality.IMAGE, count=10))

    assert {item.title for item in items} == given


def test_at_most_so_many_are_given_from_all_over(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.IMAGE, count=2))

    assert len(items) == 2


def test_a_library_that_was_never_ingested_gives_none(tmp_path: Path) -> None:
    with Library.create(tmp_path / "new", overrides=FAKES) as library:
        assert asyncio.run(example_items(library, modality=Modality.TEXT, count=3)) == []


def test_an_index_that_is_replaced_meanwhile_gives_examples_all_the_same(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_items = Catalog.all_items

    def replaced_meanwhile(catalog: Catalog, modality: Modality) -> Iterator[tuple[Item, str]]:
        items = all_items(catalog, modality)
        yield next(items)
        monkeypatch.setattr(Catalog, "all_items", all_items)
        with Library.open(tiny_library.root, overrides=FAKES) as other:
            other.ingest(rebuild=True)
        tiny_library.search("a circle")
        yield from items

    monkeypatch.setattr(Catalog, "all_items", replaced_meanwhile)

    items = asyncio.run(example_items(tiny_library, modality=Modality.TEXT, count=10))

    assert "The green circle" in [item.title for item in items]


def test_items_are_spread(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.TEXT, count=10))

    assert spread(items, 2) == [items[0], items[len(items) // 2]]
    assert spread(items, 100) == items
