"""Pictures: one file, one item, whose text is the words of its path, with what it says of itself.

Knows limits of size and how bytes are read; what a picture looks like is known to `images`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from PIL import Image

from florilegium.cards import card_words, shown_title
from florilegium.config_sections import IngestConfig
from florilegium.ids import item_id
from florilegium.images import open_image, read_size
from florilegium.metadata import read_metadata
from florilegium.protocols import Loader
from florilegium.reading import read_source
from florilegium.types import Item, Modality, Source

_MILLION: Final = 1_000_000
IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
)
"""Endings of the names of files that are read as pictures."""

_TOO_LARGE = "Make the file smaller, or raise ingest.max_file_megabytes."


class ImageLoader:
    """Read JPEG, PNG, WebP, GIF, BMP and TIFF files."""

    def __init__(self, *, max_file_megabytes: float, max_image_megapixels: float) -> None:
        self._max_bytes = int(max_file_megabytes * _MILLION)
        self._max_pixels = int(max_image_megapixels * _MILLION)

    @property
    def suffixes(self) -> frozenset[str]:
        return IMAGE_SUFFIXES

    def load(self, source: Source) -> Iterator[Item]:
        # The header alone: whether the rest is whole shows when the picture is read.
        data = self._read(source)
        width, height = read_size(data, max_pixels=self._max_pixels, name=source.path)
        yield Item(
            id=item_id(source.path, 0),
            source=source,
            modality=Modality.IMAGE,
            ordinal=0,
            title=shown_title(source.path),
            text=card_words(source.path),
            width=width,
            height=height,
            fields=read_metadata(data, max_pixels=self._max_pixels, name=source.path),
        )

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        source = item.source
        return open_image(
            self._read(source),
            max_pixels=self._max_pixels,
            name=source.path,
            least_side=least_side,
        )

    def _read(self, source: Source) -> bytes:
        return read_source(source, max_bytes=self._max_bytes, hint=_TOO_LARGE)


def open_loader(
    model: str,  # noqa: ARG001 - a loader has one kind only
    *,
    config: IngestConfig,
    count_tokens: Callable[[str], int],  # noqa: ARG001 - a picture has no text to cut
) -> ImageLoader:
    """Return the loader of pictures with the limits of `config`."""
    return ImageLoader(
        max_file_megabytes=config.max_file_megabytes,
        max_image_megapixels=config.max_image_megapixels,
    )


_: type[Loader] = ImageLoader
