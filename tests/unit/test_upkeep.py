"""A library can be asked how it is."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.errors import IndexLockedError, StoreError
from florilegium.locking import writers_lock


def test_a_healthy_library_is_well(tiny_library: Library) -> None:
    checks = tiny_library.check()

    assert [check.name for check in checks if not check.ok] == []
    assert {check.name for check in checks} >= {"settings", "text encoder", "index", "chat model"}


def test_what_is_missing_is_found(tiny_library: Library) -> None:
    tiny_library.close()
    (tiny_library.root / ".florilegium" / "index-1" / "catalog.db").unlink()

    assert [check.name for check in tiny_library.check() if not check.ok] == [
        "index",
        "files: catalog",
    ]


def test_the_numbers_of_a_library(tiny_library: Library) -> None:
    numbers = tiny_library.statistics()

    assert (numbers.sources, numbers.images, numbers.failed) == (7, 3, ())
    assert 0 < tiny_library.threshold().value < 1


def test_the_cache_can_be_counted_and_pruned(tiny_library: Library) -> None:
    stats = tiny_library.cache_stats()

    assert [(one.name, one.count > 7) for one in stats.encoders] == [("fake:32", True)]
    assert tiny_library.prune_cache(dry_run=True).embeddings == 0
    assert tiny_library.prune_cache(other_encoders=True).embeddings == 0
    assert tiny_library.cache_stats().encoders == stats.encoders


def test_pruning_takes_turns_with_whoever_writes(tiny_library: Library) -> None:
    with (
        writers_lock(tiny_library.root / ".florilegium", doing="a test"),
        pytest.raises(IndexLockedError, match="a test"),
    ):
        tiny_library.prune_cache()


def test_a_damaged_cache_is_told_and_does_no_harm_to_the_index(tiny_library: Library) -> None:
    tiny_library.close()
    folder = tiny_library.root / ".florilegium"
    for file in folder.glob("embeddings.db*"):
        file.write_bytes(b"roses are red " * 100)
    before = sorted(path.name for path in folder.iterdir())

    for call in (tiny_library.ingest, tiny_library.cache_stats, tiny_library.prune_cache):
        with pytest.raises(StoreError, match=r"embeddings\.db' cannot be opened") as caught:
            call()
        assert "florilegium doctor --repair" in (caught.value.hint or "")

    assert sorted(path.name for path in folder.iterdir()) == before
