"""What Chroma has written is searched where nothing can be written.

That a real disk of that kind works is in tests/reliability/test_accidents.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from florilegium.errors import IndexMismatchError, StoreError
from florilegium.stores import chroma_read_only
from florilegium.stores.chroma import open_store
from florilegium.stores.chroma_read_only import ReadOnlyChroma
from florilegium.stores.exact import COPY_NAME
from florilegium.types import Collection, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=2, spaces=(Space(name="s", fingerprint="f", dim=4),))
COLLECTION = Collection(space="s", modality=Modality.TEXT)
OTHER = Collection(space="s", modality=Modality.IMAGE)
RECORDS = [
    Record(id=f"r{at}", item_id=f"i{at}", embedding=np.eye(4, dtype=np.float32)[at])
    for at in range(4)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Chroma index, which from now on can only be read."""
    store = open_store("", folder=tmp_path, manifest=MANIFEST)
    store.upsert(COLLECTION, RECORDS)
    store.close()
    monkeypatch.setattr(chroma_read_only, "is_read_only", lambda file: file.exists())
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[ReadOnlyChroma]:
    """Return the store that can only be read."""
    opened = open_store("", folder=folder, manifest=MANIFEST)
    assert isinstance(opened, ReadOnlyChroma)
    yield opened
    opened.close()


def test_records_are_read_and_found(store: ReadOnlyChroma) -> None:
    query = np.asarray([0.8, 0.6, 0, 0], dtype=np.float32)

    matches = store.search(COLLECTION, query, top_k=2)

    assert [(match.id, round(match.score, 3)) for match in matches] == [("r0", 0.8), ("r1", 0.6)]
    within = store.search(COLLECTION, query, top_k=2, within={"i1", "i3"})
    assert [match.id for match in within] == ["r1", "r3"]
    assert store.ids(COLLECTION) == {"r0", "r1", "r2", "r3"}
    assert [record.id for record in store.get(COLLECTION, ["r3", "none", "r1"])] == ["r3", "r1"]
    assert store.search(OTHER, query, top_k=2) == []


def test_writing_is_refused(store: ReadOnlyChroma) -> None:
    with pytest.raises(StoreError, match="can only be read"):
        store.upsert(COLLECTION, RECORDS)
    with pytest.raises(StoreError, match="can only be read"):
        store.delete(COLLECTION, ["r1"])


def test_an_index_of_other_encoders_is_refused(folder: Path) -> None:
    other = replace(MANIFEST, spaces=(replace(MANIFEST.spaces[0], fingerprint="g"),))
    with pytest.raises(IndexMismatchError):
        open_store("", folder=folder, manifest=other)


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "chroma" / COPY_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        open_store("", folder=folder, manifest=MANIFEST)


def test_it_can_be_closed_twice(store: ReadOnlyChroma) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.ids(COLLECTION)
