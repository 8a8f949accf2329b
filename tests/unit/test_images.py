from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from florilegium.errors import FileTooLargeError, InvalidQueryError, UnreadableFileError
from florilegium.ids import hash_bytes
from florilegium.images import image_from, open_image, read_size, thumbnail

LIMIT = 1_000_000
Colour = tuple[int, int, int]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(width: int = 90, height: int = 60) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def decoded(data: bytes) -> Image.Image:
    return open_image(data, max_pixels=LIMIT, name="picture")


def first_pixel(image: Image.Image, kind: str, **options: object) -> object:
    return decoded(encoded(image, kind, **options)).getpixel((0, 0))


FILES = {
    "jpeg": encoded(noise(), "JPEG"),
    "progressive jpeg": encoded(noise(), "JPEG", progressive=True),
    "ink jpeg": encoded(noise().convert("CMYK"), "JPEG"),
    "png": encoded(noise(), "PNG"),
    "palette png": encoded(noise().quantize(16), "PNG"),
    "webp": encoded(noise(), "WEBP"),
    "lossless webp": encoded(noise(), "WEBP", lossless=True),
    "gif": encoded(noise(), "GIF"),
    "bmp": encoded(noise(), "BMP"),
    "tiff": encoded(noise(), "TIFF"),
    "deflated tiff": encoded(noise(), "TIFF", compression="tiff_deflate"),
    "pages": encoded(noise(), "TIFF", save_all=True, append_images=[noise()]),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_is_cut_off_is_refused_or_whole_but_never_part_grey(name: str) -> None:
    data = FILES[name]
    whole = np.asarray(decoded(data))
    refused = 0

    for length in [*range(0, len(data), max(1, len(data) // 40)), len(data) - 1]:
        try:
            part = np.asarray(decoded(data[:length]))
        except UnreadableFileError:
            refused += 1
        else:
            assert np.array_equal(part, whole)

    assert refused >= 20


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)


def test_a_bomb_is_refused_by_its_header() -> None:
    data = png_header(30_000, 30_000) + chunk(b"IDAT", zlib.compress(b"\0" * 100))

    for read in (open_image, read_size):
        with pytest.raises(FileTooLargeError, match="30000 × 30000") as caught:
            read(data, max_pixels=64_000_000, name="bomb.png")
        assert "max_image_megapixels" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_one_pixel_over_the_limit_is_too_many(kind: str) -> None:
    data = encoded(noise(90, 60), kind)

    assert open_image(data, max_pixels=5400, name=kind).size == (90, 60)
    with pytest.raises(FileTooLargeError):
        open_image(data, max_pixels=5399, name=kind)
    with pytest.raises(FileTooLargeError):
        read_size(data, max_pixels=5399, name=kind)


def test_a_picture_over_the_limit_of_pillow_is_read_if_ours_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Warnings are errors in this test run, so a warning of Pillow would fail it.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)

    assert decoded(encoded(noise(90, 60), "PNG")).size == (90, 60)


def test_the_switches_of_pillow_stay_as_they_are() -> None:
    before = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)

    decoded(FILES["tiff"])

    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7", b"RIFF0000WAVE", b"\xff\xd8\xff"])
def test_other_bytes_are_unreadable(data: bytes) -> None:
    for read in (open_image, read_size):
        with pytest.raises(UnreadableFileError, match=r"'rose\.jpg'") as caught:
            read(data, max_pixels=LIMIT, name="rose.jpg")
        assert caught.value.hint


@pytest.mark.parametrize(
    ("mode", "colour", "shown"),
    [
        ("1", 1, (255, 255, 255)),
        ("1", 0, (0, 0, 0)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 255), (77, 77, 77)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
    ],
)
def test_modes_come_out_as_colours(mode: str, colour: int | Colour, shown: Colour) -> None:
    assert first_pixel(Image.new(mode, (4, 4), colour), "PNG") == shown


def test_a_transparent_colour_is_white() -> None:
    assert first_pixel(Image.new("RGB", (4, 4), (9, 9, 9)), "PNG", transparency=(9, 9, 9)) == (
        255,
        255,
        255,
    )


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([500.0, 500.0, 500.0], [0, 0, 0]),
    ],
)
def test_floats_are_scaled(values: list[float], levels: list[int]) -> None:
    picture = Image.fromarray(np.array([values], dtype=np.float32))

    shown = np.asarray(decoded(encoded(picture, "TIFF")))

    assert shown[0, :, 0].tolist() == levels


