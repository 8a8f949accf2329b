"""What the contract does not say about the store in memory: its files."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from florilegium.errors import StoreError
from florilegium.stores.memory import MemoryStore, open_store
from florilegium.types import Collection, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=2),))
IMAGES = Collection(space="clip", modality=Modality.IMAGE)


def record(id_: str, *numbers: float) -> Record:
    return Record(id=id_, item_id="item", embedding=np.asarray(numbers, dtype=np.float32))


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return open_store("", folder=tmp_path, manifest=MANIFEST)


def test_a_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no variant 'large'"):
        open_store("large", folder=tmp_path, manifest=MANIFEST)


def test_a_write_is_on_disk_before_the_store_is_closed(store: MemoryStore, tmp_path: Path) -> None:
    store.upsert(IMAGES, [record("a", 1, 0)])

    assert open_store("", folder=tmp_path, manifest=MANIFEST).ids(IMAGES) == {"a"}


def test_a_write_that_fails_leaves_the_store_as_it_was(store: MemoryStore, tmp_path: Path) -> None:
    store.upsert(IMAGES, [record("a", 1, 0)])

    with (
        patch.object(np, "savez", side_effect=OSError("disk full")),
        pytest.raises(StoreError, match="cannot be written: disk full"),
    ):
        store.upsert(IMAGES, [record("a", 0, 1), record("b", 0, 1)])

    for one in (store, open_store("", folder=tmp_path, manifest=MANIFEST)):
        assert one.ids(IMAGES) == {"a"}
        assert one.get(IMAGES, ["a"])[0].embedding.tolist() == [1, 0]


def test_there_is_one_file_per_collection_and_no_leftover(
    store: MemoryStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", 1, 0)])
    store.upsert(Collection(space="clip", modality=Modality.TEXT), [record("a", 1, 0)])

    suffixes = sorted(file.suffix for file in (tmp_path / "memory").iterdir())
    assert suffixes == [".json", ".npz", ".npz"]


def test_deleting_what_is_not_there_writes_nothing(store: MemoryStore) -> None:
    store.upsert(IMAGES, [record("a", 1, 0)])

    with patch.object(np, "savez", side_effect=AssertionError("written")):
        store.delete(IMAGES, ["unknown"])

    assert store.ids(IMAGES) == {"a"}


def test_a_file_with_a_row_too_few_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    store.upsert(IMAGES, [record("a", 1, 0), record("b", 0, 1)])
    store.close()
    (file,) = (tmp_path / "memory").glob("*.npz")
    with np.load(file) as arrays:
        names, embeddings = arrays["names"], arrays["embeddings"]
    np.savez(file, names=names, embeddings=embeddings[:1])

    with pytest.raises(StoreError, match="2 ids but 1 embeddings"):
        open_store("", folder=tmp_path, manifest=MANIFEST).ids(IMAGES)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("in the way", encoding="utf-8")

    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_store("", folder=tmp_path, manifest=MANIFEST)

    assert isinstance(caught.value.__cause__, FileExistsError)


def test_a_record_that_is_returned_can_be_changed_without_harm(store: MemoryStore) -> None:
    store.upsert(IMAGES, [record("a", 1, 0)])

    store.get(IMAGES, ["a"])[0].embedding[:] = 7

    assert store.get(IMAGES, ["a"])[0].embedding.tolist() == [1, 0]


def test_the_length_of_a_vector_does_not_change_its_score(store: MemoryStore) -> None:
    store.upsert(IMAGES, [record("long", 30, 40), record("short", 0.06, 0.08)])

    matches = store.search(IMAGES, np.asarray([2, 0], dtype=np.float32), top_k=2)

    assert [(match.id, match.score) for match in matches] == [("long", 0.6), ("short", 0.6)]
