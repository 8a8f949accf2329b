"""How large pictures are: as their headers say, and as a JPEG is when it is decoded smaller."""

from __future__ import annotations

import io
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin, WebPImagePlugin

from florilegium.errors import FileTooLargeError, UnreadableFileError
from florilegium.images import open_image, open_tags, quiet, read_size
from tests.unit.test_images import FILES, chunk, encoded, noise

LIMIT = 2_000_000


def opened(data: bytes, *, least_side: int | None = None) -> Image.Image:
    return open_image(data, max_pixels=LIMIT, name="photo", least_side=least_side)


# -- from the header --


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_size_is_read_without_decoding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise AssertionError("decoded")

    decoders = (ImageFile.ImageFile, TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile)
    for decoder in decoders:
        monkeypatch.setattr(decoder, "load", fail)

    assert read_size(FILES[name], max_pixels=LIMIT, name=name) == (90, 60)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_is_cut_off_has_its_size_or_is_refused(name: str) -> None:
    data = FILES[name]

    for length in [*range(0, len(data), max(1, len(data) // 40)), len(data) - 1]:
        try:
            size = read_size(data[:length], max_pixels=LIMIT, name=name)
        except UnreadableFileError:
            continue
        assert size == (90, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP", "deflated TIFF"])
def test_the_size_is_that_of_the_opened_picture(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"compression": "tiff_deflate"} if kind == "deflated TIFF" else {}
    data = encoded(noise(), kind.split()[-1], exif=exif, **options)

    size = read_size(data, max_pixels=LIMIT, name=kind)

    assert size == opened(data).size == ((60, 90) if orientation >= 5 else (90, 60))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'


def test_a_tiff_whose_orientation_is_in_xmp_has_the_size_of_the_opened_picture() -> None:
    data = encoded(noise(), "TIFF", tiffinfo={700: XMP})

    # By 90 degrees, but not in every Pillow.
    assert read_size(data, max_pixels=LIMIT, name="a") == opened(data).size


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    ],
)
def test_an_orientation_behind_the_pixels_of_a_png_turns_its_size(kind: bytes, body: bytes) -> None:
    png = FILES["png"]
    data = png[:-12] + chunk(kind, body) + png[-12:]

    assert read_size(data, max_pixels=LIMIT, name="a") == opened(data).size == (60, 90)


@pytest.mark.parametrize("rest", [b"\0\0\0\x09eXIf", b"\xff" * 40, chunk(b"zTXt", b"a\0\0broken")])
def test_damage_behind_the_pixels_of_a_png_leaves_the_size(rest: bytes) -> None:
    data = FILES["png"][:-12] + rest

    assert read_size(data, max_pixels=LIMIT, name="a") == (90, 60)


# -- of a photo that is decoded smaller --


def drawn(width: int, height: int) -> Image.Image:
    """Return something like a photo: soft shades, an edge, and grain."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    red, green, blue = np.sin(9 * x) * np.cos(7 * y), np.cos(8 * x + 13 * y), 2 * x - 1
    shades = 128 + 100 * np.stack([red, green, blue], axis=-1)  # (height, width, 3)
    shades[np.hypot(x - 0.5, y - 0.3) < 0.15] = (220, 190, 60)
    grain = np.random.default_rng(0).normal(scale=7.0, size=shades.shape)
    return Image.fromarray(np.clip(shades + grain, 0, 255).astype(np.uint8))


def difference(one: Image.Image, other: Image.Image, size: tuple[int, int]) -> tuple[float, int]:
    """Return the mean and the greatest difference, of 255, of both resized to `size`."""
    arrays = [
        np.asarray(image.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        for image in (one, other)
    ]
    apart = np.abs(arrays[0] - arrays[1])
    return float(apart.mean()), int(apart.max())


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("size", "side", "decoded"),
    [
        ((1600, 1200), 224, (800, 600)),  # a half
        ((1599, 1199), 224, (800, 600)),  # the last pixels are half made up
        ((449, 897), 56, (113, 225)),  # a quarter, and three quarters of a pixel made up
        ((905, 901), 56, (114, 113)),  # an eighth
    ],
)
def test_a_photo_decoded_smaller_looks_the_same_at_the_size_of_a_model(
    size: tuple[int, int], side: int, decoded: tuple[int, int], *, progressive: bool
) -> None:
    data = encoded(drawn(*size), "JPEG", quality=90, progressive=progressive)

    image = opened(data, least_side=2 * side)

    assert image.size == decoded
    mean, most = difference(image, opened(data), (side, side))
    assert mean < 0.5
    assert most <= 8


@pytest.mark.parametrize(
    ("least_side", "decoded"),
    [
        (1, (100, 75)),
        (75, (100, 75)),
        (76, (200, 150)),
        (150, (200, 150)),
        (151, (400, 300)),
        (300, (400, 300)),
        (301, (800, 600)),
        (600, (800, 600)),
        (601, (800, 600)),
        (10_000, (800, 600)),
    ],
)
def test_no_side_has_fewer_pixels_than_asked_for(least_side: int, decoded: tuple[int, int]) -> None:
    assert opened(encoded(drawn(800, 600), "JPEG"), least_side=least_side).size == decoded


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_shrunk_photo_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(drawn(803, 601), "JPEG", quality=90, exif=exif)

    image, whole = opened(data, least_side=150), opened(data)

    assert image.size == ((151, 201) if orientation >= 5 else (201, 151))
    mean, most = difference(image, whole, (70, 70))
    assert mean < 0.5
    assert most <= 8


@pytest.mark.parametrize("size", [(3000, 20), (20, 3000), (90, 60), (1, 1)])
def test_a_short_side_keeps_all_its_pixels(size: tuple[int, int]) -> None:
    data = encoded(noise(*size), "JPEG")

    image = opened(data, least_side=448)

    assert np.array_equal(np.asarray(image), np.asarray(opened(data)))
    assert image.size == size


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_greys_and_inks_are_shrunk_in_their_own_colours(mode: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # of neither
    data = encoded(drawn(800, 600).convert(mode), "JPEG", quality=90, icc_profile=profile)

    image = opened(data, least_side=150)

    assert (image.mode, image.size) == ("RGB", (200, 150))
    mean, most = difference(image, opened(data), (70, 70))
    assert mean < 0.5
    assert most <= 8


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_kinds_are_decoded_whole(kind: str) -> None:
    data = encoded(drawn(300, 200), kind)

    assert np.array_equal(np.asarray(opened(data, least_side=20)), np.asarray(opened(data)))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("least_side", [8, 20, 40])
def test_a_photo_that_is_cut_off_is_refused_as_when_it_is_decoded_whole(
    least_side: int, *, progressive: bool
) -> None:
    data = encoded(noise(120, 80), "JPEG", progressive=progressive)
    image = np.asarray(opened(data, least_side=least_side))

    for length in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        refused = []
        for side in (least_side, None):
            try:
                part = opened(data[:length], least_side=side)
            except UnreadableFileError:
                refused.append(side)
            else:
                assert side is None or np.array_equal(np.asarray(part), image)
        assert refused in ([], [least_side, None])


def test_the_limit_is_that_of_the_whole_picture() -> None:
    data = encoded(noise(120, 80), "JPEG")

    with pytest.raises(FileTooLargeError, match="120 × 80"):
        open_image(data, max_pixels=9599, name="photo", least_side=8)


# -- tags --


def test_tags_behind_the_pixels_of_a_png_are_read_without_its_pixels() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "PNG")
    text = b"Title\0A rose"
    chunk = len(text).to_bytes(4) + b"tEXt" + text + zlib.crc32(b"tEXt" + text).to_bytes(4)
    data = stream.getvalue()
    pixels, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4

    whole = data[:end] + chunk + data[end:]
    torn = whole[: pixels + 8] + b"\0" * (end - pixels - 8) + whole[end:]

    for one in (whole, torn):
        assert open_tags(one, max_pixels=10_000, name="rose.png").info["Title"] == "A rose"


def test_tags_of_what_is_no_picture_or_too_large_raise_as_its_size_does() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "PNG")

    with pytest.raises(FileTooLargeError):
        open_tags(stream.getvalue(), max_pixels=100, name="rose.png")
    with pytest.raises(UnreadableFileError, match=r"rose\.png"):
        open_tags(b"rose", max_pixels=100, name="rose.png")


def test_no_warning_comes_through_where_it_is_quiet() -> None:
    with quiet():
        warnings.warn("Corrupt EXIF data", stacklevel=1)
    with pytest.warns(UserWarning, match="loud"):
        warnings.warn("loud", stacklevel=1)
