"""Pictures whose EXIF, XMP, IPTC and ICC blocks are garbage or bombs. The pictures are healthy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from tests.hostile.bombs import chunk, png
from tests.hostile.kinds import files
from tests.hostile.pictures import healthy

_MOST: Final = 0xFFFFFFFF

LAUGHS: Final = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><x>&a11;</x>"
)
OUTSIDE: Final = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">'
    b'<!ENTITY % b SYSTEM "http://127.0.0.1:9/evil.dtd"> %b;]><x>&a;</x>'
)
NESTED: Final = b"<a>" * 120_000 + b"</a>" * 120_000
NAMESPACES: Final = b"<x " + b" ".join(b'xmlns:n%d="u%d"' % (n, n) for n in range(30_000)) + b"/>"
CLAIMS: Final = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description><dc:subject><rdf:Bag>'
    + b"".join(b"<rdf:li>word %d</rdf:li>" % n for n in range(30_000))
    + b"</rdf:Bag></dc:subject></rdf:Description></rdf:RDF>"
)


def with_segment(marker: int, data: bytes) -> bytes:
    """Return a healthy JPEG with one more segment in front."""
    picture = healthy("JPEG")
    return picture[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + picture[2:]


def exif(entries: Sequence[tuple[int, int, int, int]], *, following: int = 0) -> bytes:
    """Return a healthy JPEG with an EXIF block of these entries: tag, type, count, value."""
    body = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return with_segment(0xE1, b"Exif\0\0" + body + struct.pack("<I", following) + bytes(64))


def xmp(packet: bytes) -> bytes:
    """Return a healthy JPEG with an XMP packet."""
    return with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def xmp_png(packet: bytes) -> bytes:
    """Return a healthy PNG with a compressed XMP packet, which may be larger than in a JPEG."""
    return png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)))


files(
    "EXIF with every orientation",
    "taken",
    **{
        f"turned {number}__jpg": exif([(0x0112, 3, 1, number)])
        for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65_535)
    },
    text__jpg=exif([(0x0112, 2, 4, 0x41414141)]),
    many__jpg=exif([(0x0112, 3, 2, 6)]),
)
files(
    "EXIF that leads nowhere",
    "taken",
    offset__jpg=exif([(0x010E, 2, 100, _MOST)]),
    loop__jpg=exif([(0x8769, 4, 1, 8)], following=8),
    counts__jpg=exif([(0x010E, 2, _MOST, 8), (0x9286, 7, _MOST, 8)]),
    types__jpg=exif([(0x010E, 99, 1, 0), (0x0112, 0, 1, 6)]),
    flood__jpg=exif([(0x010E, 2, 60_000, 0)] * 4_000),
    empty__jpg=with_segment(0xE1, b"Exif\0\0"),
    cut__jpg=with_segment(0xE1, b"Exif\0\0MM\0*\0\0"),
    noise__jpg=with_segment(0xE1, b"Exif\0\0" + bytes(range(256)) * 100),
    inner__jpg=exif([(0x8769, 4, 1, _MOST), (0x8825, 4, 1, 7), (0xA005, 4, 1, 8)]),
)
files(
    "XMP bombs",
    "taken",
    laughs__jpg=xmp(LAUGHS),
    laughs__png=xmp_png(LAUGHS),
    outside__jpg=xmp(OUTSIDE),
    nested__png=xmp_png(NESTED),
    namespaces__png=xmp_png(NAMESPACES),
    claims__png=xmp_png(CLAIMS),
    cut__jpg=xmp(CLAIMS[:60_000]),
    encoding__jpg=xmp(b'<?xml version="1.0" encoding="no-such"?><x/>'),
    wide__jpg=xmp("<x>\ufeff</x>".encode("utf-16")),
    noise__jpg=xmp(bytes(range(256)) * 200),
)
files(
    "IPTC and ICC garbage",
    "taken",
    iptc__jpg=with_segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + b"\xff" * 500),
    sizes__jpg=with_segment(
        0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x20\x1c\x02\x05\xff\xff" + bytes(40)
    ),
    none__jpg=with_segment(0xED, b"Photoshop 3.0\0"),
    icc__jpg=with_segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"no profile" * 50),
    parts__jpg=with_segment(0xE2, b"ICC_PROFILE\0\xff\xff" + bytes(128)),
    adobe__jpg=with_segment(0xEE, b"Adobe\0\x64\0\0\0\0\x02"),
    jfif__jpg=with_segment(0xE0, b"JFIF\0\xff\xff\x07\xff\xff\xff\xff"),
    comment__jpg=with_segment(0xFE, b"\x1b]0;owned\x07" * 1_000),
)