def test_whole_numbers_of_32_bits_are_scaled() -> None:
    sixteen = Image.fromarray(np.array([[0, 32896, 65535]], dtype=np.int32))
    more = Image.fromarray(np.array([[0, 500_000, 1_000_000]], dtype=np.int32))

    for picture in (sixteen, more):
        assert np.asarray(decoded(encoded(picture, "TIFF")))[0, :, 1].tolist() == [0, 128, 255]


def test_lab_colours_become_rgb() -> None:
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), (200, 30, 30)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None

    pixel = first_pixel(lab, "TIFF")

    assert isinstance(pixel, tuple)
    assert np.abs(np.array(pixel) - (200, 30, 30)).max() <= 6


def swapped_profile() -> bytes:
    """Return an sRGB profile whose red and green primaries are swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[:] = (
        profile.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    )
    # The description must not call it sRGB, which is taken at its word.
    return bytes(profile.replace("sRGB".encode("utf-16-be"), "abcd".encode("utf-16-be")))


def test_colours_come_through_their_profile() -> None:
    picture = Image.new("RGB", (4, 4), (255, 0, 0))

    assert first_pixel(picture, "PNG") == (255, 0, 0)
    pixel = first_pixel(picture, "PNG", icc_profile=swapped_profile())
    assert isinstance(pixel, tuple)
    assert np.abs(np.array(pixel) - (0, 255, 0)).max() <= 2


@pytest.mark.parametrize("profile", [b"broken", swapped_profile()[:200]], ids=["broken", "cut"])
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_broken_profile_does_not_cost_the_picture(profile: bytes, mode: str) -> None:
    picture = noise().convert(mode)

    shown = decoded(encoded(picture, "TIFF", icc_profile=profile))

    assert np.array_equal(np.asarray(shown), np.asarray(picture.convert("RGB")))


def test_a_profile_of_other_colours_is_left_alone() -> None:
    picture = Image.new("L", (4, 4), 90)

    assert first_pixel(picture, "PNG", icc_profile=swapped_profile()) == (90, 90, 90)


def test_broken_exif_does_not_cost_the_picture() -> None:
    data = encoded(Image.new("RGB", (4, 4), (7, 7, 7)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff")

    assert decoded(data).size == (4, 4)


def test_the_suffix_does_not_matter_and_an_mpo_is_a_jpeg() -> None:
    data = encoded(noise(), "MPO", save_all=True, append_images=[noise(30, 20)])

    assert open_image(data, max_pixels=LIMIT, name="x.png").size == (90, 60)


def test_threads_read_at_the_same_time() -> None:
    found: list[tuple[int, int]] = []
    threads = [
        threading.Thread(target=lambda name=name: found.append(decoded(FILES[name]).size))
        for name in sorted(FILES)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [(90, 60)] * len(FILES)


def test_a_query_picture_may_be_a_path_bytes_or_a_pillow_image(tmp_path: Path) -> None:
    data, file = FILES["png"], tmp_path / "玫瑰.png"
    file.write_bytes(data)

    images = {}
    for value in (str(file), file, data, bytearray(data)):
        images[type(value).__name__], content_hash = image_from(value, max_pixels=LIMIT)
        assert content_hash == hash_bytes(data)
    pillow, no_hash = image_from(noise(), max_pixels=LIMIT)

    assert no_hash is None
    assert all(np.array_equal(np.asarray(pillow), np.asarray(image)) for image in images.values())


def test_a_query_photo_may_be_shrunk_while_it_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, "JPEG")

    image, content_hash = image_from(file.getvalue(), max_pixels=640 * 480, least_side=120)

    assert image.size == (160, 120)
    assert content_hash == hash_bytes(file.getvalue())


def test_a_pillow_image_is_turned_and_put_on_white() -> None:
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.getexif()[0x0112] = 6

    image, _ = image_from(picture, max_pixels=LIMIT)

    assert (image.mode, image.size) == ("RGB", (2, 4))
    assert image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("value", ["no such file.jpg", "a\0b", b"", b"hello", FILES["png"][:900]])
def test_an_unreadable_query_picture_is_an_invalid_query(value: str | bytes) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        image_from(value, max_pixels=LIMIT)

    assert caught.value.hint


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rose.png").write_bytes(FILES["png"])

    for value in ("~/rose.png", Path("~/rose.png")):
        assert image_from(value, max_pixels=LIMIT)[0].size == (90, 60)


@pytest.mark.parametrize("value", ["no such file.jpg", "~nobody at all/rose.jpg"])
def test_a_query_picture_that_is_not_there_is_told_in_plain_words(value: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        image_from(value, max_pixels=LIMIT)

    assert caught.value.message == f"There is no file {value!r}."


def test_a_path_through_a_file_leads_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(InvalidQueryError, match="There is no file"):
        image_from(tmp_path / "a" / "rose.jpg", max_pixels=LIMIT)


def test_a_folder_as_a_query_picture_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        image_from(tmp_path, max_pixels=LIMIT)

    assert caught.value.message.endswith("cannot be read: Is a directory.")


@pytest.mark.parametrize("value", [7, ["rose.jpg"], np.zeros((2, 2, 3), dtype=np.uint8)])
def test_a_query_picture_of_another_type_is_named(value: object) -> None:
    with pytest.raises(InvalidQueryError, match=f"type '{type(value).__name__}'") as caught:
        image_from(value, max_pixels=LIMIT)  # type: ignore[arg-type]  # what untyped programs pass

    assert "a Pillow image" in (caught.value.hint or "")


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_pillow_image_without_pixels_is_an_invalid_query(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidQueryError, match=f"no pixels: it is {size[0]} × {size[1]}"):
        image_from(Image.new("RGB", size), max_pixels=LIMIT)


@pytest.mark.parametrize("value", [noise(), FILES["png"]])
def test_an_enormous_query_picture_is_an_invalid_query(value: bytes | Image.Image) -> None:
    with pytest.raises(InvalidQueryError, match="90 × 60"):
        image_from(value, max_pixels=100)


def test_a_pillow_image_of_a_cut_file_is_an_invalid_query() -> None:
    lazy = Image.open(io.BytesIO(FILES["png"][:2000]))

    with pytest.raises(InvalidQueryError, match="cut off"):
        image_from(lazy, max_pixels=LIMIT)


def test_a_thumbnail_fits_and_keeps_its_shape() -> None:
    picture = noise(90, 60)

    assert thumbnail(picture, 30).size == (30, 20)
    assert thumbnail(picture, 500).size == (90, 60)
    assert picture.size == (90, 60)


def test_a_query_picture_that_is_a_pipe_or_a_device_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    for file in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(InvalidQueryError, match="no regular file"):
            image_from(file, max_pixels=100)


def test_a_query_picture_without_end_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "sparse.png").open("wb") as stream:
        stream.truncate(100_000_000_000)

    with pytest.raises(InvalidQueryError, match="100000000000 bytes"):
        image_from(tmp_path / "sparse.png", max_pixels=100)


def test_a_tiff_of_a_mode_that_is_not_read_is_told_as_such() -> None:
    data = bytearray(encoded(noise(), "TIFF"))
    photometric = data.find(struct.pack("<HHI", 262, 3, 1))
    data[photometric + 8 : photometric + 10] = struct.pack("<H", 32845)  # LogLuv

    with pytest.raises(UnreadableFileError, match="of a kind that is not read here") as caught:
        decoded(bytes(data))

    assert caught.value.hint == "Save it as a JPEG or PNG file."
