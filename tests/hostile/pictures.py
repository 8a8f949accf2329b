"""Pictures of every format: cut off, misnamed, damaged, tiny, long, and of unusual pixels."""

from __future__ import annotations

import io
import random
import struct
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from tests.conftest import draw
from tests.hostile.kinds import add_kind, files, kind

SUFFIXES: Final = {
    "JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif",
}  # fmt: skip
TEXT_SUFFIXES: Final = (".txt", ".md", ".html")
_CUTS = 64
_STEPS = 12


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return the bytes of a picture file."""
    stream = io.BytesIO()
    image.save(stream, format=format_, **options)
    return stream.getvalue()


def healthy(format_: str) -> bytes:
    """Return a small healthy picture file."""
    return encoded(draw("red", "square", size=48), format_)


def boundaries(data: bytes, format_: str) -> list[int]:
    """Return where the parts of a file begin, as far as its format tells."""
    if format_ == "JPEG":
        return [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] >= 0xC0]
    if format_ == "PNG":
        found, at = [], 8
        while at + 8 <= len(data):
            found += [at, at + 4, at + 8]
            at += 12 + int.from_bytes(data[at : at + 4])
        return found
    return [len(data) * step // _STEPS for step in range(1, _STEPS)]


def _write_cut(folder: Path, *, format_: str) -> None:
    data = healthy(format_)
    for at in sorted({*range(1, _CUTS), *boundaries(data, format_), len(data) - 1}):
        (folder / f"cut {at}{SUFFIXES[format_]}").write_bytes(data[:at])


def _write_misnamed(folder: Path, *, format_: str) -> None:
    for suffix in {*SUFFIXES.values(), ".jpeg", ".tiff", ".JPG"} - {SUFFIXES[format_]}:
        (folder / f"misnamed{suffix}").write_bytes(healthy(format_))


def _write_as_text(folder: Path, *, format_: str) -> None:
    for suffix in TEXT_SUFFIXES:
        (folder / f"picture{suffix}").write_bytes(healthy(format_))


def _write_flipped(folder: Path, *, format_: str) -> None:
    chance = random.Random(format_)
    for number in range(16):
        data = bytearray(healthy(format_))
        for _ in range(1 + number):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (folder / f"flipped {number}{SUFFIXES[format_]}").write_bytes(data)


def _write_padded(folder: Path, *, format_: str) -> None:
    chance = random.Random(format_)
    data = healthy(format_)
    (folder / f"twice{SUFFIXES[format_]}").write_bytes(data + data)
    (folder / f"noise{SUFFIXES[format_]}").write_bytes(data + chance.randbytes(10_000))
    (folder / f"zeros{SUFFIXES[format_]}").write_bytes(data + bytes(1_000_000))


for _format in SUFFIXES:
    add_kind(f"{_format} cut at every boundary", "any", partial(_write_cut, format_=_format))
    add_kind(f"{_format} under other suffixes", "taken", partial(_write_misnamed, format_=_format))
    add_kind(
        f"{_format} named as text",
        "failed",
        partial(_write_as_text, format_=_format),
        "source_unreadable",
    )
    add_kind(f"{_format} with flipped bytes", "any", partial(_write_flipped, format_=_format))
    add_kind(f"{_format} with more behind", "taken", partial(_write_padded, format_=_format))


@kind("empty pictures", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for suffix in SUFFIXES.values():
        (folder / f"empty{suffix}").write_bytes(b"")


@kind("pictures of one byte", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for suffix in SUFFIXES.values():
        (folder / f"byte{suffix}").write_bytes(b"\xff")


@kind("pictures of nothing but their magic", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for format_, suffix in SUFFIXES.items():
        (folder / f"magic{suffix}").write_bytes(healthy(format_)[:8] + bytes(4_000))


@kind("texts and noise named as pictures", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for suffix in SUFFIXES.values():
        (folder / f"text{suffix}").write_bytes(b"A rose is a rose.")
        (folder / f"noise{suffix}").write_bytes(random.Random(suffix).randbytes(5_000))


@kind("pictures of formats that nobody asked for", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for number, format_ in enumerate(("PPM", "ICO", "TGA", "PCX", "EPS", "PDF", "JPEG2000")):
        (folder / f"other {number}.jpg").write_bytes(healthy(format_))
    (folder / "vector.png").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"/>')


@kind("pictures of one pixel", "taken")
def _(folder: Path) -> None:
    for format_, suffix in SUFFIXES.items():
        (folder / f"pixel{suffix}").write_bytes(encoded(Image.new("RGB", (1, 1)), format_))


@kind("pictures 100,000 pixels long", "taken")
def _(folder: Path) -> None:
    for size in ((100_000, 1), (1, 100_000)):
        data = encoded(Image.new("L", size, 90), "PNG")
        (folder / f"long {size[0]}.png").write_bytes(data)


@kind("headers of 65,535 and 100,000 pixels", "failed", "source_too_large")
def _(folder: Path) -> None:
    png = bytearray(healthy("PNG"))
    png[16:24] = struct.pack(">II", 100_000, 100_000)
    # Pillow checks the sums of such chunks.
    import zlib

    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (folder / "large.png").write_bytes(png)
    jpeg = bytearray(healthy("JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_535, 65_535)
    (folder / "large.jpg").write_bytes(jpeg)
    gif = bytearray(healthy("GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    (folder / "large.gif").write_bytes(gif)
    bmp = bytearray(healthy("BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    (folder / "large.bmp").write_bytes(bmp)


@kind("unusual pixels", "taken")
def _(folder: Path) -> None:
    red = draw("red", "square", size=32)
    deep = Image.new("I;16", (32, 32), 40_000)
    for name, image, format_ in (
        ("16 bits", deep, "PNG"),
        ("16 bits", deep, "TIFF"),
        ("32 bits", Image.new("I", (32, 32), 70_000), "TIFF"),
        ("float", Image.new("F", (32, 32), 0.4), "TIFF"),
        ("float out of range", Image.new("F", (32, 32), float("inf")), "TIFF"),
        ("float without a number", Image.new("F", (32, 32), float("nan")), "TIFF"),
        ("cmyk", red.convert("CMYK"), "JPEG"),
        ("cmyk", red.convert("CMYK"), "TIFF"),
        ("lab", Image.new("LAB", (32, 32), (50, 60, 70)), "TIFF"),
        ("palette", red.convert("P"), "PNG"),
        ("palette", red.convert("P"), "BMP"),
        ("grey with alpha", red.convert("LA"), "PNG"),
        ("alpha", red.convert("RGBA"), "WEBP"),
        ("one bit", red.convert("1"), "PNG"),
        ("one bit", red.convert("1"), "TIFF"),
        ("grey", red.convert("L"), "JPEG"),
    ):
        file = folder / f"{name} {format_}{SUFFIXES[format_]}"
        file.write_bytes(encoded(image, format_))
    (folder / "progressive.jpg").write_bytes(encoded(red, "JPEG", progressive=True))
    (folder / "clear palette.png").write_bytes(encoded(red.convert("P"), "PNG", transparency=0))


@kind("animated pictures", "taken")
def _(folder: Path) -> None:
    frames = [draw(colour, "circle", size=24) for colour in ("red", "green", "blue")]
    for format_ in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
        (folder / f"moving{SUFFIXES[format_]}").write_bytes(data)


def _jpeg_without(marker: bytes) -> bytes:
    data = healthy("JPEG")
    at = data.index(marker)
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]


def _with_sides(height: int, width: int) -> bytes:
    data = bytearray(healthy("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


_SCAN: Final = healthy("JPEG").index(b"\xff\xda")

files(
    "JPEG without what decoding needs",
    "failed",
    "source_unreadable",
    tables__jpg=_jpeg_without(b"\xff\xdb"),
    frame__jpg=_jpeg_without(b"\xff\xc0"),
    zero__jpg=_with_sides(0, 0),
    flat__jpg=_with_sides(0, 48),
    end__jpg=b"\xff\xd8\xff\xd9",
)
files(
    "JPEG that goes on and on",
    "any",
    segments__jpg=healthy("JPEG")[:2] + b"\xff\xe5\x00\x04ab" * 50_000 + healthy("JPEG")[2:],
    scans__jpg=healthy("JPEG")[:-2] + healthy("JPEG")[_SCAN:-2] * 300 + b"\xff\xd9",
    fill__jpg=healthy("JPEG")[:2] + b"\xff" * 100_000 + healthy("JPEG")[2:],
)
