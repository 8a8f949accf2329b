"""What a library can be asked about, to begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path

from florilegium import Library
from florilegium.server.page.examples import example_items, spread
from florilegium.types import Modality
from tests.conftest import FAKES


def test_titles_are_given_once_each(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.TEXT, count=10))

    titles = [item.title for item in items]
    assert len(titles) == len(set(titles))
    assert "The green circle" in titles


def test_at_most_so_many_are_given_from_all_over(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.IMAGE, count=2))

    assert len(items) == 2


def test_a_library_that_was_never_ingested_gives_none(tmp_path: Path) -> None:
    with Library.create(tmp_path / "new", overrides=FAKES) as library:
        assert asyncio.run(example_items(library, modality=Modality.TEXT, count=3)) == []


def test_items_are_spread(tiny_library: Library) -> None:
    items = asyncio.run(example_items(tiny_library, modality=Modality.TEXT, count=10))

    assert spread(items, 2) == [items[0], items[len(items) // 2]]
    assert spread(items, 100) == items
