"""Put what was found twice under the better ranked one: equal pictures, overlapping chunks.

Pure functions of items and hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from florilegium import near_duplicates
from florilegium.types import Item, Modality, Span

_LEAST_OVERLAP = 0.5  # of the shorter of two chunks


def collapse(
    items: Sequence[Item], hashes: Mapping[str, bytes]
) -> list[tuple[Item, tuple[Item, ...]]]:
    """Return the items that stay, in their order, each with those that were put under it.

    A picture goes under an earlier one with the same content or nearly the same hash; a chunk of
    text under an earlier one of its file that it shares half of the shorter one's characters
    with, or under one that says the same but for spaces and case.

    Args:
        items: Best first, of any modality.
        hashes: Of pictures by item id, as `near_duplicates.perceptual_hash` gives them; pictures
            without one have only their content.
    """
    pictures = [item.id for item in items if item.modality is Modality.IMAGE]
    alike = near_duplicates.group(hashes, pictures)
    kept: dict[str, list[Item]] = {}
    same: dict[tuple[str, ...], str] = {}
    spans: dict[str, list[tuple[Span, str]]] = {}
    by_id: dict[str, Item] = {}
    for item in items:
        if item.id in by_id:
            continue
        by_id[item.id] = item
        keys = _keys(item)
        over = next((same[key] for key in keys if key in same), None)
        over = over or _standing(alike.get(item.id), kept) or _overlapped(item, spans)
        if over is not None:
            kept[over].append(item)
            continue
        kept[item.id] = []
        same |= dict.fromkeys(keys, item.id)
        if item.modality is Modality.TEXT and item.span is not None:
            spans.setdefault(item.source.path, []).append((item.span, item.id))
    return [(by_id[id_], tuple(under)) for id_, under in kept.items()]


def _keys(item: Item) -> list[tuple[str, ...]]:
    """Return what makes an item the same as another."""
    if item.modality is Modality.IMAGE:
        return [("picture", item.source.content_hash, str(item.ordinal))]
    words = " ".join(item.text.split()).casefold()
    return [("text", words)] if words else []


def _standing(id_: str | None, kept: Mapping[str, object]) -> str | None:
    """Return the id if its item stays, so others may go under it."""
    return id_ if id_ in kept else None


def _overlapped(item: Item, spans: Mapping[str, Sequence[tuple[Span, str]]]) -> str | None:
    if item.modality is not Modality.TEXT or item.span is None:
        return None
    for span, id_ in spans.get(item.source.path, ()):
        shared = min(span.end, item.span.end) - max(span.start, item.span.start)
        shorter = min(span.end - span.start, item.span.end - item.span.start)
        if shared > 0 and shared >= _LEAST_OVERLAP * shorter:
            return id_
    return None
