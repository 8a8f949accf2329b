"""Entity tags: clients that have a picture already are told so, instead of being sent it again."""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(content_hash: str, *, side: int) -> str:
    """Return the tag of a picture in a size: weak, as another version may encode it anew."""
    return f'W/"{content_hash}-{side}"'


def has_already(if_none_match: str | None, etag: str) -> bool:
    """Return whether a client says by If-None-Match that it has what the tag stands for."""
    if if_none_match is None:
        return False
    opaque = etag.removeprefix("W/")
    return if_none_match.strip() == "*" or opaque in _TAG.findall(if_none_match)
