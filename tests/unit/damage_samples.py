"""A library on Chroma with a saved graph, and ways to break its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
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

SAVED_FROM: Final = 1080
"""Sentences of a library whose graph of them Chroma has saved."""

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

    def __init__(
        self, folder: Path, *, overrides: Mapping[str, object] = ON_CHROMA, sentences: int = 0
    ) -> None:
        self.folder = folder / "library"
        self._whole = folder / "whole"
        self.state = _make_library(self.folder, overrides=overrides, sentences=sentences)
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
        saved = next(self.index_folder.rglob(SAVED), None)
        if saved is not None and (saved.parent / name).exists():
            return saved.parent / name
        return next(self.index_folder.rglob(name))

    def open(self) -> Library:
        """Open the library anew."""
        return Library.open(self.folder)

    def check_mended(self) -> None:
        """Fail unless all is as it was before it was broken."""
        with self.open() as library:
            assert library.inspect(deep=True) == []
            assert state_of(library) == self.state


def _make_library(folder: Path, *, overrides: Mapping[str, object], sentences: int) -> State:
    write_tiny_folder(folder)
    if sentences:
        paragraphs = (
            " ".join(f"Sentence {i} {j} tells of word{(i * 7 + j) % 97}." for j in range(6))
            for i in range(sentences // 6)
        )
        (folder / "many.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    with Library.create(folder, overrides=overrides) as library:
        library.ingest()
        library.close()
        return state_of(library)
