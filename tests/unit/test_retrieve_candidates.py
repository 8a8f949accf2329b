"""Names for what the picture of a query may show, and reading the text of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.retrieve import SearchOptions, retrieve
from florilegium.types import Modality, Picture, Query
from tests.conftest import FAKES, draw
from tests.unit.test_retrieve import find, first, ranking


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Library]:
    """Return a library of nameless pictures, each with a text of its name, and a lonely one."""
    for n, (colour, words) in enumerate(
        [("red", "Ferrari tractor"), ("green", "Fern frond"), ("blue", "Ocean liner")]
    ):
        draw(colour, "square").save(tmp_path / f"IMG_000{n}.png")
        (tmp_path / f"IMG_000{n}.txt").write_text(f"{words}.", encoding="utf-8")
    draw("orange", "circle").save(tmp_path / "IMG_0009.png")
    (tmp_path / "other.txt").write_text("Nothing of the kind.", encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        yield library


def test_a_picture_query_names_what_it_may_show(shop: Library) -> None:
    found = find(shop, image=draw("green", "circle"))

    best = found.candidates[0]
    assert (best.name, best.path) == ("IMG_0001", "IMG_0001.txt")
    assert 0.0 < best.share <= 1.0
    assert not found.is_known


def test_a_picture_of_the_library_has_the_name_that_its_owner_gave(shop: Library) -> None:
    found = find(shop, image=draw("red", "square"), own="IMG_0000.png")

    assert found.is_known
    assert [(one.path, one.share) for one in found.candidates] == [("IMG_0000.txt", 1.0)]


def test_words_alone_name_nothing(shop: Library) -> None:
    assert find(shop, "tractor").candidates == ()


def test_the_text_of_what_was_identified_takes_the_place_of_the_vote(shop: Library) -> None:
    query = Query(
        text="How old is it?",
        pictures=(Picture(image=draw("green", "circle")),),
        about="IMG_0002.txt",
    )

    found = retrieve(query, index=shop.index, options=SearchOptions(candidates=100))

    assert first(found, Modality.TEXT) == "IMG_0002.txt"
    assert ranking(found, "linked texts").size == 1
