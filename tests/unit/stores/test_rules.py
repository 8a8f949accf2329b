"""The checks and the ranking that stores share."""

from __future__ import annotations

import numpy as np
import pytest

from florilegium.errors import IndexMismatchError, InvalidQueryError, StoreError
from florilegium.stores.rules import (
    check_collection,
    check_manifest,
    check_query,
    check_records,
    find_rows,
    manifest_to_json,
    rank,
    select_nearest,
)
from florilegium.types import Collection, Manifest, Match, Modality, Record, Space

CLIP = Space(name="clip", fingerprint="aaaa", dim=2)
TEXT = Space(name="text", fingerprint="bbbb", dim=2)
MANIFEST = Manifest(schema=1, spaces=(CLIP, TEXT))


def record(id_: str, *numbers: float) -> Record:
    return Record(id=id_, item_id="item", embedding=np.asarray(numbers, dtype=np.float32))


def test_a_manifest_as_text_names_everything_that_it_holds() -> None:
    manifest = Manifest(schema=3, spaces=(CLIP,))

    assert manifest_to_json(manifest) == (
        '{"schema": 3, "spaces": [{"dim": 2, "fingerprint": "aaaa", "name": "clip"}]}'
    )


def test_the_order_of_spaces_makes_no_other_manifest() -> None:
    turned = Manifest(schema=1, spaces=(TEXT, CLIP))

    check_manifest(manifest_to_json(MANIFEST), turned, place="here")


def test_a_refused_manifest_is_shown_next_to_the_wanted_one() -> None:
    wanted = Manifest(schema=2, spaces=(CLIP, TEXT))

    with pytest.raises(IndexMismatchError) as caught:
        check_manifest(manifest_to_json(MANIFEST), wanted, place="here")

    assert "'here'" in caught.value.message
    assert manifest_to_json(MANIFEST) in caught.value.message
    assert manifest_to_json(wanted) in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("Run `florilegium ingest --rebuild`")


def test_the_space_of_a_collection_comes_from_the_manifest() -> None:
    assert check_collection(Collection(space="text", modality=Modality.TEXT), MANIFEST) == TEXT


def test_an_unknown_space_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StoreError, match=r"'other/image/whole'.*'clip', 'text'"):
        check_collection(Collection(space="other", modality=Modality.IMAGE), MANIFEST)


def test_the_last_record_of_an_id_is_kept() -> None:
    kept = check_records([record("a", 1, 0), record("b", 1, 0), record("a", 0, 1)], CLIP)

    assert [(one.id, one.embedding.tolist()) for one in kept] == [("a", [0, 1]), ("b", [1, 0])]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (record("a", 1, 0, 0), r"'a' has the shape \(3,\).*needs \(2,\)"),
        (record("a", np.inf, 0), "'a' is zero or not finite"),
        (record("a", 0, 0), "'a' is zero or not finite"),
        (record("", 1, 0), "empty id"),
    ],
)
def test_a_bad_record_is_refused_by_name(bad: Record, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        check_records([record("good", 1, 0), bad], CLIP)


def test_a_good_query_is_accepted() -> None:
    check_query(np.asarray([0.6, 0.8], dtype=np.float32), CLIP, top_k=1)


def test_a_top_k_below_one_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="top_k is 0"):
        check_query(np.asarray([1, 0], dtype=np.float32), CLIP, top_k=0)


def test_a_matrix_is_no_query() -> None:
    with pytest.raises(StoreError, match=r"searched for has the shape \(1, 2\)"):
        check_query(np.ones((1, 2), dtype=np.float32), CLIP, top_k=1)


def test_ranking_puts_the_best_first_and_equal_scores_by_id() -> None:
    candidates = [("b", "x", 0.5), ("c", "x", 0.9), ("a", "y", 0.5)]

    assert rank(candidates, top_k=9) == [
        Match(id="c", item_id="x", score=0.9),
        Match(id="a", item_id="y", score=0.5),
        Match(id="b", item_id="x", score=0.5),
    ]


def test_noise_below_the_seventh_decimal_is_a_tie() -> None:
    matches = rank([("b", "x", 0.50000012), ("a", "x", 0.5)], top_k=1)

    assert matches == [Match(id="a", item_id="x", score=0.5)]


def test_a_difference_in_the_sixth_decimal_is_none() -> None:
    matches = rank([("a", "x", 0.5), ("b", "x", 0.500002)], top_k=2)

    assert [match.id for match in matches] == ["b", "a"]


def test_a_score_is_never_minus_zero() -> None:
    (match,) = rank([("a", "x", -1e-9)], top_k=1)

    assert str(match.score) == "0.0"


def test_rows_of_wanted_items_are_found_in_order() -> None:
    assert find_rows(["a", "b", "a", "c"], {"c", "a", "x"}).tolist() == [0, 2, 3]
    assert find_rows(["a"], frozenset()).tolist() == []


@pytest.mark.parametrize("wanted", [1, 30, 500])
def test_the_nearest_rows_are_those_of_double_precision(wanted: int) -> None:
    chance = np.random.default_rng(0)
    embeddings = chance.normal(size=(500, 6)).astype(np.float32)
    query = (3 * chance.normal(size=6)).astype(np.float32)
    rows = chance.permutation(500)[:wanted]
    wide = embeddings.astype(np.float64)
    cosines = wide @ query / np.linalg.norm(wide, axis=1) / np.linalg.norm(query)

    found = select_nearest(
        embeddings, np.linalg.norm(embeddings, axis=1), query, top_k=10, rows=rows
    )

    best = sorted(rows.tolist(), key=lambda row: -cosines[row])[:10]
    ranked = sorted(found, key=lambda pair: -pair[1])
    assert [row for row, _ in ranked] == best
    assert [score for _, score in ranked] == pytest.approx(cosines[best], abs=1e-7)


def test_all_rows_that_tie_with_the_last_are_selected() -> None:
    embeddings = np.tile(np.asarray([[0.6, 0.8]], dtype=np.float32), (37, 1))

    found = select_nearest(
        embeddings, np.ones(37, dtype=np.float32), np.asarray([1, 0], np.float32), top_k=2
    )

    assert [row for row, _ in found] == list(range(37))
    assert len({score for _, score in found}) == 1


def test_nothing_is_nearest_where_no_row_is_wanted() -> None:
    rows = np.zeros(0, dtype=np.int64)
    ones = np.ones((3, 2), dtype=np.float32)

    assert select_nearest(ones, ones[:, 0], ones[0], top_k=2, rows=rows) == []
