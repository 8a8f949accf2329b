"""What every loader must do, as tests that a subclass runs against its own.

A subclass gives a fixture `loader`, and `good_file` with the bytes of a file that it can read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import SourceError
from florilegium.ids import hash_bytes
from florilegium.protocols import Loader
from florilegium.types import Item, Modality, Source

# Zero bytes and every other value: neither text nor a picture of any kind.
GARBAGE = b"\0\1\2\3" + bytes(range(256)) * 4


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

    def test_a_file_that_fails_yields_nothing_first(self, loader: Loader, source: Source) -> None:
        """If this fails: read the file to its end before the first item is yielded."""
        source.file.write_bytes(source.file.read_bytes()[:40] + GARBAGE)
        yielded: list[Item] = []

        with pytest.raises(SourceError):
            yielded.extend(loader.load(source))

        assert yielded == []

    def test_every_image_item_can_be_read_as_it_is_displayed(
        self, loader: Loader, source: Source
    ) -> None:
        """If this fails: `read_image` must give RGB, upright, of the size that the item says."""
        for item in loader.load(source):
            if item.modality is Modality.IMAGE:
                image = loader.read_image(item)
                assert image.mode == "RGB"
                assert image.size == (item.width, item.height)

    def test_the_picture_of_a_vanished_file_raises_a_source_error(
        self, loader: Loader, source: Source
    ) -> None:
        """If this fails: `read_image` must wrap OSError, as `load` does."""
        items = list(loader.load(source))
        source.file.unlink()

        for item in items:
            with pytest.raises(SourceError):
                loader.read_image(item)
