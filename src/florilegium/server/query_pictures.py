"""Pictures that requests hold, decoded and shrunk at once, so that each takes a few MB at most.

Knows how large a picture is of use to models; knows no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from PIL import Image

from florilegium.errors import InvalidQueryError, SourceError
from florilegium.images import image_from, read_size
from florilegium.types import Picture

MOST_PIXELS: Final = 1024 * 1024
"""Pixels that are kept, 3 MB. Encoders look at fewer, and chat models at no side over 1024."""

_LARGEST_TOGETHER: Final = 4  # so many of the largest pictures may one request bring
_LEAST_SIDE = 2048  # while a JPEG is decoded: twice what is kept, so that shrinking is not seen


def open_small(data: bytes, *, max_pixels: int, name: str = "the query picture") -> Picture:
    """Return the picture in the bytes of a file, in its shape, with at most MOST_PIXELS.

    Args:
        data: The bytes of a file.
        max_pixels: A picture whose header announces more is refused before it is decoded.
        name: What it is called in messages.

    Raises:
        InvalidQueryError: It cannot be read, or has too many pixels.
    """
    image, content_hash = image_from(data, max_pixels=max_pixels, least_side=_LEAST_SIDE, name=name)
    excess = image.width * image.height / MOST_PIXELS
    if excess > 1:
        # By area and not by side: of a panorama, models look at a part as high as it is.
        width, height = (min(max(1, int(side / sqrt(excess))), MOST_PIXELS) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Picture(image=image, content_hash=content_hash)


def check_pixels(files: Sequence[bytes], *, max_pixels: int) -> None:
    """Raise InvalidQueryError if the pictures of a request have too many pixels together.

    Their headers tell, so nothing is decoded.

    Args:
        files: The bytes of the pictures.
        max_pixels: What each of them may have; together they may have four times as many.
    """
    total = 0
    for place, data in enumerate(files, start=1):
        try:
            width, height = read_size(data, max_pixels=max_pixels, name=f"query picture {place}")
        except SourceError as error:
            raise InvalidQueryError(error.message, hint=error.hint) from error
        total += width * height
    if total > _LARGEST_TOGETHER * max_pixels:
        raise InvalidQueryError(
            f"The {len(files)} pictures have {total / 1e6:.0f} megapixels together, more than the "
            f"{_LARGEST_TOGETHER * max_pixels / 1e6:g} that a request may have.",
            hint="Send fewer or smaller ones; 1024 pixels on the longest side are enough.",
        )
