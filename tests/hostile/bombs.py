"""Pictures that are small on the disk and try to be huge, or endless, in memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from tests.conftest import draw
from tests.hostile.kinds import files, kind
from tests.hostile.pictures import encoded, healthy

_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_INFLATED: Final = 128_000_000
_MOST: Final = 0xFFFFFFFF


def deflated_zeros(size: int = _INFLATED) -> bytes:
    """Return zlib data that inflates to `size` zeros; made in pieces, so it takes no memory."""
    packer = zlib.compressobj(9)
    piece = bytes(1_000_000)
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


BOMB: Final = deflated_zeros()


def chunk(name: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks: bytes, width: int = 8, height: int = 8, pixels: bytes | None = None) -> bytes:
    """Return a grey PNG with chunks between its header and its pixels."""
    rows = zlib.compress(bytes((width + 1) * height)) if pixels is None else pixels
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return _MAGIC + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND")


def tiff(
    tags: Mapping[int, tuple[int, int, int]], *, following: int = 0, data: bytes = b""
) -> bytes:
    """Return a little-endian TIFF: each tag has a type, a count, and a value or an offset."""
    entries = b"".join(
        struct.pack("<HHI", tag, type_, count) + struct.pack("<I", value)
        for tag, (type_, count, value) in sorted(tags.items())
    )
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    return head + entries + struct.pack("<I", following) + data


def grey_tiff(changes: Mapping[int, tuple[int, int, int]], *, following: int = 0) -> bytes:
    """Return a grey TIFF of 8 × 8 pixels with changed tags."""
    tags = {
        256: (4, 1, 8), 257: (4, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, 8), 279: (4, 1, 64), **changes,
    }  # fmt: skip
    return tiff(tags, following=following, data=bytes(200))


files("PNG whose pixels inflate to 128 MB", "any", bomb__png=png(pixels=BOMB))
files(
    "PNG whose texts inflate to 128 MB",
    "any",
    zTXt__png=png(chunk(b"zTXt", b"Title\0\0" + BOMB)),
    iTXt__png=png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)),
    iCCP__png=png(chunk(b"iCCP", b"icc\0\0" + BOMB)),
)
files(
    "PNG with 20,000 texts",
    "any",
    texts__png=png(*(chunk(b"tEXt", b"Comment\0%d" % number) for number in range(20_000))),
    long__png=png(*(chunk(b"tEXt", b"Title\0" + b"rose " * 30_000) for _ in range(20))),
)
files(
    "PNG with wrong chunks",
    "failed",
    "source_unreadable",
    length__png=_MAGIC + struct.pack(">I", _MOST) + b"IHDR" + bytes(100),
    first__png=_MAGIC + chunk(b"IDAT", b"x") + chunk(b"IEND"),
    none__png=_MAGIC + chunk(b"IEND"),
    zero__png=png(width=0, height=0),
    half__png=png(pixels=zlib.compress(bytes(20))),
    noise__png=png(pixels=b"no zlib at all"),
)
files(
    "PNG with chunks that hinder nobody",
    "any",
    unknown__png=png(chunk(b"ruSt", bytes(50_000))),
    exif__png=png(chunk(b"eXIf", b"garbage" * 99)),
    profile__png=png(chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"no profile"))),
    frames__png=png(chunk(b"acTL", struct.pack(">II", _MOST, 0))),
    twice__png=png(chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))),
)


@kind("PNG of 1 bit that would take gigabytes", "failed", "source_too_large")
def _(folder: Path) -> None:
    rows = deflated_zeros(4_000_000)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0))
    (folder / "bits.png").write_bytes(_MAGIC + head + chunk(b"IDAT", rows) + chunk(b"IEND"))


def gif(frames: int, *, canvas: tuple[int, int], at: tuple[int, int] = (0, 0)) -> bytes:
    """Return a GIF of many frames of one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", *at, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


