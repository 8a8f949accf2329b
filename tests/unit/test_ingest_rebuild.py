"""A new index is built beside the one in use, which is searched until the switch at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library, opened_index
from florilegium.errors import IndexMismatchError, StoreError
from florilegium.report import Progress
from florilegium.retrieve import retrieve as real_retrieve
from tests.conftest import FAKES
from tests.unit.index_state import paths, state_of
from tests.unit.test_ingest_recovery import press_at

OTHER = {**FAKES, "encoder.name": "fake:16", "ingest.batch_files": 2}


def indexes(library: Library) -> list[str]:
    """Return the names of the indexes that lie in a library."""
    return sorted(path.name for path in (library.root / ".florilegium").glob("index-*"))


@pytest.fixture(params=["memory", "chroma"])
def library(request: pytest.FixtureRequest, tiny_folder: Path) -> Library:
    with Library.create(tiny_folder, overrides={**FAKES, "store.name": request.param}) as made:
        made.ingest()
    return made


def test_others_search_the_old_index_until_the_switch_and_the_new_one_after(
    library: Library,
) -> None:
    before = state_of(library)
    seen: list[list[str]] = []

    def search(_: Progress) -> None:
        with Library.open(library.root) as reader:
            seen.append(paths(reader.search("red square", top_k=2)))
        seen.append(paths(library.search("red square", top_k=2)))

    with Library.open(library.root) as writer:
        writer.ingest(rebuild=True, progress=search)

    assert len(seen) >= 2 * 7  # for each file at least
    assert {tuple(sorted(one)) for one in seen} == {("red square.png", "red square.txt")}
    assert indexes(library) == ["index-2"]
    assert state_of(library) == before
    library.close()


def test_another_encoder_is_refused_until_its_index_takes_the_place_of_the_old(
    library: Library,
) -> None:
    store = library.settings.config.store.name
    with Library.open(library.root, overrides={**OTHER, "store.name": store}) as changed:
        for action in (lambda: changed.search("red"), changed.ingest):
            with pytest.raises(IndexMismatchError, match="fake:16") as caught:
                action()
            assert "florilegium ingest --rebuild" in str(caught.value.hint)

        def search(_: Progress) -> None:
            assert library.search("red square")

        changed.ingest(rebuild=True, progress=search)

        assert changed.search("red square")
        with pytest.raises(IndexMismatchError):
            library.search("red square")
    library.close()


def test_a_rebuild_that_was_stopped_leaves_the_old_index_and_is_gone_on_with(
    library: Library,
) -> None:
    before = state_of(library)
    with Library.open(library.root, overrides={"ingest.batch_files": 2}) as writer:
        first = writer.ingest(rebuild=True, progress=press_at(5))
        assert (first.interrupted, first.added, first.remaining) == (True, 4, 3)
        assert state_of(writer) == before
        assert indexes(library) == ["index-1", "index-2"]

        assert writer.ingest().unchanged == 7  # the old one, which is in use still
        second = writer.ingest(rebuild=True)

        assert (second.unchanged, second.added, second.encoded) == (4, 3, 0)
        assert state_of(writer) == before
    assert indexes(library) == ["index-2"]
    library.close()


def test_what_was_begun_with_other_settings_is_thrown_away(library: Library) -> None:
    store = library.settings.config.store.name
    with Library.open(library.root, overrides={**OTHER, "store.name": store}) as changed:
        assert changed.ingest(rebuild=True, progress=press_at(5)).interrupted

    with Library.open(library.root) as same:
        report = same.ingest(rebuild=True)

        assert (report.added, report.unchanged, report.encoded) == (7, 0, 0)
    library.close()


def test_a_move_to_another_store_that_was_stopped_leaves_the_old_one(library: Library) -> None:
    before = state_of(library)
    kept = library.settings.config.store.name
    other = {"store.name": "chroma" if kept == "memory" else "memory", "ingest.batch_files": 2}
    with Library.open(library.root, overrides=other) as moved:
        assert moved.ingest(progress=press_at(5)).interrupted
        with pytest.raises(IndexMismatchError, match="is kept in"):
            moved.search("red square")
        assert state_of(library) == before

        assert moved.ingest().encoded == 0
        after = state_of(moved)
    assert (after.vectors, after.items, after.words) == (
        before.vectors,
        before.items,
        before.words,
    )
    library.close()


def test_a_search_whose_index_went_away_is_done_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = paths(library.search("red square"))
    real: Callable[..., Any] = real_retrieve
    calls = 0

    def fail_once(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            with Library.open(library.root) as other:
                other.ingest(rebuild=True)
            raise StoreError("gone")
        return real(*arguments, **options)

    monkeypatch.setattr("florilegium.querying.retrieve", fail_once)

    assert paths(library.search("red square")) == wanted
    assert calls > 1
    library.close()


def test_an_error_of_an_index_that_is_still_there_is_raised(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.search("red square")

    def fail(*_: Any, **__: Any) -> Any:
        raise StoreError("broken")

    monkeypatch.setattr("florilegium.querying.retrieve", fail)
    with pytest.raises(StoreError, match="broken"):
        library.search("red square")
    library.close()


@pytest.mark.parametrize("name", ["Catalog", "open_store", "EmbeddingCache"])
def test_a_search_that_opens_while_the_index_is_replaced_finds_what_is_in_the_new_one(
    library: Library, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wanted = paths(library.search("red square", modality="image"))
    library.close()
    real: Callable[..., Any] = getattr(opened_index, name)
    calls = 0

    def replaced_first(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            with Library.open(library.root) as other:
                other.ingest(rebuild=True)
        return real(*arguments, **options)

    monkeypatch.setattr(opened_index, name, replaced_first)

    assert paths(library.search("red square", modality="image")) == wanted
    library.ingest()
    assert indexes(library) == ["index-2"]
    library.close()
