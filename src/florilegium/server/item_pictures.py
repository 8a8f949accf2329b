"""Pictures of items as JPEG, in the size that is asked for; small ones are remembered.

Knows nothing of users and threads.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

from florilegium.images import thumbnail
from florilegium.library import Library
from florilegium.reading import check_unchanged

_SMALL: Final = 512  # pictures up to this side are kept in memory: a page shows many of them
_SMALL_KEPT: Final = 512
_QUALITY: Final = 88


class ItemPictures:
    """Draws pictures of items. Any number of threads may use it."""

    def __init__(self) -> None:
        self._small = lru_cache(_SMALL_KEPT)(_draw)

    def draw(self, library: Library, id_: str, *, side: int) -> bytes:
        """Return an image item as JPEG, at most `side` pixels wide and high.

        Raises ItemNotFoundError, and what `Library.read_image` does.
        """
        source = library.item(id_).source
        check_unchanged(source)  # what is remembered goes with its file
        return (self._small if side <= _SMALL else _draw)(library, id_, source.content_hash, side)

    def forget(self) -> None:
        """Free the memory of all that is remembered."""
        self._small.cache_clear()


def _draw(library: Library, id_: str, content_hash: str, side: int) -> bytes:
    del content_hash  # tells pictures of a changed file apart in the memory of small ones
    image = thumbnail(library.read_image(library.item(id_)), side)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
