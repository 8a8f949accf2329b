"""What a vector store must do when only the records of some items are wanted, as tests.

`florilegium.testing.store` inherits them. Needs pytest, so nothing but tests may import it.
"""

from __future__ import annotations

import numpy as np
import pytest

from florilegium.protocols import VectorStore
from florilegium.testing.store_samples import (
    EAST,
    IMAGES,
    MANIFEST,
    NORTH,
    NORTH_EAST,
    WEST,
    WINDOWS,
    OpenStore,
    circle,
    found_ids,
    record,
    row,
)
from florilegium.types import Embeddings, Record

_COUNT = 3000


def scattered(count: int) -> Embeddings:
    """Return unit vectors without structure, shape (count, 4)."""
    rows = np.random.default_rng(5).normal(size=(count, 4)).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Embeddings = (rows / lengths).astype(np.float32)
    return unit


class FilteredSearchContract:
    """What `within` promises. The fixtures come from `VectorStoreContract`."""

    @pytest.fixture
    def filled(self, store: VectorStore) -> tuple[VectorStore, list[Record]]:
        """Records of 3,000 items, one each, and some with a second one."""
        rows = scattered(_COUNT + 300)
        records = [
            record(f"{i % _COUNT:04}:{i}", one, item_id=f"{i % _COUNT:04}")
            for i, one in enumerate(rows)
        ]
        store.upsert(IMAGES, records)
        return store, records

    @pytest.mark.parametrize("every", [1, 2, 7, 100, 1500])
    @pytest.mark.parametrize("top_k", [1, 10, 200])
    def test_a_filtered_search_equals_an_exact_one_of_what_is_left(
        self, filled: tuple[VectorStore, list[Record]], every: int, top_k: int
    ) -> None:
        """If this fails: compare every record of the items; an approximate index misses some."""
        store, records = filled
        within = {f"{i:04}" for i in range(0, _COUNT, every)}
        left = [one for one in records if one.item_id in within]

        for query in scattered(3):
            scores = np.stack([one.embedding for one in left]).astype(np.float64) @ query
            pairs = sorted(zip(-scores, left, strict=True), key=lambda pair: pair[0])[:top_k]
            matches = store.search(IMAGES, query, top_k=top_k, within=within)
            assert found_ids(matches) == [one.id for _, one in pairs]
            assert [match.score for match in matches] == pytest.approx(
                [-score for score, _ in pairs], abs=1e-5
            )

    def test_items_far_from_the_query_are_found(self, store: VectorStore) -> None:
        """If this fails: the nearest neighbours are filtered, and all of them were of others."""
        rows = circle(6200)
        records = [record(f"{i:04}", one, item_id=f"{i:04}") for i, one in enumerate(rows)]
        store.upsert(IMAGES, records)
        far = {f"{i:04}" for i in range(900, 6200)}

        matches = store.search(IMAGES, row(EAST), top_k=3, within=far)

        assert found_ids(matches) == ["0900", "0901", "0902"]

    def test_without_a_set_all_is_searched(self, store: VectorStore) -> None:
        """If this fails: None is no filter, not an empty one."""
        store.upsert(IMAGES, [record("e", EAST, item_id="x"), record("n", NORTH, item_id="y")])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=9, within=None)) == ["e", "n"]

    def test_an_empty_set_finds_nothing(self, store: VectorStore) -> None:
        """If this fails: an empty set is a filter that nothing passes, not the lack of one."""
        store.upsert(IMAGES, [record("e", EAST)])

        assert store.search(IMAGES, row(EAST), top_k=9, within=frozenset()) == []

    def test_unknown_items_do_nothing(self, store: VectorStore) -> None:
        """If this fails: the engine must not complain of what it does not have."""
        store.upsert(IMAGES, [record("e", EAST, item_id="x"), record("n", NORTH, item_id="y")])
        strangers = {f"stranger {i}" for i in range(40_000)} | {"'; DROP--", "", "花"}

        assert store.search(IMAGES, row(EAST), top_k=9, within=strangers) == []
        for within in ({"y", "stranger"}, {"y"} | strangers):
            assert found_ids(store.search(IMAGES, row(EAST), top_k=9, within=within)) == ["n"]

    def test_all_records_of_an_item_are_found_up_to_top_k(self, store: VectorStore) -> None:
        """If this fails: filter by the id of the item, of which there may be many records."""
        store.upsert(
            WINDOWS, [record(f"a:{i}", one, item_id="a") for i, one in enumerate(circle(30))]
        )
        store.upsert(WINDOWS, [record("b:0", EAST, item_id="b")])

        matches = store.search(WINDOWS, row(EAST), top_k=100, within={"a"})

        assert found_ids(matches) == [f"a:{i}" for i in range(30)]
        assert {match.item_id for match in matches} == {"a"}
        assert found_ids(store.search(WINDOWS, row(EAST), top_k=2, within={"a"})) == ["a:0", "a:1"]

    def test_ids_decide_among_equal_scores_within_a_set(self, store: VectorStore) -> None:
        """If this fails: the tie at the cut must be whole before it is cut."""
        ids = [f"{i:03}" for i in range(300)]
        store.upsert(IMAGES, [record(id_, NORTH_EAST, item_id=id_) for id_ in reversed(ids)])

        matches = store.search(IMAGES, row(EAST), top_k=3, within=set(ids[100:]))

        assert found_ids(matches) == ["100", "101", "102"]

    def test_a_filter_sees_every_write(self, store: VectorStore) -> None:
        """If this fails: what is kept in memory for filtered searches must go with each write."""
        within = {f"{i:04}" for i in range(6000)}
        rows = circle(6000)
        store.upsert(
            IMAGES,
            [record(id_, one, item_id=id_) for id_, one in zip(sorted(within), rows, strict=True)],
        )
        assert found_ids(store.search(IMAGES, row(EAST), top_k=1, within=within)) == ["0000"]

        store.upsert(IMAGES, [record("0000", WEST, item_id="0000")])
        assert found_ids(store.search(IMAGES, row(EAST), top_k=1, within=within)) == ["0001"]
        store.upsert(IMAGES, [record("0001", EAST, item_id="elsewhere")])
        assert found_ids(store.search(IMAGES, row(EAST), top_k=1, within=within)) == ["0002"]
        store.delete(IMAGES, ["0002"])
        assert found_ids(store.search(IMAGES, row(EAST), top_k=1, within=within)) == ["0003"]
        assert found_ids(store.search(IMAGES, row(EAST), top_k=1, within={"0003"})) == ["0003"]

    def test_a_filter_works_after_closing_and_opening(self, open_store: OpenStore) -> None:
        """If this fails: keep the ids of items with the vectors."""
        store = open_store(MANIFEST)
        store.upsert(IMAGES, [record("e", EAST, item_id="x"), record("n", NORTH, item_id="y")])
        store.close()

        again = open_store(MANIFEST)

        assert found_ids(again.search(IMAGES, row(EAST), top_k=9, within={"y"})) == ["n"]
