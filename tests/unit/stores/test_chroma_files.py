"""Graphs that belong together pass, after any number of changes; damage is found before a crash."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from florilegium.stores.chroma import ChromaStore, open_store
from florilegium.stores.chroma_files import (
    SAVED,
    GraphError,
    are_sound,
    check_database,
    check_graphs,
)
from florilegium.types import Collection, Embeddings, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="s", fingerprint="f", dim=8),))
IMAGES = Collection(space="s", modality=Modality.IMAGE)
GENERATOR = np.random.default_rng(0)


def rows(count: int) -> Embeddings:
    found = GENERATOR.normal(size=(count, 8)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def records(ids: range) -> list[Record]:
    return [
        Record(id=str(i), item_id=str(i), embedding=row)
        for i, row in zip(ids, rows(len(ids)), strict=True)
    ]


def fill(store: ChromaStore) -> None:
    """Add, replace and remove until the graph was saved several times."""
    for start in range(0, 1500, 500):
        store.upsert(IMAGES, records(range(start, start + 500)))
        store.upsert(IMAGES, records(range(start, start + 100)))
        store.delete(IMAGES, [str(i) for i in range(start + 50, start + 150)])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a closed store with a saved graph, found to be well."""
    folder = tmp_path_factory.mktemp("filled")
    store = open_store("", folder=folder, manifest=MANIFEST)
    assert isinstance(store, ChromaStore)
    fill(store)
    store.check_files()
    assert store.unfound(IMAGES, sorted(store.ids(IMAGES))) == []
    store.close()
    return folder / "chroma"


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    return Path(shutil.copytree(filled, tmp_path / "chroma"))


def graph_file(folder: Path, name: str) -> Path:
    (saved,) = folder.glob(f"*/{SAVED}")
    return saved.parent / name


def test_a_graph_that_was_changed_often_is_well(folder: Path) -> None:
    check_graphs(folder, thorough=True)
    check_graphs(folder, thorough=False)


def test_a_folder_that_was_never_used_is_well(tmp_path: Path) -> None:
    check_graphs(tmp_path, thorough=True)
    check_graphs(tmp_path / "none", thorough=False)


@pytest.mark.parametrize("number", range(12))
def test_no_header_of_any_other_meaning_passes(folder: Path, number: int) -> None:
    file = graph_file(folder, "header.bin")
    values = list(struct.unpack("<i6qiI3qdq", file.read_bytes()))
    values[number] += 1 << 20
    file.write_bytes(struct.pack("<i6qiI3qdq", *values))
    if number == 2:
        values[number] = 0  # more room than elements is fine, less is not
        file.write_bytes(struct.pack("<i6qiI3qdq", *values))

    with pytest.raises(GraphError, match=r"header\.bin|data_level0\.bin"):
        check_graphs(folder, thorough=False)


@pytest.mark.parametrize(
    ("name", "at", "written", "problem"),
    [
        ("data_level0.bin", 0, b"\xff\xff", "impossible links"),
        ("data_level0.bin", 4, b"\xff" * 4, "links to nowhere"),
        ("data_level0.bin", 132, b"\xff" * 32, "impossible vectors"),
        ("data_level0.bin", 132, bytes(32), "impossible vectors"),
        ("data_level0.bin", 164, b"\xff" * 8, "impossible labels"),
        ("link_lists.bin", 0, b"\x07", "makes no sense"),
        ("link_lists.bin", 0, b"\xff" * 4, "makes no sense"),
    ],
)
def test_damage_in_a_graph_is_named(
    folder: Path, name: str, at: int, written: bytes, problem: str
) -> None:
    with graph_file(folder, name).open("r+b") as stream:
        stream.seek(at)
        stream.write(written)

    with pytest.raises(GraphError, match=f"{name} .*{problem}"):
        check_graphs(folder, thorough=True)


def test_damage_at_any_place_is_found_or_harmless(folder: Path) -> None:
    file = graph_file(folder, "data_level0.bin")
    whole = file.read_bytes()
    found = 0
    for _ in range(200):
        at = int(GENERATOR.integers(len(whole) - 64))
        file.write_bytes(whole[:at] + GENERATOR.bytes(64) + whole[at + 64 :])
        try:
            check_graphs(folder, thorough=True)
        except GraphError:
            found += 1

    assert found >= 150  # the rest fell on unused room for links


@pytest.mark.parametrize("name", ["data_level0.bin", "header.bin", "link_lists.bin"])
def test_a_lost_file_of_a_graph_is_named(folder: Path, name: str) -> None:
    graph_file(folder, name).unlink()

    with pytest.raises(GraphError, match=f"{name} is gone"):
        check_graphs(folder, thorough=True)
    assert not are_sound(folder)


def test_a_database_that_is_gone_is_not_taken_for_a_new_store(folder: Path) -> None:
    (folder / "chroma.sqlite3").unlink()

    with pytest.raises(GraphError, match=r"chroma\.sqlite3 is gone"):
        check_database(folder)
