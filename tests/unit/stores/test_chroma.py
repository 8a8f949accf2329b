"""What the contract does not say about Chroma: names, sharing, damage, and a graph in pieces."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from chromadb.api.client import Client
from chromadb.api.models.Collection import Collection as ChromaCollection
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings, System

import florilegium
from florilegium.errors import IndexMismatchError, StoreError
from florilegium.stores.chroma import ChromaStore, open_store
from florilegium.stores.exact import ExactRecords
from florilegium.types import Collection, Embeddings, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=4),))
IMAGES = Collection(space="clip", modality=Modality.IMAGE)
TEXTS = Collection(space="clip", modality=Modality.TEXT)
EAST = np.asarray([1, 0, 0, 0], dtype=np.float32)
NORTH = np.asarray([0, 1, 0, 0], dtype=np.float32)


def record(id_: str, embedding: Embeddings) -> Record:
    return Record(id=id_, item_id="item", embedding=embedding)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaStore]:
    store = open_store("", folder=tmp_path, manifest=MANIFEST)
    assert isinstance(store, ChromaStore)
    yield store
    store.close()


def systems_of(folder: Path) -> list[System]:
    """Return what Chroma keeps in memory of the stores in a folder."""
    known = SharedSystemClient._identifier_to_system
    return [known[place] for place in known if Path(place) == folder / "chroma"]


def collections_of(folder: Path) -> dict[str, ChromaCollection]:
    """Return what Chroma itself says lies in the folder of a store that is open."""
    (system,) = systems_of(folder)
    with Client.from_system(system) as client:
        return {collection.name: collection for collection in client.list_collections()}


def test_a_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no variant 'cloud'"):
        open_store("cloud", folder=tmp_path, manifest=MANIFEST)


def test_a_collection_has_a_readable_name_of_allowed_characters(
    store: ChromaStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])

    names = set(collections_of(tmp_path)) - {"florilegium-manifest"}

    (name,) = names
    assert re.fullmatch(r"c-clip-image-whole-[0-9a-f]{16}", name)


def test_collections_with_alike_names_are_separate(tmp_path: Path) -> None:
    names = ("a/b", "a-b", "a b", "A/B", "名", "字", "x" * 600, "x" * 601)
    spaces = tuple(Space(name=name, fingerprint="f", dim=4) for name in names)
    store = open_store("", folder=tmp_path, manifest=Manifest(schema=1, spaces=spaces))

    for name in names:
        store.upsert(Collection(space=name, modality=Modality.TEXT), [record(f"in {name}", EAST)])

    for name in names:
        assert store.ids(Collection(space=name, modality=Modality.TEXT)) == {f"in {name}"}
    store.close()


def test_a_collection_is_made_for_cosine_without_an_embedding_function(
    store: ChromaStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])

    (made,) = (c for name, c in collections_of(tmp_path).items() if name.startswith("c-"))

    hnsw = made.configuration_json["hnsw"]
    assert hnsw["space"] == "cosine"
    assert (hnsw["ef_construction"], hnsw["ef_search"], hnsw["max_neighbors"]) == (100, 200, 16)
    assert made.configuration_json["embedding_function"] == {"type": "legacy"}
    assert made.metadata == {"collection": "clip/image/whole"}


def test_reading_makes_no_collection(store: ChromaStore, tmp_path: Path) -> None:
    store.search(IMAGES, EAST, top_k=1)
    store.get(IMAGES, ["a"])
    store.delete(IMAGES, ["a"])

    assert set(collections_of(tmp_path)) == {"florilegium-manifest"}


def test_an_index_that_another_program_made_is_refused(tmp_path: Path) -> None:
    settings = Settings(
        anonymized_telemetry=False, is_persistent=True, persist_directory=str(tmp_path / "chroma")
    )
    with Client(settings=settings) as client:
        client.create_collection("theirs", embedding_function=None)

    with pytest.raises(IndexMismatchError, match="not built by Florilegium"):
        open_store("", folder=tmp_path, manifest=MANIFEST)


def test_closing_releases_what_chroma_shares_between_clients(
    store: ChromaStore, tmp_path: Path
) -> None:
    assert len(systems_of(tmp_path)) == 1

    store.close()

    assert systems_of(tmp_path) == []
    counts = SharedSystemClient._identifier_to_refcount
    assert not [place for place in counts if Path(place) == tmp_path / "chroma"]


def test_a_refused_manifest_releases_the_index(store: ChromaStore, tmp_path: Path) -> None:
    store.close()

    with pytest.raises(IndexMismatchError):
        open_store("", folder=tmp_path, manifest=Manifest(schema=2, spaces=()))

    assert systems_of(tmp_path) == []


def test_closing_one_of_two_stores_of_a_folder_leaves_the_other_open(
    store: ChromaStore, tmp_path: Path
) -> None:
    other = open_store("", folder=tmp_path, manifest=MANIFEST)
    other.upsert(IMAGES, [record("a", EAST)])

    other.close()

    assert store.ids(IMAGES) == {"a"}


def test_a_folder_that_was_damaged_opens_again_once_it_is_mended(
    store: ChromaStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])
    store.close()
    database = tmp_path / "chroma" / "chroma.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN EXCLUSIVE")  # Chroma may end its last write after it was closed
        good = database.read_bytes()
    database.write_bytes(b"not a database" * 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match="not a database"):
            open_store("", folder=tmp_path, manifest=MANIFEST)

    database.write_bytes(good)

    mended = open_store("", folder=tmp_path, manifest=MANIFEST)
    assert mended.ids(IMAGES) == {"a"}
    mended.close()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chroma").write_text("in the way", encoding="utf-8")

    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_store("", folder=tmp_path, manifest=MANIFEST)

    assert isinstance(caught.value.__cause__, FileExistsError)


def test_damage_while_the_store_is_open_is_an_error_of_ours(
    store: ChromaStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])
    (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreError, match="cannot be searched"):
        store.search(IMAGES, EAST, top_k=1)
    with pytest.raises(StoreError, match="cannot be written"):
        store.upsert(IMAGES, [record("b", EAST)])
    with pytest.raises(StoreError, match="cannot be written"):
        store.delete(IMAGES, ["a"])
    with pytest.raises(StoreError, match="cannot be read"):
        store.ids(IMAGES)
    assert [one.id for one in store.get(IMAGES, ["a"])] == ["a"]  # in a file that is sound


def test_an_id_that_is_no_unicode_is_an_error_of_ours(store: ChromaStore) -> None:
    with pytest.raises(StoreError, match="surrogates") as caught:
        store.upsert(IMAGES, [record("a\udc80", EAST)])

    assert isinstance(caught.value.__cause__, UnicodeEncodeError)


def test_a_panic_of_the_rust_part_is_an_error_of_ours(store: ChromaStore) -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    store.upsert(IMAGES, [record("a", EAST)])

    with (
        patch.object(ChromaCollection, "query", side_effect=panic("index out of range")),
        pytest.raises(StoreError, match="cannot be searched: index out of range"),
    ):
        store.search(IMAGES, EAST, top_k=1)


def test_an_interrupt_is_let_through(store: ChromaStore) -> None:
    store.upsert(IMAGES, [record("a", EAST)])

    with (
        patch.object(ChromaCollection, "query", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        store.search(IMAGES, EAST, top_k=1)


def test_every_record_is_found_where_equal_vectors_cut_the_graph_into_pieces(
    store: ChromaStore,
) -> None:
    # 2,000 equal vectors leave about 1,400 that a walk through the graph can reach.
    ids = [f"{i:04}" for i in range(2000)]
    store.upsert(IMAGES, [record(id_, EAST) for id_ in ids])

    matches = store.search(IMAGES, EAST, top_k=3000)

    assert [match.id for match in matches] == ids
    assert {match.score for match in matches} == {1.0}


def test_an_index_without_exact_records_gets_them_when_it_is_used(
    store: ChromaStore, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    store.upsert(IMAGES, [record(f"{i}", row) for i, row in enumerate(rows)])
    store.close()
    for file in (tmp_path / "chroma").glob("florilegium-records*"):
        file.unlink()
    again = open_store("", folder=tmp_path, manifest=MANIFEST)

    with patch.object(again, "_batch", 3):
        matches = again.search(IMAGES, rows[7], top_k=1, within={"item"})
        again.delete(IMAGES, ["8"])

    assert [match.id for match in matches] == ["7"]
    (kept,) = again.get(IMAGES, ["8", "9"])
    np.testing.assert_allclose(kept.embedding, rows[9], rtol=1e-6)  # Chroma rounds a little
    again.close()


def test_damaged_exact_records_are_an_error_of_ours(store: ChromaStore, tmp_path: Path) -> None:
    store.upsert(IMAGES, [record("a", EAST)])
    store.close()
    (tmp_path / "chroma" / "florilegium-records.sqlite3").write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreError, match="not a database") as caught:
        open_store("", folder=tmp_path, manifest=MANIFEST)

    assert "doctor --repair" in (caught.value.hint or "")
    assert systems_of(tmp_path) == []


def test_a_large_set_is_filtered_from_the_neighbours_if_enough_of_them_are_in_it(
    store: ChromaStore,
) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    store.upsert(
        IMAGES,
        [Record(id=f"{i:02}", item_id=f"{i:02}", embedding=row) for i, row in enumerate(rows)],
    )
    even = {f"{i:02}" for i in range(0, 40, 2)}

    with (
        patch("florilegium.stores.chroma_search._FEW_RECORDS", 10),
        patch("florilegium.stores.chroma_search._MARGIN", 3),
        patch.object(ExactRecords, "search", side_effect=AssertionError("not needed")),
    ):
        near = store.search(IMAGES, rows[4], top_k=2, within=even)

    assert near == store.search(IMAGES, rows[4], top_k=2, within=even)


def test_another_store_of_the_folder_sees_what_was_written(
    store: ChromaStore, tmp_path: Path
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])
    other = open_store("", folder=tmp_path, manifest=MANIFEST)
    assert other.search(IMAGES, NORTH, top_k=1, within={"item"})[0].id == "a"

    store.upsert(IMAGES, [record("b", NORTH)])

    assert other.search(IMAGES, NORTH, top_k=1, within={"item"})[0].id == "b"
    assert [one.id for one in other.get(IMAGES, ["b", "a"])] == ["b", "a"]
    other.close()


@pytest.mark.parametrize(
    ("raw", "score"), [(-4.8e-07, 1.0), (-3e-06, 1.0), (0.0, 1.0), (0.25, 0.75), (2.0000005, -1.0)]
)
def test_what_chroma_returns_becomes_a_clipped_similarity(
    store: ChromaStore, raw: float, score: float
) -> None:
    store.upsert(IMAGES, [record("a", EAST)])
    result = {"ids": [["a"]], "metadatas": [[{"item_id": "item"}]], "distances": [[raw]]}

    with patch.object(ChromaCollection, "query", return_value=result):
        (match,) = store.search(IMAGES, EAST, top_k=1)

    assert match.score == score


def test_the_environment_cannot_turn_the_store_into_a_client_of_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMA_API_IMPL", "chromadb.api.fastapi.FastAPI")
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "true")

    store = open_store("", folder=tmp_path, manifest=MANIFEST)

    settings = systems_of(tmp_path)[0].settings
    assert settings.chroma_api_impl == "chromadb.api.rust.RustBindingsAPI"
    assert settings.anonymized_telemetry is False
    store.close()


_WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from florilegium.stores.chroma import open_store
from florilegium.types import Collection, Manifest, Modality, Record, Space

manifest = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=4),))
images = Collection(space="clip", modality=Modality.IMAGE)
store = open_store("", folder=Path(sys.argv[1]), manifest=manifest)
rows = np.random.default_rng(0).normal(size=(1200, 4)).astype(np.float32)
records = [Record(id=f"{i:04}", item_id="item", embedding=row) for i, row in enumerate(rows)]
for start in range(0, 1200, 100):
    store.upsert(images, records[start : start + 100])
store.delete(images, [f"{i:04}" for i in range(50)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    source = str(Path(florilegium.__file__).parents[1])
    died = subprocess.run(
        [sys.executable, "-c", _WRITE_AND_DIE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    store = open_store("", folder=tmp_path, manifest=MANIFEST)

    rows = np.random.default_rng(0).normal(size=(1200, 4)).astype(np.float32)
    assert store.ids(IMAGES) == {f"{i:04}" for i in range(50, 1200)}
    assert all(
        store.search(IMAGES, rows[i], top_k=1)[0].id == f"{i:04}" for i in range(50, 1200, 50)
    )
    store.close()
