"""The files of a catalog are read whatever its schema is."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium import Library
from florilegium.catalog_sources import read_sources
from florilegium.errors import StoreError
from tests.unit.test_migrations import STORED, unpack


@pytest.mark.parametrize("stored", STORED, ids=lambda file: file.stem)
def test_the_files_of_stored_catalogs(tmp_path: Path, stored: Path) -> None:
    (file,) = (unpack(stored, tmp_path) / ".florilegium").rglob("catalog.db")
    before = file.read_bytes()

    sources = read_sources(file, root=tmp_path)

    assert len(sources) == 7
    assert sources["circle.png"].size == (tmp_path / "circle.png").stat().st_size
    assert file.read_bytes() == before


def test_they_are_those_that_the_catalog_says(tiny_library: Library) -> None:
    file = tiny_library.root / ".florilegium" / "index-1" / "catalog.db"

    found = read_sources(file, root=tiny_library.root)
    assert found == tiny_library.index.catalog.sources()


def test_what_is_no_catalog_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database" * 100)

    with pytest.raises(StoreError, match=r"catalog\.db"):
        read_sources(tmp_path / "catalog.db", root=tmp_path)
