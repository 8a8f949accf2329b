"""Keep a perceptual hash of every picture: taken where it is decoded, filled in where it lacks.

Writes the embedding cache and one fact of the catalog.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image

from florilegium.cache import EmbeddingCache
from florilegium.encode import picture_key
from florilegium.errors import SourceError
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.near_duplicates import ALGORITHM, perceptual_hash
from florilegium.protocols import Loader
from florilegium.read_ahead import ReadAhead
from florilegium.scan import check_unchanged
from florilegium.types import Item, Modality, Source

logger = logging.getLogger(__name__)

_FACT = "picture hashes"
_BATCH = 64  # hashes written together; those of a run that dies are filled in by the next one
_LEAST_SIDE = 256  # pixels that a picture may be shrunk to while it is decoded for its hash alone
_BYTES_PER_PIXEL = 4


def hashes_of(items: Sequence[Item], cache: EmbeddingCache) -> dict[str, bytes]:
    """Return the hashes of pictures by item id; what has none or shows too little is left out."""
    keys = {item.id: picture_key(item) for item in items if item.modality is Modality.IMAGE}
    known = cache.hashes(list(keys.values()))
    return {id_: known[key] for id_, key in keys.items() if key in known}


class PictureHashes:
    """The hashes that one run of ingest takes."""

    def __init__(self, index: Index) -> None:
        """Keep the index; nothing is read yet."""
        self._index = index
        self._lock = threading.Lock()
        self._new: dict[str, bytes | None] = {}

    def watch(self, loaders: Sequence[Loader]) -> list[Loader]:
        """Return the loaders so that each picture they read leaves its hash here."""
        return [_Watched(loader, self) for loader in loaders]

    def begin(self) -> None:
        """Note that pictures may lack a hash, until `complete` has seen to it."""
        self._index.catalog.set_fact(_FACT, "due")

    def take(self, item: Item, image: Image.Image) -> None:
        """Compute the hash of a picture, from any thread, and write it with the next ones."""
        hash_ = perceptual_hash(image)
        with self._lock:
            self._new[picture_key(item)] = hash_
            if len(self._new) >= _BATCH:
                self._write()

    def complete(
        self,
        by_suffix: Mapping[str, Loader],
        *,
        threads: int | None = None,
        abandon: Callable[[], None] | None = None,
    ) -> None:
        """Write what is left, and decode those pictures of the index that have no hash yet.

        A picture that cannot be read any more is left out; the next run says so.

        Args:
            by_suffix: Who reads pictures.
            threads: How many read at a time.
            abandon: Called if Ctrl-C comes while loaders read.
        """
        with self._lock:
            self._write()
        if self._index.catalog.fact(_FACT) == ALGORITHM and self._has_first():
            return
        missing: dict[str, Item] = {}
        for page in self._index.pages(Modality.IMAGE):
            pictures = {picture_key(item): item for item, _ in page}
            known = self._index.cache.hashed(list(pictures))
            missing |= {key: item for key, item in pictures.items() if key not in known}
        if missing:
            logger.info("hashing %d pictures that have no perceptual hash yet", len(missing))
            self._fill(list(missing.values()), by_suffix, threads=threads, abandon=abandon)
        self._index.catalog.set_fact(_FACT, ALGORITHM)

    def _has_first(self) -> bool:
        # A lost cache lacks all hashes, so one picture tells.
        catalog, pictures = self._index.catalog, self._index.pictures
        ids = [item_of(id_) for id_ in catalog.first_records(pictures, limit=1)]
        keys = [picture_key(item) for item in catalog.items(ids).values()]
        return self._index.cache.hashed(keys) == set(keys)

    def _fill(
        self,
        items: Sequence[Item],
        by_suffix: Mapping[str, Loader],
        *,
        threads: int | None,
        abandon: Callable[[], None] | None,
    ) -> None:
        with ReadAhead[None](weigh=lambda _: 0, threads=threads, abandon=abandon) as ahead:
            for item in items:
                pixels = (item.width or 0) * (item.height or 0)
                ahead.submit(
                    partial(_decode, item, by_suffix),
                    weight=_BYTES_PER_PIXEL * pixels + item.source.size,
                )
            while ahead.outstanding:
                ahead.take()
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._index.cache.put_hashes(self._new)
        self._new = {}


class _Watched:
    """A loader that shows every picture it reads."""

    def __init__(self, loader: Loader, hashes: PictureHashes) -> None:
        self._loader = loader
        self._hashes = hashes

    @property
    def suffixes(self) -> frozenset[str]:
        return self._loader.suffixes

    def load(self, source: Source) -> Iterator[Item]:
        return self._loader.load(source)

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        image = self._loader.read_image(item, least_side=least_side)
        check_unchanged(item.source)
        self._hashes.take(item, image)
        return image


def _decode(item: Item, by_suffix: Mapping[str, Loader]) -> None:
    loader = by_suffix.get(Path(item.source.path).suffix.lower())
    if loader is not None:
        with suppress(SourceError):
            loader.read_image(item, least_side=_LEAST_SIDE)


_: type[Loader] = _Watched
