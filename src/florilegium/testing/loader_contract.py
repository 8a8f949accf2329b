"""What every loader must do, as tests that a subclass runs against its own.

A subclass gives a fixture `loader`, and `good_file` with the bytes of a file that it can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from florilegium.errors import SourceError
from florilegium.ids import hash_bytes
from florilegium.protocols import Loader
from florilegium.types import Item, Modality, Source

# Zero bytes and every other value: neither text nor a picture of any kind.
GARBAGE = b"\0\1\2\3" + bytes(range(256)) * 4

_THREADS = 4
_SAME_COLOUR = 4  # of 255, in the mean of a sixteenth of a picture


def a_source(root: Path, path: str, data: bytes) -> Source:
    """Return the source of a file that is written below `root`."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return Source(
        root=root, path=path, size=len(data), modified_ns=1, content_hash=hash_bytes(data)
    )


class LoaderContract:
    """Subclass this, and give the fixtures `loader` and `good_file`."""

    @pytest.fixture
    def loader(self) -> Loader:
        raise NotImplementedError("A subclass gives the loader.")

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        """Give a file name, and bytes that make at least one item."""
        raise NotImplementedError("A subclass gives a file.")

    @pytest.fixture
    def source(self, tmp_path: Path, good_file: tuple[str, bytes]) -> Source:
        name, data = good_file
        return a_source(tmp_path, f"folder/{name}", data)

    def test_suffixes_are_lower_case_and_have_their_dot(self, loader: Loader) -> None:
        """If this fails: files are found by `suffix.lower()`, so others are never loaded."""
        assert loader.suffixes
        assert all(suffix.startswith(".") for suffix in loader.suffixes)
        assert all(suffix == suffix.lower() for suffix in loader.suffixes)

    def test_a_good_file_has_items_of_its_source(self, loader: Loader, source: Source) -> None:
        """If this fails: give each item the very source that was loaded, so that it is cited."""
        items = list(loader.load(source))

        assert items
        assert all(item.source == source for item in items)

    def test_ordinals_count_from_zero(self, loader: Loader, source: Source) -> None:
        """If this fails: number the items in the order in which they stand in the file."""
        ordinals = [item.ordinal for item in loader.load(source)]

        assert ordinals == list(range(len(ordinals)))

    def test_ids_are_unique(self, loader: Loader, source: Source) -> None:
        """If this fails: two items share an id, and one overwrites the other in the index."""
        ids = [item.id for item in loader.load(source)]

        assert len(set(ids)) == len(ids)

    def test_two_loads_give_the_same_items(self, loader: Loader, source: Source) -> None:
        """If this fails: order or ids are not stable, so each ingest would encode all again."""
        assert list(loader.load(source)) == list(loader.load(source))

    def test_files_with_the_same_bytes_have_different_ids(
        self, loader: Loader, source: Source, tmp_path: Path
    ) -> None:
        """If this fails: build ids from the path as well, e.g. with `florilegium.ids.item_id`."""
        copy = a_source(tmp_path, f"copy/{source.file.name}", source.file.read_bytes())

        ids = {item.id for item in loader.load(source)}

        assert ids.isdisjoint(item.id for item in loader.load(copy))

    def test_a_unicode_name_is_loaded(
        self, loader: Loader, good_file: tuple[str, bytes], tmp_path: Path
    ) -> None:
        """If this fails: take the path as text, and never through an encoding of the system."""
        suffix = Path(good_file[0]).suffix
        source = a_source(tmp_path, f"花园/玫瑰 é 🌹{suffix}", good_file[1])

        assert list(loader.load(source))

    def test_garbage_raises_a_source_error(self, loader: Loader, tmp_path: Path) -> None:
        """If this fails: wrap what the decoder raises in UnreadableFileError."""
        for suffix in sorted(loader.suffixes):
            source = a_source(tmp_path, f"garbage{suffix}", GARBAGE)
            with pytest.raises(SourceError):
                list(loader.load(source))

    def test_a_missing_file_raises_a_source_error(self, loader: Loader, source: Source) -> None:
        """If this fails: wrap OSError, since a file may vanish between listing and loading."""
        source.file.unlink()

        with pytest.raises(SourceError):
            list(loader.load(source))

    def test_a_damaged_file_fails_before_its_first_item_or_when_its_picture_is_read(
        self, loader: Loader, source: Source
    ) -> None:
        """If this fails: read the file to its end, or the header of a picture, before yielding."""
        whole = list(loader.load(source))
        source.file.write_bytes(source.file.read_bytes()[:40] + GARBAGE)
        loaded: list[Item] = []

        def read() -> None:
            loaded.extend(loader.load(source))
            for item in _pictures(loaded):
                loader.read_image(item)

        with pytest.raises(SourceError):
            read()

        assert len(loaded) in {0, len(whole)}

    @pytest.mark.parametrize("least_side", [None, 8])
    def test_a_picture_that_is_cut_off_is_never_half_read(
        self, loader: Loader, source: Source, least_side: int | None
    ) -> None:
        """If this fails: decode to the last byte, and let no decoder make up what is missing."""
        pictures = _pictures(list(loader.load(source)))
        data = source.file.read_bytes()
        source.file.write_bytes(data[: len(data) * 3 // 4])

        for item in pictures:
            with pytest.raises(SourceError):
                loader.read_image(item, least_side=least_side)

    def test_every_image_item_can_be_read_as_it_is_displayed(
        self, loader: Loader, source: Source
    ) -> None:
        """If this fails: `read_image` must give RGB, upright, of the size that the item says."""
        for item in _pictures(list(loader.load(source))):
            image = loader.read_image(item)
            assert image.mode == "RGB"
            assert image.size == (item.width, item.height)

    @pytest.mark.parametrize("least_side", [1, 8, 20, 100, 10_000])
    def test_a_picture_is_shrunk_to_no_fewer_pixels_than_asked_for(
        self, loader: Loader, source: Source, least_side: int
    ) -> None:
        """If this fails: shrink less; the encoder has to scale the picture up again."""
        for item in _pictures(list(loader.load(source))):
            image, whole = loader.read_image(item, least_side=least_side), loader.read_image(item)
            assert image.mode == "RGB"
            assert min(least_side, whole.width) <= image.width <= whole.width
            assert min(least_side, whole.height) <= image.height <= whole.height

    def test_a_shrunk_picture_shows_the_same(self, loader: Loader, source: Source) -> None:
        """If this fails: what is decoded small is turned, cropped, or in other colours."""
        for item in _pictures(list(loader.load(source))):
            small, whole = (
                _thumbnail(loader.read_image(item, least_side=least_side))
                for least_side in (16, None)
            )
            np.testing.assert_allclose(small, whole, atol=_SAME_COLOUR)

    def test_several_threads_may_use_one_loader(self, loader: Loader, source: Source) -> None:
        """If this fails: keep nothing in the loader that changes from one file to the next."""

        def read(_: int) -> tuple[list[Item], list[bytes]]:
            items = list(loader.load(source))
            pictures = [loader.read_image(item, least_side=16) for item in _pictures(items)]
            return items, [picture.tobytes() for picture in pictures]

        alone = read(0)
        with ThreadPoolExecutor(_THREADS) as pool:
            together = list(pool.map(read, range(4 * _THREADS)))

        assert all(one == alone for one in together)

    def test_the_picture_of_a_vanished_file_raises_a_source_error(
        self, loader: Loader, source: Source
    ) -> None:
        """If this fails: `read_image` must wrap OSError, as `load` does."""
        items = list(loader.load(source))
        source.file.unlink()

        for item in items:
            with pytest.raises(SourceError):
                loader.read_image(item)


def _pictures(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.modality is Modality.IMAGE]


def _thumbnail(image: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(image.resize((4, 4), Image.Resampling.BILINEAR)).astype(np.int16)