files("GIF of 50,000 frames", "taken", frames__gif=gif(50_000, canvas=(2, 2)))
files(
    "GIF with frames beyond its canvas",
    "any",
    canvas__gif=gif(1, canvas=(60_000, 60_000)),
    outside__gif=gif(3, canvas=(1, 1), at=(65_000, 65_000)),
    none__gif=gif(0, canvas=(9, 9)),
    zero__gif=gif(1, canvas=(0, 0)),
    codes__gif=gif(1, canvas=(4, 4)).replace(b"\x02\x02\x44\x01", b"\x0c\xff\xff\xff"),
)
files(
    "TIFF that leads back to itself",
    "any",
    next__tif=grey_tiff({}, following=8),
    exif__tif=grey_tiff({0x8769: (4, 1, 8), 0x8825: (4, 1, 8)}),
    inner__tif=grey_tiff({330: (4, 1, 8)}),
    strips__tif=grey_tiff({273: (4, 1, 0)}),
    start__tif=b"II*\0\0\0\0\0",
)
files(
    "TIFF with counts of 2^32",
    "any",
    strips__tif=grey_tiff({273: (4, _MOST, 8), 279: (4, _MOST, 8)}),
    bytes__tif=grey_tiff({279: (4, 1, _MOST)}),
    offset__tif=grey_tiff({273: (4, 1, _MOST)}),
    text__tif=grey_tiff({270: (2, _MOST, 8)}),
    samples__tif=grey_tiff({277: (3, 1, 65_535)}),
    bits__tif=grey_tiff({258: (3, 1, 65_535)}),
    rows__tif=grey_tiff({278: (4, 1, 0)}),
    ways__tif=grey_tiff({259: (3, 1, 65_000)}),
    types__tif=grey_tiff({256: (99, 1, 8)}),
    entries__tif=b"II*\0\x08\0\0\0\xff\xff" + bytes(1_000),
    big__tif=b"II+\0\x08\0\0\0" + b"\xff" * 64,
)
files(
    "TIFF with enormous tiles or sides",
    "failed",
    tile__tif=grey_tiff({322: (4, 1, 2**31 - 1), 323: (4, 1, 2**31 - 1)}),
    sides__tif=grey_tiff({256: (4, 1, _MOST), 257: (4, 1, _MOST)}),
    wide__tif=grey_tiff({256: (4, 1, 100_000), 257: (4, 1, 100_000)}),
    zero__tif=grey_tiff({256: (4, 1, 0), 257: (4, 1, 0)}),
)


@kind("TIFF in compressions that lie", "any")
def _(folder: Path) -> None:
    large = Image.new("L", (400, 400))
    for way in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4", "zstd"):
        image = large.convert("1") if way == "group4" else large
        data = bytearray(encoded(image, "TIFF", compression=way))
        data[8 : min(len(data), 60)] = bytes(min(len(data), 60) - 8)
        (folder / f"{way}.tif").write_bytes(data)
        whole = encoded(draw("blue", "circle"), "TIFF", compression="tiff_lzw")
        (folder / f"{way} cut.tif").write_bytes(whole[: len(whole) // 2])


@kind("TIFF of 2,000 pages", "taken")
def _(folder: Path) -> None:
    stream = io.BytesIO()
    page = Image.new("L", (1, 1))
    page.save(stream, format="TIFF", save_all=True, append_images=[page] * 1_999)
    (folder / "pages.tif").write_bytes(stream.getvalue())


def riff(*parts: bytes, size: int | None = None) -> bytes:
    """Return a WebP file of these parts."""
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def part(name: bytes, data: bytes) -> bytes:
    """Return a part of a WebP file."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


_LARGEST: Final = b"\xff\x3f\0" * 2
_PIXELS: Final = healthy("WEBP")[12:]
files(
    "WebP that lies of itself",
    "any",
    canvas__webp=riff(part(b"VP8X", b"\x02\0\0\0" + _LARGEST), _PIXELS),
    size__webp=riff(_PIXELS, size=_MOST),
    short__webp=riff(_PIXELS, size=4),
    empty__webp=riff(),
    frames__webp=riff(
        part(b"VP8X", b"\x02\0\0\0" + b"\x2f\0\0" * 2),
        part(b"ANIM", bytes(6)),
        *[part(b"ANMF", bytes(16) + _PIXELS)] * 2_000,
    ),
    lossless__webp=riff(part(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(40))),
    wave__webp=b"RIFF\x04\0\0\0WAVE",
)


def bmp(changes: Mapping[int, bytes]) -> bytes:
    """Return a BMP with bytes changed at offsets."""
    data = bytearray(healthy("BMP"))
    for at, value in changes.items():
        data[at : at + len(value)] = value
    return bytes(data)


files(
    "BMP that lies of itself",
    "any",
    offset__bmp=bmp({10: struct.pack("<I", _MOST)}),
    down__bmp=bmp({22: struct.pack("<i", -48)}),
    least__bmp=bmp({22: struct.pack("<i", -(2**31))}),
    colours__bmp=bmp({28: struct.pack("<H", 8), 46: struct.pack("<I", _MOST)}),
    runs__bmp=bmp({28: struct.pack("<H", 8), 30: struct.pack("<I", 1)}),
    header__bmp=bmp({14: struct.pack("<I", _MOST)}),
    bits__bmp=bmp({28: struct.pack("<H", 65_535)}),
)
