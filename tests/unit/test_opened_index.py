"""An opened index notices what others do to it, and lets everything go when it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library, opened_index
from florilegium.backends import Backends
from florilegium.config import load_settings
from florilegium.errors import IndexNotFoundError, StoreError
from florilegium.generations import CACHE, Generations
from florilegium.opened_index import OpenedIndex, open_index
from florilegium.protocols import VectorStore
from florilegium.registry import open_store
from tests.conftest import FAKES
from tests.held import held


class Place:
    """The ingested tiny library, opened below its parts; `held` counts open backends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".florilegium"
        self.generations = Generations(self.folder)
        self.backends = Backends(load_settings(overrides=FAKES).config)
        self.held = 0

    @contextmanager
    def lease(self) -> Iterator[Backends]:
        self.held += 1
        try:
            yield self.backends
        finally:
            self.held -= 1

    def open(self) -> OpenedIndex:
        return open_index(
            self.generations.current(),
            root=self.root,
            store="memory",
            cache_file=self.folder / CACHE,
            lease=self.lease(),
            generations=self.generations,
        )


@pytest.fixture
def place(tiny_folder: Path) -> Iterator[Place]:
    with Library.create(tiny_folder, overrides=FAKES) as library:
        library.ingest()
    place = Place(tiny_folder)
    yield place
    place.backends.close()


def ingest(place: Place, *, rebuild: bool = False) -> None:
    """Ingest as another process would."""
    with Library.open(place.root) as other:
        other.ingest(rebuild=rebuild)


def test_an_index_that_others_change_in_place_is_stale_and_in_use(place: Place) -> None:
    opened = place.open()
    assert not opened.is_stale()
    ingest(place)

    assert opened.is_stale()
    assert opened.is_in_use()
    opened.close()


def test_an_index_that_was_replaced_is_stale_and_not_in_use(place: Place) -> None:
    opened = place.open()
    ingest(place, rebuild=True)

    assert opened.is_stale()
    assert not opened.is_in_use()
    opened.close()


def test_a_change_of_ones_own_is_noted_for_others(place: Place) -> None:
    one, two = place.open(), place.open()
    one.note_change()

    assert not one.is_stale()
    assert two.is_stale()
    one.close()
    two.close()


def test_a_change_while_the_store_is_opened_is_noticed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed_after(*arguments: Any, **options: Any) -> VectorStore:
        monkeypatch.setattr(opened_index, "open_store", open_store)
        store = open_store(*arguments, **options)
        ingest(place)
        return store

    monkeypatch.setattr(opened_index, "open_store", changed_after)
    opened = place.open()

    assert opened.is_stale()
    opened.close()


def test_closing_lets_go_of_files_and_encoders_and_may_be_done_twice(place: Place) -> None:
    before = held().files
    opened = place.open()
    assert place.held == 1
    assert held().files - before

    opened.close()
    opened.close()

    assert place.held == 0
    assert not held().files - before


def test_an_index_that_cannot_be_opened_holds_nothing(place: Place) -> None:
    before = held().files
    (place.folder / CACHE).write_bytes(b"no database, but as long as one" * 200)

    with pytest.raises(StoreError):
        place.open()

    assert place.held == 0
    assert not held().files - before


def test_what_was_learnt_is_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = place.open()

    assert opened.learnt_names() is opened.learnt_names()
    opened.close()


def test_an_index_that_was_never_written_is_not_found(tmp_path: Path) -> None:
    (tmp_path / ".florilegium").mkdir()

    with pytest.raises(IndexNotFoundError, match="Nothing was ingested"):
        Place(tmp_path).open()
