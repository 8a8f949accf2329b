"""What a picture says of itself in its EXIF, IPTC and XMP blocks. Reads headers, decodes no pixel.

A block that is damaged, or that tries to be more than a picture has to say, is left out; it never
costs the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from florilegium.cards import card_words
from florilegium.errors import SourceError
from florilegium.fields import Fields, plain, to_fields
from florilegium.images import DECODING_ERRORS, open_tags, quiet
from florilegium.xmp import read_xmp

_Pairs: TypeAlias = list[tuple[str, str]]

_MOST_XMP_BYTES = 2_000_000
_LONGEST = 20_000  # characters; what is longer describes a measurement, as OME-XML does
_WIDE_TAGS: Final[dict[int, str]] = {  # Windows writes these in UTF-16
    0x9C9B: "title",
    0x9C9C: "caption",
    0x9C9D: "creator",
    0x9C9E: "keywords",
}
_COMMENT_CODES: Final[dict[bytes, str]] = {
    b"ASCII\0\0\0": "",
    b"UNICODE\0": "utf-16",
    b"JIS\0\0\0\0\0": "iso2022_jp",
    b"\0\0\0\0\0\0\0\0": "",
}
_IPTC: Final[dict[tuple[int, int], str]] = {
    (2, 5): "title",
    (2, 105): "title",
    (2, 120): "caption",
    (2, 25): "keywords",
    (2, 55): "date",
    (2, 80): "creator",
    (2, 90): "place",
    (2, 92): "place",
    (2, 95): "place",
    (2, 101): "place",
}
_PNG: Final = {"Title": "title", "Description": "caption", "Author": "creator"}
# What cameras and programs write where people would describe the picture.
_EMPTY_WORDS: Final = re.compile(
    r"[\W_]*(?:(?:olympus|samsung|minolta|konica|kodak|sony|nikon|canon|fujifilm|casio|ricoh|pentax"
    r"|panasonic|digital|still|camera|cameras|picture|dsc|dcf|dcim|default|exif|jpeg|jpg|image"
    r"|untitled|no title|no description|unknown|none|null|ascii|charset)[\W_]*)+",
    re.IGNORECASE,
)


def read_metadata(data: bytes, *, max_pixels: int, name: str) -> Fields:
    """Return the fields that a picture holds; none when nothing in it can be read.

    Args:
        data: The bytes of a picture file.
        max_pixels: As for `read_size`.
        name: What to call the picture in errors.
    """
    try:
        image = open_tags(data, max_pixels=max_pixels, name=name)
    except SourceError:
        return ()
    exif, xmp, iptc = (_readable(read, image) for read in (_exif, _xmp, _iptc))
    png = [(field, str(image.info[key])) for key, field in _PNG.items() if key in image.info]
    pairs: dict[tuple[str, str], None] = {}
    dates: _Pairs = []
    for field, value in (*exif, *xmp, *iptc, *png):
        text = plain(value)
        if field == "date":
            dates.append((field, text))
        elif len(text) <= _LONGEST and not _says_nothing(field, text):
            pairs[field, text] = None
    # They are copies of one another, and the first one is the camera's.
    read = [_checked([pair]) for pair in dates]
    taken = [one for fields in read for one in fields if one[0] == "date"]
    return _checked([*pairs, *taken[:1]])


def _checked(pairs: Iterable[tuple[str, str]]) -> Fields:
    try:
        return to_fields(pairs)
    except ValueError:
        return ()


def _readable(read: Callable[[ImageFile.ImageFile], _Pairs], image: ImageFile.ImageFile) -> _Pairs:
    try:
        with quiet():
            return read(image)
    except (*DECODING_ERRORS, MemoryError):
        return []


def _says_nothing(field: str, text: str) -> bool:
    if field not in {"title", "caption"}:
        return False
    # "DSC_0001.JPG" as a title is the camera's name of the file.
    return bool(_EMPTY_WORDS.fullmatch(text)) or not card_words(text.replace("/", " "))


# -- EXIF --


def _exif(image: ImageFile.ImageFile) -> _Pairs:
    # Not image.getexif(), which decodes a PNG whose tags may stand behind its pixels.
    tags = Image.Image.getexif(image)
    pairs = [
        (field, text)
        for tag, field in ((0x010E, "caption"), (0x013B, "creator"))
        for text in _texts(tags.get(tag))
    ]
    for tag, field in _WIDE_TAGS.items():
        value = tags.get(tag)
        if isinstance(value, tuple):
            value = bytes(value)
        if isinstance(value, bytes):
            pairs.append((field, value.decode("utf-16-le", "replace").rstrip("\0")))
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    pairs += [("date", text) for tag in (0x9003, 0x9004) for text in _texts(inner.get(tag))]
    comment = inner.get(0x9286)
    if isinstance(comment, bytes) and comment[:8] in _COMMENT_CODES:
        pairs.append(("caption", _comment(comment, tags)))
    return pairs


def _comment(comment: bytes, tags: Image.Exif) -> str:
    encoding = _COMMENT_CODES[comment[:8]]
    body = comment[8:].rstrip(b"\0")
    if not encoding:
        return _decode(body)
    if encoding == "utf-16" and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Programs do not keep to the byte order of the file; zeros tell where letters are Western.
        low, high = body[1::2].count(0), body[0::2].count(0)
        big = high > low or (high == low and tags.endian == ">")
        encoding = "utf-16-be" if big else "utf-16-le"
        body += b"\0" * (len(body) % 2)
    return body.decode(encoding, "replace")


def _texts(value: object) -> list[str]:
    if isinstance(value, bytes):
        return [_decode(value.rstrip(b"\0"))]
    if isinstance(value, str):
        # Pillow reads these as Latin-1, whatever was written.
        text = value.split("\0", 1)[0]
        try:
            return [_decode(text.encode("latin-1"))]
        except UnicodeEncodeError:
            return [text]
    return []


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# -- XMP and IPTC --


def _xmp(image: ImageFile.ImageFile) -> _Pairs:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and image.format == "TIFF":
        packet = Image.Image.getexif(image).get(0x02BC)
    if isinstance(packet, str):
        packet = packet.encode()
    if isinstance(packet, tuple):
        packet = bytes(packet)
    if not isinstance(packet, bytes) or len(packet) > _MOST_XMP_BYTES:
        return []
    return list(read_xmp(packet))


def _iptc(image: ImageFile.ImageFile) -> _Pairs:
    found: Mapping[tuple[int, int], bytes | list[bytes]] = IptcImagePlugin.getiptcinfo(image) or {}
    pairs: _Pairs = []
    for key, field in _IPTC.items():
        values = found.get(key, [])
        for value in values if isinstance(values, list) else [values]:
            pairs.append((field, _decode(value)))
    return pairs
