"""What every vector store must do, as tests: subclass it, and say how to open and how to break.

Knows no store. Needs pytest, so nothing but tests may import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from florilegium.errors import IndexMismatchError, InvalidQueryError, StoreError
from florilegium.protocols import SelfChecking, VectorStore
from florilegium.testing.store_filters import FilteredSearchContract
from florilegium.testing.store_samples import (
    EAST,
    IMAGES,
    MANIFEST,
    NORTH,
    NORTH_EAST,
    OTHER_ENCODER,
    TEXTS,
    WEST,
    WINDOWS,
    OpenStore,
    circle,
    found_ids,
    record,
    row,
)
from florilegium.types import Collection, Manifest, Modality


class VectorStoreContract(FilteredSearchContract):
    """The promises of `florilegium.protocols.VectorStore`.

    A subclass gives `make_store` and `break_store`. What a test opens through the fixture
    `open_store` lies in one folder and is closed after the test.
    """

    def make_store(self, folder: Path, manifest: Manifest) -> VectorStore:
        """Open the store that is tested, with all its files in `folder`."""
        raise NotImplementedError("Give make_store(folder, manifest) in the subclass.")

    def break_store(self, folder: Path) -> None:
        """Damage the files of a closed store: opening or searching it must fail after that."""
        raise NotImplementedError("Give break_store(folder) in the subclass.")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "index"

    @pytest.fixture
    def open_store(self, folder: Path) -> Iterator[OpenStore]:
        opened: list[VectorStore] = []

        def open_and_note(manifest: Manifest) -> VectorStore:
            opened.append(self.make_store(folder, manifest))
            return opened[-1]

        yield open_and_note
        for store in opened:
            store.close()

    @pytest.fixture
    def store(self, open_store: OpenStore) -> VectorStore:
        return open_store(MANIFEST)

    def test_an_identical_vector_scores_one(self, store: VectorStore) -> None:
        """If this fails: return the cosine similarity, not 1 minus it."""
        store.upsert(IMAGES, [record("a", NORTH_EAST, item_id="rose")])

        (match,) = store.search(IMAGES, row(NORTH_EAST), top_k=1)
        assert (match.id, match.item_id) == ("a", "rose")
        assert match.score == pytest.approx(1.0, abs=1e-5)

    def test_higher_is_better_and_best_comes_first(self, store: VectorStore) -> None:
        """If this fails: sort by falling similarity; turn round what grows as vectors part."""
        store.upsert(IMAGES, [record("w", WEST), record("n", NORTH), record("ne", NORTH_EAST)])

        matches = store.search(IMAGES, row(EAST), top_k=3)

        assert found_ids(matches) == ["ne", "n", "w"]
        assert [match.score for match in matches] == pytest.approx([0.6, 0.0, -1.0], abs=1e-5)

    def test_scores_stay_between_minus_one_and_one(self, store: VectorStore) -> None:
        """If this fails: clip; rounding puts the cosine of equal vectors above 1 now and then."""
        ones = circle(50)
        store.upsert(
            IMAGES,
            [record(f"{i}{s}", s * one) for i, one in enumerate(ones) for s in (1, -1)],
        )

        for one in ones:
            scores = [match.score for match in store.search(IMAGES, one, top_k=100)]
            assert len(scores) == 100
            assert 1.0 >= scores[0] >= scores[-1] >= -1.0

    def test_at_most_top_k_matches_are_returned(self, store: VectorStore) -> None:
        """If this fails: cut the list after sorting it."""
        store.upsert(IMAGES, [record(f"{i:02}", one) for i, one in enumerate(circle(20))])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=3)) == ["00", "01", "02"]

    @pytest.mark.parametrize("top_k", [4, 1000])
    def test_fewer_records_than_top_k_are_returned(self, store: VectorStore, top_k: int) -> None:
        """If this fails: the engine refuses to return fewer than asked; ask for less."""
        store.upsert(IMAGES, [record("e", EAST), record("n", NORTH), record("w", WEST)])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=top_k)) == ["e", "n", "w"]

    def test_a_large_top_k_returns_every_record_in_order(self, store: VectorStore) -> None:
        """If this fails: the engine's own search limit is below top_k; raise it with top_k."""
        store.upsert(IMAGES, [record(f"{i:04}", one) for i, one in enumerate(circle(1500))])

        matches = store.search(IMAGES, row(EAST), top_k=1000)

        assert len({match.id for match in matches}) == 1000
        assert {match.id for match in matches} >= {f"{i:04}" for i in range(990)}

    def test_a_top_k_below_one_is_refused(self, store: VectorStore) -> None:
        """If this fails: raise InvalidQueryError before the engine sees the number."""
        store.upsert(IMAGES, [record("a", EAST)])

        for top_k in (0, -1):
            with pytest.raises(InvalidQueryError):
                store.search(IMAGES, row(EAST), top_k=top_k)

    def test_a_collection_that_was_never_written_is_empty(self, store: VectorStore) -> None:
        """If this fails: answer for a missing collection as for an empty one."""
        store.delete(IMAGES, ["a"])

        assert store.search(IMAGES, row(EAST), top_k=5) == []
        assert store.get(IMAGES, ["a"]) == []
        assert store.ids(IMAGES) == set()

    def test_nothing_given_changes_nothing(self, store: VectorStore) -> None:
        """If this fails: return early on an empty list; many engines refuse one."""
        store.upsert(IMAGES, [record("a", EAST)])

        store.upsert(IMAGES, [])
        store.delete(IMAGES, [])

        assert store.get(IMAGES, []) == []
        assert store.ids(IMAGES) == {"a"}

    def test_upsert_is_idempotent(self, store: VectorStore) -> None:
        """If this fails: the second write added instead of replacing."""
        records = [record("a", EAST), record("b", NORTH)]

        store.upsert(IMAGES, records)
        store.upsert(IMAGES, records)

        assert store.ids(IMAGES) == {"a", "b"}
        assert found_ids(store.search(IMAGES, row(EAST), top_k=9)) == ["a", "b"]

    def test_upsert_replaces_the_vector_and_the_item_of_an_id(self, store: VectorStore) -> None:
        """If this fails: the old row is still in the index next to the new one."""
        store.upsert(IMAGES, [record("a", EAST, item_id="old"), record("b", NORTH)])

        store.upsert(IMAGES, [record("a", WEST, item_id="new")])

        (kept,) = store.get(IMAGES, ["a"])
        assert kept.item_id == "new"
        np.testing.assert_allclose(kept.embedding, row(WEST), atol=1e-6)
        assert found_ids(store.search(IMAGES, row(EAST), top_k=2)) == ["b", "a"]

    def test_the_last_of_several_records_with_one_id_wins(self, store: VectorStore) -> None:
        """If this fails: drop all but the last record of an id before writing."""
        store.upsert(IMAGES, [record("a", EAST), record("b", NORTH), record("a", WEST)])

        assert store.ids(IMAGES) == {"a", "b"}
        (match, _) = store.search(IMAGES, row(WEST), top_k=2)
        assert match.id == "a"
        assert match.score == pytest.approx(1.0, abs=1e-5)

    def test_delete_ignores_unknown_ids(self, store: VectorStore) -> None:
        """If this fails: leave out the ids that are not there, or silence the engine's error."""
        store.upsert(IMAGES, [record("a", EAST), record("b", NORTH)])

        store.delete(IMAGES, ["a", "unknown", "a"])

        assert store.ids(IMAGES) == {"b"}

    def test_a_deleted_record_is_not_found(self, store: VectorStore) -> None:
        """If this fails: delete marks the row, but search, get or ids still reads it."""
        store.upsert(IMAGES, [record(f"{i:02}", one) for i, one in enumerate(circle(40))])

        store.delete(IMAGES, [f"{i:02}" for i in range(0, 40, 2)])

        left = [f"{i:02}" for i in range(1, 40, 2)]
        assert found_ids(store.search(IMAGES, row(EAST), top_k=40)) == left
        assert store.get(IMAGES, ["00", "02"]) == []
        assert store.ids(IMAGES) == set(left)

    def test_a_collection_can_be_emptied_and_filled_again(self, store: VectorStore) -> None:
        """If this fails: an emptied collection keeps state that hides new rows."""
        store.upsert(IMAGES, [record("a", EAST), record("b", NORTH)])
        store.delete(IMAGES, ["a", "b"])
        assert store.search(IMAGES, row(EAST), top_k=2) == []
        store.upsert(IMAGES, [record("b", EAST)])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=2)) == ["b"]

    def test_get_keeps_the_order_of_the_ids_and_leaves_out_unknown_ones(
        self, store: VectorStore
    ) -> None:
        """If this fails: put the rows back in the order asked for; engines return their own."""
        store.upsert(IMAGES, [record("a", EAST), record("b", NORTH), record("c", WEST)])

        records = store.get(IMAGES, ["c", "unknown", "a", "b"])

        assert [one.id for one in records] == ["c", "a", "b"]
        expected = np.stack([row(WEST), row(EAST), row(NORTH)])
        np.testing.assert_allclose(np.stack([one.embedding for one in records]), expected)
        assert {one.embedding.dtype for one in records} == {np.dtype(np.float32)}

    def test_equal_scores_are_ordered_by_id(self, store: VectorStore) -> None:
        """If this fails: sort by (-score, id), with scores rounded so that equal vectors tie."""
        ids = [f"{i:02}" for i in range(30)]
        store.upsert(IMAGES, [record(ids[7 * i % 30], NORTH_EAST) for i in range(30)])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=30)) == ids

    def test_ids_decide_which_equal_scores_make_the_cut(self, store: VectorStore) -> None:
        """If this fails: ask the engine for more than top_k until the tie at the cut is whole."""
        ids = [f"{i:03}" for i in range(300)]
        store.upsert(IMAGES, [record(id_, NORTH_EAST) for id_ in reversed(ids)])
        store.upsert(IMAGES, [record("z", EAST)])

        assert found_ids(store.search(IMAGES, row(EAST), top_k=4)) == ["z", "000", "001", "002"]

    @pytest.mark.parametrize(
        "id_",
        ["花/玫瑰.jpg:whole:0", "a/b\\c/../d e", "🌹", "x" * 5000, "a\x00b", "'; DROP--", "0", " "],
    )
    def test_any_text_is_an_id(self, open_store: OpenStore, id_: str) -> None:
        """If this fails: ids are opaque; escape or hash them where the engine is choosy."""
        store = open_store(MANIFEST)
        store.upsert(IMAGES, [record(id_, EAST, item_id=id_), record("other", NORTH)])
        store.close()
        again = open_store(MANIFEST)

        (match,) = again.search(IMAGES, row(EAST), top_k=1)
        assert (match.id, match.item_id) == (id_, id_)
        assert [one.id for one in again.get(IMAGES, [id_])] == [id_]

        again.delete(IMAGES, [id_])
        assert again.ids(IMAGES) == {"other"}

    def test_collections_are_separate(self, store: VectorStore) -> None:
        """If this fails: key rows by the whole name of the collection, its part too."""
        store.upsert(IMAGES, [record("a", EAST, item_id="image")])
        store.upsert(WINDOWS, [record("a", WEST, item_id="window")])
        store.upsert(TEXTS, [record("a", (0.0, 0.0, 1.0), item_id="text")])

        store.delete(WINDOWS, ["a"])

        assert [match.item_id for match in store.search(IMAGES, row(EAST), top_k=9)] == ["image"]
        assert store.ids(WINDOWS) == set()
        (match,) = store.search(TEXTS, row((0.0, 0.0, 1.0)), top_k=9)
        assert match.item_id == "text"

    def test_six_thousand_records_can_be_written_at_once(self, store: VectorStore) -> None:
        """If this fails: split the list into batches that the engine takes."""
        ids = [f"{i:04}" for i in range(6000)]
        store.upsert(IMAGES, [record(id_, one) for id_, one in zip(ids, circle(6000), strict=True)])

        assert store.ids(IMAGES) == set(ids)
        assert [one.id for one in store.get(IMAGES, ids[::-1])] == ids[::-1]

        store.delete(IMAGES, ids[1:])
        assert found_ids(store.search(IMAGES, row(WEST), top_k=5)) == ["0000"]

    def test_many_small_writes_add_up(self, store: VectorStore) -> None:
        """If this fails: a write replaces what an earlier one wrote, or is still buffered."""
        ids = [f"{i:03}" for i in range(100)]
        for id_, one in zip(ids, circle(100), strict=True):
            store.upsert(IMAGES, [record(id_, one)])

        assert found_ids(store.search(IMAGES, row(WEST), top_k=100)) == ids[::-1]

    def test_several_threads_may_read_one_store_at_once(self, open_store: OpenStore) -> None:
        """If this fails: let threads take turns where they share something that changes."""
        rows = circle(40)
        open_store(MANIFEST).upsert(IMAGES, [record(f"{n:02}", one) for n, one in enumerate(rows)])
        store = open_store(MANIFEST)  # which has read nothing yet

        def read(number: int) -> tuple[str, str]:
            (match,) = store.search(IMAGES, rows[number % 40], top_k=1)
            return match.id, store.get(IMAGES, [f"{number % 40:02}"])[0].id

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(read, range(160)))
        assert found == [(f"{number % 40:02}",) * 2 for number in range(160)]

    def test_what_was_written_is_there_after_closing_and_opening(
        self, open_store: OpenStore
    ) -> None:
        """If this fails: write everything before close returns, deletions too."""
        store = open_store(MANIFEST)
        store.upsert(IMAGES, [record("a", EAST, item_id="x"), record("b", NORTH)])
        store.upsert(TEXTS, [record("t", (1.0, 0.0, 0.0))])
        store.delete(IMAGES, ["b"])
        store.close()

        again = open_store(MANIFEST)

        assert again.ids(IMAGES) == {"a"}
        assert again.ids(TEXTS) == {"t"}
        (kept,) = again.get(IMAGES, ["a"])
        assert kept.item_id == "x"
        np.testing.assert_allclose(kept.embedding, row(EAST), atol=1e-6)
        again.upsert(IMAGES, [record("c", NORTH)])
        assert found_ids(again.search(IMAGES, row(NORTH), top_k=9)) == ["c", "a"]

    def test_a_store_may_be_closed_twice_and_then_says_so(self, store: VectorStore) -> None:
        """If this fails: remember it, rather than meet an error of the engine's."""
        store.close()
        store.close()

        with pytest.raises(StoreError, match="closed"):
            store.upsert(IMAGES, [record("b", EAST)])

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(OTHER_ENCODER, id="another fingerprint"),
            pytest.param(Manifest(schema=2, spaces=MANIFEST.spaces), id="another schema"),
            pytest.param(Manifest(schema=1, spaces=MANIFEST.spaces[:1]), id="a space fewer"),
        ],
    )
    def test_another_manifest_is_refused(self, open_store: OpenStore, other: Manifest) -> None:
        """If this fails: keep the manifest with the vectors and compare all of it at opening."""
        open_store(MANIFEST).close()  # even where nothing was written

        with pytest.raises(IndexMismatchError) as caught:
            open_store(other)
        assert "florilegium ingest --rebuild" in (caught.value.hint or "")

        assert open_store(MANIFEST).ids(IMAGES) == set()

    @pytest.mark.parametrize(
        "numbers", [(1.0, 0.0, 0.0), (), (np.nan, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)]
    )
    def test_a_bad_embedding_is_refused_before_anything_is_written(
        self, store: VectorStore, numbers: tuple[float, ...]
    ) -> None:
        """If this fails: check the shape and the numbers of all records before writing one."""
        with pytest.raises(StoreError):
            store.upsert(IMAGES, [record("good", EAST), record("bad", numbers)])
        assert store.ids(IMAGES) == set()

        store.upsert(IMAGES, [record("good", EAST)])
        with pytest.raises(StoreError):
            store.search(IMAGES, row(numbers), top_k=1)

    def test_a_space_that_the_manifest_lacks_is_refused(self, store: VectorStore) -> None:
        """If this fails: look the space up in the manifest in every call."""
        stranger = Collection(space="stranger", modality=Modality.IMAGE)

        for call in (
            lambda: store.upsert(stranger, [record("a", EAST)]),
            lambda: store.delete(stranger, ["a"]),
            lambda: store.get(stranger, ["a"]),
            lambda: store.search(stranger, row(EAST), top_k=1),
            lambda: store.ids(stranger),
        ):
            with pytest.raises(StoreError, match="stranger"):
                call()

    def test_damaged_files_give_an_error_of_ours_with_its_cause(
        self, open_store: OpenStore, folder: Path
    ) -> None:
        """If this fails: wrap the errors of the engine where it is called, `from` the original."""
        store = open_store(MANIFEST)
        store.upsert(IMAGES, [record("a", EAST)])
        store.close()
        self.break_store(folder)

        with pytest.raises(StoreError) as caught:
            open_store(MANIFEST).search(IMAGES, row(EAST), top_k=1)

        assert caught.value.__cause__ is not None
        assert caught.value.hint

    def test_a_store_that_checks_itself_finds_all_that_is_there(self, store: VectorStore) -> None:
        """If this fails: call a record unfound only if a search for its own embedding misses it."""
        if not isinstance(store, SelfChecking):
            pytest.skip("this store does not check itself")
        store.upsert(IMAGES, [record("a", EAST), record("b", NORTH)])

        store.check_files()

        assert store.unfound(IMAGES, ["a", "b"]) == []
        assert store.unfound(IMAGES, ["b", "lost"]) == ["lost"]
