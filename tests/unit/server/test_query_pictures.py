"""Pictures that requests hold are small once they are read, whatever was sent."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from florilegium.errors import InvalidQueryError
from florilegium.ids import hash_bytes
from florilegium.server.query_pictures import MOST_PIXELS, check_pixels, open_small

LIMIT = 100_000_000


def file_of(width: int, height: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(6000, 4000), (9000, 900), (30_000, 100)])
def test_a_large_picture_is_kept_small_and_in_its_shape(kind: str, size: tuple[int, int]) -> None:
    data = file_of(*size, kind)

    picture = open_small(data, max_pixels=LIMIT)

    width, height = picture.image.size
    assert 0.95 * MOST_PIXELS < width * height <= MOST_PIXELS
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    assert picture.image.getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=4)
    assert picture.content_hash == hash_bytes(data)


def test_a_line_of_pixels_is_kept_small_too() -> None:
    assert open_small(file_of(20_000_000, 1), max_pixels=LIMIT).image.size == (MOST_PIXELS, 1)


def test_a_small_picture_stays_as_it_is() -> None:
    assert open_small(file_of(1200, 800), max_pixels=LIMIT).image.size == (1200, 800)


def test_a_picture_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="more than the limit"):
        open_small(file_of(20, 20), max_pixels=399)


def test_pictures_of_a_request_have_a_limit_together() -> None:
    files = [file_of(20, 20), file_of(20, 20, "JPEG"), file_of(20, 20), file_of(20, 20)]

    check_pixels(files, max_pixels=400)
    with pytest.raises(InvalidQueryError, match="The 5 pictures have"):
        check_pixels([*files, file_of(1, 1)], max_pixels=400)


@pytest.mark.parametrize("data", [b"no picture", file_of(20, 21)])
def test_one_that_cannot_be_read_is_named_by_its_place(data: bytes) -> None:
    with pytest.raises(InvalidQueryError, match="query picture 2"):
        check_pixels([file_of(20, 20), data], max_pixels=400)
