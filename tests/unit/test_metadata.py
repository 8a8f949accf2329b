"""What a picture says of itself is read from its blocks; damage costs no more than the block."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from florilegium.fields import Fields
from florilegium.metadata import read_metadata
from tests.unit.test_xmp import packet

PICTURE = Image.new("RGB", (8, 8))


def read(data: bytes) -> Fields:
    return read_metadata(data, max_pixels=1000, name="rose.jpg")


def saved(kind: str = "JPEG", **options: object) -> bytes:
    """Return a picture file with blocks."""
    stream = io.BytesIO()
    PICTURE.save(stream, kind, **options)
    return stream.getvalue()


def exif(tags: dict[int, object], inner: dict[int, object] | None = None) -> Image.Exif:
    """Return an EXIF block."""
    block = Image.Exif()
    for tag, value in tags.items():
        block[tag] = value
    block.get_ifd(0x8769).update(inner or {})
    return block


def with_iptc(*records: tuple[int, int, bytes]) -> bytes:
    """Return a JPEG with an IPTC block in Photoshop's segment."""
    body = b"".join(
        b"\x1c" + bytes([number, kind]) + len(value).to_bytes(2) + value
        for number, kind, value in records
    )
    body += b"\0" * (len(body) % 2)
    segment = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(body).to_bytes(4) + body
    data = saved()
    return data[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2) + segment + data[2:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_gives_words_makers_and_the_day(kind: str) -> None:
    block = exif(
        {0x010E: b"Ros\xc3\xa9 at the gate", 0x013B: "Ana", 0x9C9B: "月季\0".encode("utf-16-le"),
         0x9C9E: "red;old".encode("utf-16-le")},
        {0x9003: "2024:06:01 12:00:00", 0x9004: "2024:06:02 12:00:00"},
    )  # fmt: skip

    assert read(saved(kind, exif=block)) == (
        ("caption", "Rosé at the gate"), ("creator", "Ana"), ("date", "2024-06-01T12:00:00"),
        ("keywords", "old"), ("keywords", "red"), ("title", "月季"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        (b"ASCII\0\0\0by the gate\0", "by the gate"),
        (b"UNICODE\0" + "über".encode("utf-16-le"), "über"),
        (b"UNICODE\0" + "über".encode("utf-16-be"), "über"),
        (b"\0" * 8 + "café".encode("cp1252"), "café"),
    ],
)
def test_comments_are_read_in_the_code_that_they_name(comment: bytes, text: str) -> None:
    assert read(saved(exif=exif({}, {0x9286: comment}))) == (("caption", text),)


@pytest.mark.parametrize(
    "words",
    ["OLYMPUS DIGITAL CAMERA", "SONY DSC", "Default", "<Digital Camera>", "DSC_0001.JPG", "   ",
     "Exif_JPEG_PICTURE", "IMG_20240601"],
)  # fmt: skip
def test_what_cameras_write_is_no_description(words: str) -> None:
    assert read(saved(exif=exif({0x010E: words}))) == ()


def test_a_measurement_is_no_description() -> None:
    assert read(saved(exif=exif({0x010E: "channel " * 3000}))) == ()


def test_iptc_is_read_in_utf_8_and_western() -> None:
    data = with_iptc(
        (1, 90, b"\x1b%G"), (2, 5, "é".encode()), (2, 25, b"red"), (2, 25, b"old"),
        (2, 55, b"20240601"), (2, 120, "café rose".encode("latin-1")), (2, 90, b"Lyon"),
    )  # fmt: skip

    assert read(data) == (
        ("caption", "café rose"), ("date", "2024-06-01"), ("keywords", "old"), ("keywords", "red"),
        ("place", "Lyon"), ("title", "é"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_xmp_is_read(kind: str) -> None:
    found = read(saved(kind, xmp=packet()))

    assert ("title", "玫瑰") in found
    assert ("date", "2024-06-01T12:00:00") in found


@pytest.mark.parametrize(
    "broken",
    [saved(xmp=b"<x"), saved(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), saved()[:30], b"", b"\xff\xd8",
     with_iptc((2, 120, b"x"))[:60], saved(xmp=packet("<rdf:li/>" * 7000))],
)  # fmt: skip
def test_damage_gives_no_fields_and_no_error(broken: bytes) -> None:
    assert read(broken) == ()


def test_a_broken_block_leaves_the_others() -> None:
    data = saved(exif=exif({0x010E: "by the gate"}), xmp=b"<broken")

    assert read(data) == (("caption", "by the gate"),)
