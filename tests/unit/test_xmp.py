"""XMP packets become fields, and those that are more than XMP are refused."""

from __future__ import annotations

import pytest

from florilegium.xmp import read_xmp

HEAD = (
    '<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
TAIL = '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
DESCRIPTION = """<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" photoshop:City="Lyon" xmp:Rating="5"
  xmp:CreateDate="2024-06-03" exif:DateTimeOriginal="2024-06-01T12:00:00">
  <dc:title><rdf:Alt><rdf:li xml:lang="x-default">A rose</rdf:li>
    <rdf:li xml:lang="zh">玫瑰</rdf:li></rdf:Alt></dc:title>
  <dc:description>By the gate</dc:description>
  <dc:subject><rdf:Bag><rdf:li>red</rdf:li><rdf:li>old</rdf:li></rdf:Bag></dc:subject>
</rdf:Description>"""


def packet(body: str = DESCRIPTION) -> bytes:
    """Return a packet around descriptions."""
    return f"{HEAD}{body}{TAIL}".encode()


def test_titles_keywords_places_and_the_day_it_was_taken_are_read() -> None:
    assert read_xmp(packet() + b"\0\0") == (
        ("caption", "By the gate"), ("date", "2024-06-01T12:00:00"), ("keywords", "old"),
        ("keywords", "red"), ("place", "Lyon"), ("rating", "5"), ("title", "A rose"),
        ("title", "玫瑰"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"", b"no xml", packet()[:200], b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
     b'<?xml version="1.0" encoding="nonsense"?><x/>'],
)  # fmt: skip
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_xmp(data)
