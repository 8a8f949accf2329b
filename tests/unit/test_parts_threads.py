"""Threads share one opened index, and are not hurt by what others do to it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from florilegium import opened_index
from florilegium.config import INDEX_FOLDER
from florilegium.errors import StoreError
from florilegium.opened_index import OpenedIndex
from florilegium.parts import Parts
from florilegium.protocols import VectorStore
from florilegium.registry import open_store
from tests.unit.test_parts import build, building, config, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a place for an index."""
    (tmp_path / INDEX_FOLDER).mkdir()
    return tmp_path


@pytest.fixture
def parts(root: Path) -> Iterator[Parts]:
    parts = Parts(root, config())
    yield parts
    parts.close()


def replace(parts: Parts, root: Path) -> None:
    """Put a new index in use, as another process would."""
    other = Parts(root, config())
    with building(other, rebuild=True) as opened:
        other.finish(opened)
    other.close()


def test_threads_open_the_index_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    build(parts)
    calls: list[str] = []

    def noting(*arguments: Any, **options: Any) -> VectorStore:
        calls.append("open_store")
        return open_store(*arguments, **options)

    monkeypatch.setattr(opened_index, "open_store", noting)
    start = Barrier(8, timeout=30)

    def read(_: int) -> int:
        start.wait()
        with parts.reading() as opened:
            return id(opened)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read, range(8)))) == 1
    assert len(calls) == 1


def test_an_index_that_is_read_stays_open_when_it_is_replaced_or_closed(
    parts: Parts, root: Path
) -> None:
    put(parts)
    with parts.reading() as old:
        assert old.index.store.ids(old.index.pictures)  # this store reads all at once
        replace(parts, root)
        parts.close()
        with parts.reading() as new:
            assert new is not old
            assert new.index.store.ids(new.index.pictures) == set()
        assert old.index.store.ids(old.index.pictures) == {"a"}
    with pytest.raises(StoreError, match="closed"):
        old.index.store.ids(old.index.pictures)


def test_what_was_read_of_an_index_that_was_replaced_is_read_again(
    parts: Parts, root: Path
) -> None:
    build(parts)
    seen: list[str] = []

    def work(opened: OpenedIndex) -> str:
        seen.append(opened.folder.name)
        if len(seen) == 1:
            replace(parts, root)
        return opened.folder.name

    assert parts.read(work) == "index-2"
    assert seen == ["index-1", "index-2"]


def test_what_fails_in_an_index_that_others_changed_is_tried_again(parts: Parts) -> None:
    build(parts)
    other = Parts(parts._root, config())
    tries = 0

    def work(_: OpenedIndex) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            with other.mending() as opened:
                opened.note_change()
            raise StoreError("half of it is new")
        return tries

    assert parts.read(work) == 3
    other.close()


def test_what_fails_in_an_index_that_nobody_changed_fails(parts: Parts) -> None:
    build(parts)
    calls: list[None] = []

    def work(_: OpenedIndex) -> None:
        calls.append(None)
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="the disk is gone"):
        parts.read(work)
    assert len(calls) == 1


def test_reading_an_index_that_is_replaced_each_time_ends(parts: Parts, root: Path) -> None:
    build(parts)

    with pytest.raises(StoreError, match="was replaced 10 times while it was read"):
        parts.read(lambda _: replace(parts, root))


def test_what_is_written_is_read_by_others_as_by_another_process(parts: Parts) -> None:
    build(parts)
    with parts.reading() as before, building(parts) as writing:
        assert writing is not before
        with parts.reading() as reading:
            assert reading is not writing
        writing.note_change()
        with parts.reading() as after:
            assert after is not reading


def test_an_index_that_was_opened_while_the_library_was_closed_is_not_kept(parts: Parts) -> None:
    build(parts)
    with parts.reading() as opened:
        parts._backends.retire()  # the second half of `close`, after the first found nothing

    with parts.reading() as again:
        assert again is not opened
        assert again.backends is parts.backends()
