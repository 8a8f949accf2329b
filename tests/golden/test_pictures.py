"""Pictures that others get wrong, drawn here, with colours that a reader can work out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from florilegium.images import open_image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = open_image(data, max_pixels=10_000, name="picture")
    assert image.mode == "RGB"
    return image


def left_and_right(image: Image.Image) -> tuple[object, object]:
    middle = image.height // 2
    return image.getpixel((4, middle)), image.getpixel((image.width - 5, middle))


def halves(mode: str, left: object, right: object) -> Image.Image:
    """Return 32 × 16 pixels, the left half in one colour and the right half in another."""
    image = Image.new(mode, (32, 16), left)  # type: ignore[arg-type]  # a colour of any mode
    image.paste(right, (16, 0, 32, 16))  # type: ignore[arg-type]  # likewise
    return image


def assert_colour(found: object, expected: tuple[int, int, int], *, within: int = 0) -> None:
    assert isinstance(found, tuple)
    assert all(abs(a - b) <= within for a, b in zip(found, expected, strict=True)), found


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_ink_is_not_inverted(kind: str) -> None:
    # Magenta and yellow ink make red; cyan and magenta ink make blue. A JPEG holds them inverted,
    # as Adobe does, a TIFF does not.
    picture = halves("CMYK", (0, 255, 255, 0), (255, 255, 0, 0))

    left, right = left_and_right(decoded(encoded(picture, kind)))

    assert_colour(left, RED, within=4)
    assert_colour(right, BLUE, within=4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped_to_white(kind: str) -> None:
    values = np.zeros((16, 32), dtype=np.uint16)
    values[:, :16], values[:, 16:] = 128 * 257, 64 * 257

    left, right = left_and_right(decoded(encoded(Image.fromarray(values), kind)))

    assert (left, right) == ((128, 128, 128), (64, 64, 64))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_gives_colours_and_not_its_indexes(kind: str) -> None:
    picture = Image.new("P", (32, 16), 0)
    picture.putpalette([*RED, *BLUE])
    picture.paste(1, (16, 0, 32, 16))

    assert left_and_right(decoded(encoded(picture, kind))) == (RED, BLUE)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_entry_of_a_palette_is_white(kind: str) -> None:
    picture = Image.new("P", (32, 16), 0)
    picture.putpalette([*RED, *BLUE])
    picture.paste(1, (16, 0, 32, 16))

    assert left_and_right(decoded(encoded(picture, kind, transparency=0))) == (WHITE, BLUE)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_are_white_and_not_black(kind: str) -> None:
    picture = halves("RGBA", (0, 0, 0, 0), (0, 0, 255, 255))
    options = {"lossless": True} if kind == "WEBP" else {}

    assert left_and_right(decoded(encoded(picture, kind, **options))) == (WHITE, BLUE)


def test_half_transparent_red_is_pink() -> None:
    # 255 · 0.2 + 255 · 0.8 of red, 255 · 0.8 of the others.
    picture = Image.new("RGBA", (32, 16), (255, 0, 0, 51))

    assert left_and_right(decoded(encoded(picture, "PNG")))[0] == (255, 204, 204)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (1, (0, 0)),
        (2, (1, 0)),
        (3, (1, 1)),
        (4, (0, 1)),
        (5, (0, 0)),
        (6, (1, 0)),
        (7, (1, 1)),
        (8, (0, 1)),
    ],
)
def test_a_camera_that_was_turned_gives_an_upright_picture(
    kind: str, orientation: int, corner: tuple[int, int]
) -> None:
    # Red fills the upper left quarter of what is stored. The corner is where EXIF puts it.
    stored = Image.new("RGB", (64, 32), BLUE)
    stored.paste(RED, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation

    shown = decoded(encoded(stored, kind, exif=exif))

    assert shown.size == ((32, 64) if orientation >= 5 else (64, 32))
    x, y = (shown.width * (1 + 2 * corner[0]) // 4, shown.height * (1 + 2 * corner[1]) // 4)
    assert_colour(shown.getpixel((x, y)), RED, within=30)
    opposite = shown.getpixel((shown.width - 1 - x, shown.height - 1 - y))
    assert_colour(opposite, BLUE, within=30)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_of_an_animation_is_shown(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    first, second = Image.new("RGB", (32, 16), RED), Image.new("RGB", (32, 16), BLUE)

    data = encoded(first, kind, save_all=True, append_images=[second], **options)

    assert left_and_right(decoded(data)) == (RED, RED)
