"""Threads read Chroma at once, also while another process makes its graphs anew."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from florilegium.stores.chroma import ChromaStore, open_store
from florilegium.stores.chroma_client import open_client
from florilegium.stores.chroma_files import SAVED
from florilegium.stores.chroma_rows import collection_name
from florilegium.testing.store_samples import IMAGES, MANIFEST, record
from florilegium.types import Embeddings

RECORDS = 400
THREADS = 8


@pytest.fixture
def rows() -> Embeddings:
    return np.random.default_rng(0).normal(size=(RECORDS, 4)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, rows: Embeddings) -> Iterator[ChromaStore]:
    """Return a store that was written, closed, and opened to read."""
    writing = open_store("", folder=tmp_path, manifest=MANIFEST)
    writing.upsert(IMAGES, [record(f"{n:03}", row) for n, row in enumerate(rows)])
    writing.close()
    store = open_store("", folder=tmp_path, manifest=MANIFEST)
    assert isinstance(store, ChromaStore)
    yield store
    store.close()


def saved(folder: Path) -> list[Path]:
    """Return the graphs that Chroma has saved."""
    return list((folder / "chroma").glob(f"*/{SAVED}"))


def test_searches_of_threads_that_begin_at_once_save_no_graph(
    store: ChromaStore, tmp_path: Path, rows: Embeddings
) -> None:
    start = Barrier(THREADS, timeout=30)

    def search(number: int) -> str:
        start.wait()
        return store.search(IMAGES, rows[number], top_k=1)[0].id

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(search, range(THREADS))) == [f"{n:03}" for n in range(THREADS)]
    assert saved(tmp_path) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_collection_that_another_process_is_making_anew_is_searched_all_the_same(
    store: ChromaStore, tmp_path: Path, rows: Embeddings, is_known: bool
) -> None:
    if is_known:
        store.search(IMAGES, rows[0], top_k=1)
    other = open_client(str(tmp_path / "chroma"))
    other.delete_collection(collection_name(IMAGES))
    other.close()

    found = store.search(IMAGES, rows[7], top_k=5)

    assert [found[0].id, len(found)] == ["007", 5]
    assert store.search(IMAGES, rows[7], top_k=1, within={"item"})[0].id == "007"
    assert [one.id for one in store.get(IMAGES, ["007", "nothing"])] == ["007"]
