"""Whatever happens to files, index or store: what was encoded once is not encoded again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.report import IngestReport
from tests.conftest import FAKES, draw, write_tiny_folder
from tests.unit.index_state import State, paths, state_of

STORES = ("memory", "chroma")

Event = Callable[[Path], object]


@pytest.fixture(params=STORES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return an ingested library; its pictures and texts lie in folders, too."""
    return make(tmp_path / "tiny", store=request.param)


def make(folder: Path, *, store: str) -> Path:
    """Make and ingest a library."""
    write_tiny_folder(folder)
    draw("red", "circle").save(folder / "IMG_0001.png")
    with Library.create(folder, overrides={**FAKES, "store.name": store}) as library:
        report = library.ingest()
        assert report.encoded > 0
        assert not report.failed
    return folder


def ingest(folder: Path, **overrides: object) -> IngestReport:
    """Ingest in a new library object, and check that what it leaves is whole."""
    with Library.open(folder, overrides=overrides) as library:
        report = library.ingest()
        state_of(library)
        assert list(library.index.cache.verify()) == []
        return report


def index_files(folder: Path) -> list[Path]:
    """Return all that Florilegium keeps of a library but the embedding cache."""
    return [
        path
        for path in (folder / ".florilegium").iterdir()
        if not path.name.startswith("embeddings.db")
    ]


def remove(*some: Path) -> None:
    for path in some:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def touch(folder: Path) -> None:
    for file in folder.rglob("*.*"):
        if file.is_file() and ".florilegium" not in file.parts:
            os.utime(file, (1_000_000_000, 1_000_000_000))


EVENTS: dict[str, Event] = {
    "a picture is renamed by a camera": lambda f: (f / "IMG_0001.png").rename(f / "DSC_9.png"),
    "a picture gets a number": lambda f: (f / "red square.png").rename(f / "red square 2.png"),
    "a text is renamed": lambda f: (f / "red square.txt").rename(f / "square, red.txt"),
    "a file is moved": lambda f: shutil.move(f / "notes" / "garden.md", f / "garden.md"),
    "a picture is copied": lambda f: shutil.copy(f / "circle.png", f / "circle (2).png"),
    "a folder is copied": lambda f: shutil.copytree(f / "notes", f / "1999" / "notes"),
    "all files are touched": touch,
    "the index is deleted": lambda f: remove(*index_files(f)),
    "a file is deleted": lambda f: (f / "circle.md").unlink(),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_nothing_is_encoded_again_after(folder: Path, event: Event) -> None:
    event(folder)

    report = ingest(folder)

    assert (report.encoded, report.failed) == (0, ())


def test_a_moved_folder_is_not_encoded_again_if_it_keeps_its_name(folder: Path) -> None:
    (folder / "2024").mkdir()
    (folder / "notes").rename(folder / "2024" / "notes")

    report = ingest(folder)

    assert (report.added, report.removed, report.encoded) == (3, 3, 0)
    with Library.open(folder) as library:
        found = paths(library.search("blue triangle road sign", modality="text", top_k=3))
    assert "2024/notes/garden.md" in found


def test_of_a_renamed_picture_only_new_words_of_its_name_are_encoded(folder: Path) -> None:
    (folder / "red square.png").rename(folder / "crimson box.png")

    with Library.open(folder) as library:
        encoder = library._parts.encoder()
        report = library.ingest()
        assert encoder.calls["image"] == 0  # type: ignore[attr-defined]  # the fake counts them

    assert report.encoded == 1


@pytest.mark.parametrize("event", ["deleted", "emptied", "overwritten", "spoilt", "cut"])
def test_nothing_is_encoded_again_when_a_file_of_the_store_is(
    folder: Path, tmp_path: Path, event: str
) -> None:
    with Library.open(folder) as library:
        before = state_of(library)
    files = files_of_store(folder)
    assert files
    for number, file in enumerate(files):
        copy = tmp_path / f"{number}"
        shutil.copytree(folder, copy)
        spoil(copy / file, event)

        report = ingest(copy)

        assert (file.name, report.encoded, report.failed) == (file.name, 0, ())
        with Library.open(copy) as library:
            assert rounded(state_of(library)) == rounded(before)


def rounded(state: State) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the vectors of a state; Chroma may compute the length of one a little differently."""
    return {
        name: {id_: tuple(round(x, 5) for x in row) for id_, row in rows.items()}
        for name, rows in state.vectors.items()
    }


def files_of_store(folder: Path) -> list[Path]:
    """Return the paths in the folder of the files of the store, one of each name."""
    places = [path for path in (folder / ".florilegium").rglob("store") if path.is_dir()]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    by_name = {file.name: file.relative_to(folder) for file in files}
    return sorted(by_name.values())


def spoil(file: Path, event: str) -> None:
    """Do to a file what disks and people do."""
    data = file.read_bytes()
    junk = b"\xa5\x5a" * 2048
    if event == "deleted":
        file.unlink()
    elif event == "emptied":
        file.write_bytes(b"")
    elif event == "overwritten":
        file.write_bytes(junk)
    elif event == "spoilt":  # its first pages
        file.write_bytes(junk[: len(data)] + data[len(junk) :])
    else:
        file.write_bytes(data[: len(data) // 2])


def test_nothing_is_encoded_again_when_the_whole_store_is_lost(folder: Path) -> None:
    with Library.open(folder) as library:
        before = state_of(library)
    for place in (folder / ".florilegium").rglob("store"):
        shutil.rmtree(place)

    assert ingest(folder).encoded == 0

    with Library.open(folder) as library:
        assert state_of(library) == before


def test_nothing_is_encoded_again_for_another_store_and_back(tmp_path: Path) -> None:
    folder = make(tmp_path / "tiny", store="memory")
    with Library.open(folder) as library:
        before = state_of(library)

    there = ingest(folder, **{"store.name": "chroma"})
    back = ingest(folder, **{"store.name": "memory"})

    assert (there.encoded, back.encoded) == (0, 0)
    with Library.open(folder) as library:
        assert rounded(state_of(library)) == rounded(before)


def test_nothing_is_encoded_again_by_a_rebuild_after_pruning(folder: Path) -> None:
    with Library.open(folder) as library:
        before = state_of(library)
        assert library.prune_cache(other_encoders=True).embeddings == 0
        assert library.ingest(rebuild=True).encoded == 0
        assert state_of(library) == before


def test_only_broken_rows_of_the_cache_are_encoded_again(folder: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(folder / ".florilegium" / "embeddings.db")
    with connection:
        sql = "UPDATE embeddings SET vector = x'0000803f' WHERE number IN (1, 3)"
        assert connection.execute(sql).rowcount == 2
    connection.close()
    with Library.open(folder) as library:
        before = state_of(library)
    remove(*index_files(folder))

    report = ingest(folder)

    assert report.encoded == 2
    with Library.open(folder) as library:
        assert state_of(library) == before
        assert list(library.index.cache.verify()) == []
