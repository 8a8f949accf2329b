"""Records that are compared one by one: in memory, from the file, and in blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from florilegium.stores.exact import ExactRecords
from florilegium.types import Embeddings, Record

ROWS: Embeddings = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
RECORDS = [
    Record(id=f"{i:02}", item_id=f"item {i % 25}", embedding=row) for i, row in enumerate(ROWS)
]


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[ExactRecords]:
    exact = ExactRecords(tmp_path / "records.sqlite3")
    exact.upsert("pictures", RECORDS)
    yield exact
    exact.close()


def nearest(query: Embeddings, *, items: set[str] | None = None) -> list[str]:
    """Return ids by falling cosine, computed the plain way."""
    left = [one for one in RECORDS if items is None or one.item_id in items]
    scores = {one.id: float(one.embedding @ query / np.linalg.norm(one.embedding)) for one in left}
    return sorted(scores, key=lambda id_: -scores[id_])


def test_a_collection_is_whole_once_it_is_marked(exact: ExactRecords) -> None:
    assert not exact.holds("pictures")

    exact.mark("pictures")
    exact.mark("pictures")

    assert exact.holds("pictures")
    assert not exact.holds("texts")


def test_known_records_are_given_by_id(exact: ExactRecords) -> None:
    found = exact.get("pictures", ["03", "nobody", "01"])

    assert set(found) == {"01", "03"}
    assert found["03"].item_id == "item 3"
    np.testing.assert_array_equal(found["03"].embedding, ROWS[3])
    found["03"].embedding[0] = 7.0  # what is given is the caller's
    assert exact.get("texts", ["03"]) == {}


def test_more_ids_are_read_than_fit_a_statement(exact: ExactRecords) -> None:
    assert len(exact.get("pictures", [f"{i:02}" for i in range(3000)])) == len(RECORDS)


@pytest.mark.parametrize("items", [None, {"item 3"}, {f"item {i}" for i in range(0, 25, 2)}])
def test_all_ways_find_the_same(tmp_path: Path, items: set[str] | None) -> None:
    kept = ExactRecords(tmp_path / "a.sqlite3")
    streamed = ExactRecords(tmp_path / "b.sqlite3", most_bytes=100)
    for exact in (kept, streamed):
        exact.upsert("pictures", RECORDS)
    expected = nearest(ROWS[8], items=items)[:5]

    with patch("florilegium.stores.exact._BLOCK", 7):
        for exact in (kept, kept, streamed):  # read from the file, from memory, in blocks
            matches = exact.search("pictures", ROWS[8], top_k=5, within=items)
            assert [match.id for match in matches] == expected
    if items is not None:
        few = kept.search_few("pictures", ROWS[8], top_k=5, within=items, most=50)
        assert [match.id for match in few or ()] == expected
    kept.close()
    streamed.close()


@pytest.mark.parametrize(("most", "is_few"), [(2, True), (1, False)])
def test_records_are_counted_not_items(exact: ExactRecords, most: int, *, is_few: bool) -> None:
    found = exact.search_few("pictures", ROWS[0], top_k=9, within={"item 4"}, most=most)

    assert (found is not None) is is_few


def test_an_unknown_collection_is_empty(exact: ExactRecords) -> None:
    assert exact.search("texts", ROWS[0], top_k=3) == []
    assert exact.search_few("texts", ROWS[0], top_k=3, within={"item 1"}, most=9) == []


def test_what_is_in_memory_goes_with_each_write(exact: ExactRecords, tmp_path: Path) -> None:
    def first() -> str:
        return exact.search("pictures", ROWS[8], top_k=1)[0].id

    assert first() == "08"
    exact.delete("pictures", ["08", "nobody"])
    assert first() == nearest(ROWS[8])[1]

    other = ExactRecords(tmp_path / "records.sqlite3")
    other.upsert("pictures", [RECORDS[8]])
    other.close()
    assert first() == "08"


def test_a_set_in_memory_is_compared_in_memory(exact: ExactRecords) -> None:
    many = {f"item {i}" for i in range(1000)}
    exact.search("pictures", ROWS[8], top_k=1)

    few = exact.search_few("pictures", ROWS[8], top_k=1, within=many, most=1)

    assert [match.id for match in few or ()] == ["08"]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite3").write_bytes(b"not a database" * 1000)

    with pytest.raises(sqlite3.DatabaseError):
        ExactRecords(tmp_path / "bad.sqlite3")


def test_a_failed_write_leaves_everything_as_it_was(exact: ExactRecords) -> None:
    bad = Record(id="x\udc80", item_id="x", embedding=ROWS[0])

    with pytest.raises(UnicodeEncodeError):
        exact.upsert("pictures", [Record(id="new", item_id="new", embedding=ROWS[0]), bad])

    assert exact.get("pictures", ["new"]) == {}
    assert exact.search("pictures", ROWS[8], top_k=1)[0].id == "08"


def test_a_set_that_was_searched_is_read_once(exact: ExactRecords) -> None:
    def first(*items: str) -> str:
        found = exact.search_few("pictures", ROWS[8], top_k=1, within=set(items), most=50)
        assert found
        return found[0].id

    assert first("item 8", "item 9") == "08"
    with patch("florilegium.stores.exact._rows_of", side_effect=AssertionError("read again")):
        assert first("item 9", "item 8") == "08"
    for number in range(40):  # more than are kept
        assert first(f"item {number % 25}") in {f"{number % 25:02}", f"{number % 25 + 25:02}"}
    exact.delete("pictures", ["08"])
    assert first("item 8", "item 9") != "08"
