"""What a process and its workers say to each other over pipes: JSON in frames, and pixels.

Knows the forms of sources, items, descriptions and errors; not who sends them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from PIL import Image

from florilegium import errors
from florilegium.errors import FlorilegiumError
from florilegium.types import Description, Item, Modality, Reference, Source, Span

Message: TypeAlias = Mapping[str, Any]

HEADER: Final = struct.Struct(">Q")
"""Stands before each frame: how many bytes of JSON follow."""

OUT_OF_MEMORY: Final = 86
"""Exit code of a worker that came to the limit of its memory."""

_STRIP_BYTES: Final = 1 << 22
_CHANNELS: Final = 3


def frame(message: Message) -> bytes:
    """Return a message as it is sent."""
    # Escapes keep what is no Unicode, as in names and in broken texts.
    data = json.dumps(message, separators=(",", ":")).encode("ascii")
    return HEADER.pack(len(data)) + data


def from_source(source: Source) -> Message:
    """Return a source as it is sent."""
    return {
        "root": str(source.root),
        "path": source.path,
        "size": source.size,
        "modified_ns": source.modified_ns,
        "content_hash": source.content_hash,
    }


def to_source(sent: Message) -> Source:
    """Return a source that was sent."""
    return Source(**{**sent, "root": Path(sent["root"])})


def from_item(item: Item) -> Message:
    """Return an item as it is sent, which is without its source."""
    return {
        "id": item.id,
        "modality": item.modality.value,
        "ordinal": item.ordinal,
        "title": item.title,
        "text": item.text,
        "span": None if item.span is None else (item.span.start, item.span.end),
        "width": item.width,
        "height": item.height,
        "references": [(one.target, one.words) for one in item.references],
        "fields": item.fields,
    }


def to_item(sent: Message, *, source: Source) -> Item:
    """Return an item that was sent."""
    span = sent["span"]
    changed = {
        "source": source,
        "modality": Modality(sent["modality"]),
        "span": None if span is None else Span(start=span[0], end=span[1]),
        "references": tuple(Reference(target=t, words=w) for t, w in sent["references"]),
        "fields": _pairs(sent["fields"]),
    }
    return Item(**{**sent, **changed})


def from_description(description: Description) -> Message:
    """Return a description as it is sent."""
    return {"target": description.target, "fields": description.fields}


def to_description(sent: Message) -> Description:
    """Return a description that was sent."""
    return Description(target=sent["target"], fields=_pairs(sent["fields"]))


def from_error(error: FlorilegiumError) -> Message:
    """Return an error as it is sent."""
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
    }


def to_error(sent: Message) -> FlorilegiumError:
    """Return an error that was sent: of the nearest class that is ours, with its own code."""
    kind: type[FlorilegiumError] = next(
        found
        for name in sent["kinds"]
        if isinstance(found := getattr(errors, name, None), type)
        and issubclass(found, FlorilegiumError)
    )
    if sent["code"] != kind.code:
        kind = type(kind.__name__, (kind,), {"code": sent["code"], "__doc__": kind.__doc__})
    return kind(sent["message"], hint=sent["hint"])


def strips(width: int, height: int) -> Iterator[tuple[int, int, int]]:
    """Yield in which pieces pixels are sent: first row, number of rows, number of bytes."""
    # A large picture is nowhere held twice.
    row = max(1, _CHANNELS * width)
    rows = max(1, _STRIP_BYTES // row)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        yield top, count, count * row


def pixels(image: Image.Image) -> Iterator[bytes]:
    """Yield the pixels of an RGB picture in the pieces that `strips` gives."""
    for top, rows, _ in strips(image.width, image.height):
        if rows == image.height:
            yield image.tobytes()
            return
        yield image.crop((0, top, image.width, top + rows)).tobytes()


def _pairs(sent: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in sent)
