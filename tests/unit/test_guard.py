"""Files that are gone are counted and shown before they are forgotten."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.errors import RemovalRefusedError, SourceError
from florilegium.guard import Guard, Removal, count_removal, find_gone
from florilegium.report import FailedFile
from florilegium.scan import Scan, Seen
from florilegium.types import Source
from tests.conftest import FAKES
from tests.unit.index_state import state_of
from tests.unit.test_migrations import FIXTURES, unpack

ROOT = Path("library")


def known(count: int) -> dict[str, Source]:
    """Return files that an index holds."""
    return {
        f"{n:02}.png": Source(
            root=ROOT, path=f"{n:02}.png", size=n, modified_ns=n, content_hash=str(n)
        )
        for n in range(count)
    }


def scan_of(files: Mapping[str, Source], *more: Seen, failed: tuple[FailedFile, ...] = ()) -> Scan:
    """Return what a look at the folder gives when these files are there."""
    seen = [Seen(path=p, size=s.size, modified_ns=s.modified_ns) for p, s in files.items()]
    return Scan(files=(*seen, *more), failed=failed, ignored=0)


def only(files: Mapping[str, Source], count: int) -> dict[str, Source]:
    """Return the first of them."""
    return dict(list(files.items())[:count])


def test_up_to_a_tenth_nobody_is_asked() -> None:
    before = known(20)
    asked: list[Removal] = []

    def confirm(removal: Removal) -> bool:
        asked.append(removal)
        return True

    guard = Guard(before=before, confirm=confirm)

    guard.check(scan_of(only(before, 18)))
    assert asked == []
    guard.check(scan_of(only(before, 17)))
    assert [(one.files, one.known, one.examples) for one in asked] == [
        (3, 20, ("17.png", "18.png", "19.png"))
    ]


def test_a_refusal_names_the_numbers() -> None:
    guard = Guard(before=known(20), confirm=lambda _: False)

    with pytest.raises(RemovalRefusedError, match="17 of 20 files are gone"):
        guard.check(scan_of(only(known(20), 3)))


def test_without_anybody_to_ask_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Guard(before=known(4)).check(scan_of(only(known(4), 1)))

    assert "3 of 4 files are gone" in caplog.text


def test_moved_files_are_not_gone() -> None:
    before = known(20)
    moved = [
        Seen(path=f"new/{path}", size=source.size, modified_ns=source.modified_ns)
        for path, source in before.items()
    ]
    removal = count_removal(before, scan_of({}, *moved[:15]))

    assert (removal.files, removal.moved) == (5, 15)
    assert str(removal) == "5 of 20 files are gone from the folder, besides 15 that were moved"


def test_files_of_a_folder_that_cannot_be_read_are_not_gone() -> None:
    before = {f"a/{path}": source for path, source in known(3).items()} | known(1)
    failed = FailedFile(path="a", code="source_unreadable", message="no")

    assert find_gone(before, scan_of({}, failed=(failed,))) == ["00.png"]


# -- in a run --


def test_a_refused_run_changes_nothing(tiny_library: Library) -> None:
    before = state_of(tiny_library)
    for name in ("circle.png", "circle.md"):
        (tiny_library.root / name).unlink()

    with pytest.raises(RemovalRefusedError, match="2 of 7"):
        tiny_library.ingest(confirm=lambda _: False)
    with pytest.raises(RemovalRefusedError, match="2 of 7"):
        tiny_library.ingest(rebuild=True, confirm=lambda _: False)

    assert state_of(tiny_library) == before
    assert tiny_library.ingest(confirm=lambda _: True).removed == 2


@pytest.mark.parametrize("rebuild", [False, True])
def test_an_emptied_folder_empties_the_index_only_where_that_is_allowed(
    tiny_library: Library, rebuild: bool
) -> None:
    for file in [
        path for path in tiny_library.root.rglob("*") if path.suffix in (".png", ".md", ".txt")
    ]:
        file.unlink()

    with pytest.raises(SourceError, match="its index has 7 files; the index was kept") as caught:
        tiny_library.ingest(rebuild=rebuild)
    assert "--allow-empty" in str(caught.value.hint)
    assert tiny_library.statistics().sources == 7

    tiny_library.ingest(rebuild=rebuild, allow_empty=True)
    assert tiny_library.statistics().sources == 0
    assert tiny_library.search("red") == []


def test_a_new_library_of_an_empty_folder_is_refused_all_the_same(tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "new", overrides=FAKES) as library,
        pytest.raises(SourceError, match="holds no picture or text"),
    ):
        library.ingest(allow_empty=True)


def test_an_emptied_folder_keeps_its_index_whatever_else_is_wrong_in_it(
    tiny_library: Library, tmp_path: Path
) -> None:
    for file in list(tiny_library.root.rglob("*")):
        if file.suffix in (".png", ".md", ".txt"):
            file.unlink()
    (tiny_library.root / "outside.txt").symlink_to(tmp_path / "nowhere")

    with pytest.raises(SourceError, match="the index was kept"):
        tiny_library.ingest()
    assert tiny_library.statistics().sources == 7

    tiny_library.ingest(allow_empty=True)
    assert tiny_library.statistics().sources == 0


def test_files_of_an_index_that_is_too_old_are_counted_too(tmp_path: Path) -> None:
    folder = unpack(FIXTURES / "schema-1-memory.zip", tmp_path)
    (folder / "circle.png").unlink()

    with (
        Library.open(folder) as library,
        pytest.raises(RemovalRefusedError, match="1 of 7"),
    ):
        library.ingest(confirm=lambda _: False)
