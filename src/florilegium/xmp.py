"""What an XMP packet says of a picture, inside of the picture or in a file beside it.

Pure. Knows Adobe's names of titles, captions, keywords, dates, makers and places; declarations of
documents and entities, by which a small file can become huge, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from florilegium.fields import Fields, to_fields

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NAMES: Final[dict[str, str]] = {
    f"{{{namespace}}}{local}": name
    for namespace, locals_ in {
        "http://purl.org/dc/elements/1.1/": {
            "title": "title",
            "description": "caption",
            "subject": "keywords",
            "creator": "creator",
        },
        "http://ns.adobe.com/photoshop/1.0/": {
            "Headline": "title",
            "DateCreated": "date",
            "City": "place",
            "State": "place",
            "Country": "place",
        },
        "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": {"Location": "place"},
        "http://ns.adobe.com/exif/1.0/": {
            "DateTimeOriginal": "date",
            "UserComment": "caption",
        },
        "http://ns.adobe.com/tiff/1.0/": {"ImageDescription": "caption", "Artist": "creator"},
        "http://ns.adobe.com/xap/1.0/": {"CreateDate": "date", "Rating": "rating"},
    }.items()
    for local, name in locals_.items()
}


def read_xmp(data: bytes) -> Fields:
    """Return the fields of an XMP packet; dates that mean the same moment are one.

    Raises:
        ValueError: It is no XML, declares entities, or says more than a picture has to say.
    """
    try:
        root = fromstring(data.strip(b"\0 \r\n\t"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, RecursionError) as error:
        raise ValueError(f"it is no XMP: {error}") from error
    pairs = [
        pair
        for description in root.iter(f"{_RDF}Description")
        for pair in (*_attributes(description), *_elements(description))
    ]
    # The day the picture was taken comes first, then the days of its copies.
    dates = [value for tag, value in pairs if _NAMES[tag] == "date"]
    taken = [value for tag, value in pairs if tag.endswith("DateTimeOriginal")] or dates
    named = [(_NAMES[tag], value) for tag, value in pairs if _NAMES[tag] != "date"]
    return to_fields([*named, *(("date", value) for value in taken[:1])])


def _attributes(description: Element) -> Iterator[tuple[str, str]]:
    for tag, value in description.attrib.items():
        if tag in _NAMES:
            yield tag, value


def _elements(description: Element) -> Iterator[tuple[str, str]]:
    for child in description:
        if child.tag not in _NAMES:
            continue
        listed = [one.text or "" for one in child.iter(f"{_RDF}li")]
        for value in listed or [child.text or ""]:
            yield child.tag, value
