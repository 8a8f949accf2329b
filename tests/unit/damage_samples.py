"""A library on Chroma with a saved graph, and ways to break its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from florilegium import Library
from florilegium.stores.chroma_files import SAVED
from tests.conftest import FAKES, write_tiny_folder
from tests.unit.index_state import State, state_of

ON_CHROMA: Final = {**FAKES, "store.name": "chroma"}
_PAGE = 4096


def _overwrite(file: Path, start: int) -> None:
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(start)
        stream.write(b"\xa5" * min(_PAGE, size - start))


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _overwrite_start(file: Path) -> None:
    _overwrite(file, 0)


def _overwrite_middle(file: Path) -> None:
    _overwrite(file, file.stat().st_size // 2)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


WAYS: Final[dict[str, Callable[[Path], None]]] = {
    "deleted": Path.unlink,
    "emptied": _empty,
    "first page overwritten": _overwrite_start,
    "middle overwritten": _overwrite_middle,
    "cut in half": _cut,
}

FILES: Final = (
    "embeddings.db",
    "catalog.db",
    "chroma.sqlite3",
    "florilegium-records.sqlite3",
    "data_level0.bin",
    "header.bin",
    "index_metadata.pickle",
    "length.bin",
    "link_lists.bin",
)
"""The files of an index with one saved graph."""


class Broken:
    """A library whose files are to be broken, put back before each test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "library"
        self._whole = folder / "whole"
        self.state = make_library(self.folder)
        shutil.copytree(self.folder, self._whole)

    def restore(self) -> None:
        """Put back all files as they were."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._whole, self.folder)

    @property
    def index_folder(self) -> Path:
        """Return the folder of the index and its cache."""
        return self.folder / ".florilegium"

    def file(self, name: str) -> Path:
        """Return a file of the index by its name; of graphs, that of the saved one."""
        graph = next(self.index_folder.rglob(SAVED)).parent
        near = graph / name
        return near if near.exists() else next(self.index_folder.rglob(name))

    def open(self) -> Library:
        """Open the library anew."""
        return Library.open(self.folder)

    def check_mended(self) -> None:
        """Fail unless all is as it was before it was broken."""
        with self.open() as library:
            assert library.inspect(deep=True) == []
            assert state_of(library) == self.state


def make_library(folder: Path) -> State:
    """Ingest the tiny folder with so many sentences that Chroma saves a graph of them."""
    write_tiny_folder(folder)
    paragraphs = (
        " ".join(f"Sentence {i} {j} tells of word{(i * 7 + j) % 97}." for j in range(6))
        for i in range(180)
    )
    (folder / "many.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    with Library.create(folder, overrides=ON_CHROMA) as library:
        library.ingest()
    with Library.open(folder) as library:
        return state_of(library)
