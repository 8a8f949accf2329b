"""A library can be asked how it is."""

from __future__ import annotations

from florilegium import Library


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
