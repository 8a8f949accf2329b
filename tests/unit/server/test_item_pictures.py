"""Pictures of items, drawn once where they are small."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from florilegium import Library
from florilegium.errors import SourceGoneError
from florilegium.server.item_pictures import ItemPictures
from tests.conftest import draw


def test_a_picture_comes_as_jpeg_in_the_size_that_is_asked_for(tiny_library: Library) -> None:
    id_ = tiny_library.search("circle", modality="image")[0].item.id

    for side, size in ((32, 32), (1000, 64)):
        with Image.open(io.BytesIO(ItemPictures().draw(tiny_library, id_, side=side))) as picture:
            assert (picture.format, picture.size) == ("JPEG", (size, size))


def test_small_pictures_are_remembered_and_never_those_of_another_file(
    tiny_library: Library,
) -> None:
    pictures = ItemPictures()
    item = tiny_library.search("circle", modality="image")[0].item
    small = pictures.draw(tiny_library, item.id, side=64)

    assert pictures.draw(tiny_library, item.id, side=64) is small
    draw("red", "square").save(item.source.file)
    for side in (64, 1024):
        with pytest.raises(SourceGoneError):
            pictures.draw(tiny_library, item.id, side=side)
    tiny_library.ingest()
    assert pictures.draw(tiny_library, item.id, side=64) != small


def test_what_is_remembered_goes_with_its_file(tiny_library: Library) -> None:
    pictures = ItemPictures()
    item = tiny_library.search("circle", modality="image")[0].item
    pictures.draw(tiny_library, item.id, side=64)

    item.source.file.unlink()

    with pytest.raises(SourceGoneError):
        pictures.draw(tiny_library, item.id, side=64)


def test_what_is_forgotten_is_drawn_again(tiny_library: Library) -> None:
    pictures = ItemPictures()
    item = tiny_library.search("circle", modality="image")[0].item
    small = pictures.draw(tiny_library, item.id, side=64)

    pictures.forget()

    again = pictures.draw(tiny_library, item.id, side=64)
    assert again == small
    assert again is not small
