"""What was meant by a name that is not known: other APIs have other words for the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

_MEANT: Final[Mapping[str, Sequence[str]]] = {
    "image": ("picture", "images"),
    "images": ("picture",),
    "picture": ("images",),
    "pictures": ("picture", "images"),
    "photo": ("picture", "images"),
    "query": ("text", "question"),
    "text": ("question",),
    "question": ("text",),
    "limit": ("top_k",),
    "k": ("top_k",),
    "filter": ("where",),
    "filters": ("where",),
    "item": ("id",),
    "item_id": ("id",),
}


def meant_by(name: str, known: Sequence[str]) -> str | None:
    """Return which of the known names was meant, None if that cannot be told."""
    named = [meant for meant in _MEANT.get(name.lower(), ()) if meant in known]
    return next(iter(named or get_close_matches(name.lower(), known, n=1)), None)
