"""Graphs that Chroma had not written whole when its process died are done without, then mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from florilegium.stores import chroma_rows, chroma_search
from florilegium.stores.chroma import ChromaStore
from florilegium.types import Collection, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=4),))
TEXTS = Collection(space="clip", modality=Modality.TEXT)


class Died(BaseException):
    """Nothing in the code under test catches it."""


def few(count: int = 40) -> list[Record]:
    """Return records with embeddings at random, which are the same each time."""
    rows = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [Record(id=f"r{at}", item_id=f"i{at}", embedding=row) for at, row in enumerate(rows)]


@pytest.fixture
def graph_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an index whose graph was written."""
    often = {**(chroma_search.HNSW["hnsw"] or {}), "batch_size": 2, "sync_threshold": 4}
    monkeypatch.setitem(chroma_search.HNSW, "hnsw", often)
    store = ChromaStore(folder=tmp_path, manifest=MANIFEST)
    store.upsert(TEXTS, few())
    store.close()
    assert list(tmp_path.glob("*/index_metadata.pickle"))
    return tmp_path


def halve(folder: Path, name: str) -> None:
    """Leave half of a file of the graph, as a process does that dies while it writes."""
    for file in folder.glob(f"*/{name}"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("name", ["index_metadata.pickle", "data_level0.bin", "header.bin"])
def test_without_a_whole_graph_all_records_are_compared_and_the_next_write_mends_it(
    graph_folder: Path, name: str
) -> None:
    halve(graph_folder, name)
    store, records = ChromaStore(folder=graph_folder, manifest=MANIFEST), few()
    assert [store.search(TEXTS, r.embedding, top_k=1)[0].id for r in records] == [
        r.id for r in records
    ]
    assert store.ids(TEXTS) == {record.id for record in records}

    store.delete(TEXTS, ["r1"])
    store.close()
    mended = ChromaStore(folder=graph_folder, manifest=MANIFEST)

    assert mended._is_whole
    assert mended.ids(TEXTS) == {record.id for record in records} - {"r1"}
    assert mended.search(TEXTS, records[7].embedding, top_k=1)[0].id == "r7"
    mended.close()
    assert len(list(graph_folder.glob("*/index_metadata.pickle"))) == 1, "the old one is left"


def test_a_graph_that_cannot_be_read_any_more_is_done_without(graph_folder: Path) -> None:
    note = graph_folder / "florilegium-graphs.json"
    halve(graph_folder, "index_metadata.pickle")
    note.unlink()  # so that nothing shows before it is read
    store, records = ChromaStore(folder=graph_folder, manifest=MANIFEST), few()
    assert store._is_whole

    assert store.search(TEXTS, records[3].embedding, top_k=1)[0].id == "r3"
    store.upsert(TEXTS, records[:1])
    assert store.search(TEXTS, records[0].embedding, top_k=1)[0].id == "r0"
    store.close()


def test_a_mending_that_dies_is_begun_again(
    graph_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halve(graph_folder, "header.bin")
    store = ChromaStore(folder=graph_folder, manifest=MANIFEST)
    with monkeypatch.context() as patch:
        patch.setattr(chroma_rows, "put", press)
        with pytest.raises(Died):
            store.delete(TEXTS, ["r1"])
    store.close()
    again = ChromaStore(folder=graph_folder, manifest=MANIFEST)
    was_whole = again._is_whole
    again.delete(TEXTS, ["r1"])

    assert (was_whole, again._is_whole) == (False, True)
    assert again.search(TEXTS, few()[7].embedding, top_k=1)[0].id == "r7"
    assert len(again.ids(TEXTS)) == 39
    again.close()


def press(*_: object) -> None:
    raise Died
