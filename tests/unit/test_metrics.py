"""Metrics against values that can be checked by hand."""

from __future__ import annotations

import math

import pytest

from florilegium.metrics import METRICS, average, first_relevant, measure, percentile


def test_one_relevant_file_at_rank_two() -> None:
    values = measure({"q": {"b": 1}}, {"q": ["a", "b", "c"]})["q"]

    assert values["R@1"] == 0
    assert values["R@5"] == values["R@10"] == 1
    assert values["MRR"] == pytest.approx(1 / 2)
    assert values["nDCG@10"] == pytest.approx(1 / math.log2(3))


def test_recall_is_the_share_of_all_relevant_files() -> None:
    values = measure({"q": {"a": 1, "b": 1, "c": 1, "d": 1}}, {"q": ["a", "x", "b"]})["q"]

    assert values["R@1"] == pytest.approx(1 / 4)
    assert values["R@5"] == pytest.approx(2 / 4)


def test_a_higher_grade_counts_more_in_ndcg() -> None:
    graded = {"q": {"good": 3, "fair": 1}}

    best = measure(graded, {"q": ["good", "fair"]})["q"]["nDCG@10"]
    swapped = measure(graded, {"q": ["fair", "good"]})["q"]["nDCG@10"]

    assert best == 1
    assert swapped == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))


def test_what_is_after_rank_ten_counts_for_mrr_only() -> None:
    values = measure({"q": {"it": 1}}, {"q": [*map(str, range(11)), "it"]})["q"]

    assert values["R@10"] == values["nDCG@10"] == 0
    assert values["MRR"] == pytest.approx(1 / 12)


def test_a_query_that_found_nothing_has_zeros() -> None:
    assert measure({"q": {"a": 1}}, {})["q"] == dict.fromkeys(METRICS, 0.0)


def test_names_may_be_anything() -> None:
    path = "Blumen/Rosé \udcff 红.jpg"

    assert measure({"q \udcff": {path: 1}}, {"q \udcff": [path]})["q \udcff"]["R@1"] == 1


def test_a_file_that_is_found_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="found a file twice"):
        measure({"q": {"a": 1}}, {"q": ["a", "a"]})


def test_a_query_without_relevant_files_is_refused() -> None:
    with pytest.raises(ValueError, match="no relevant file"):
        measure({"q": {}}, {})


@pytest.mark.parametrize(
    ("found", "rank"), [(["a", "b"], 2), (["b"], 1), (["a"], None), ([], None)]
)
def test_the_first_relevant_file_has_a_rank(found: list[str], rank: int | None) -> None:
    assert first_relevant({"b": 1, "c": 1}, found) == rank


def test_averages_are_over_queries() -> None:
    rows = [dict.fromkeys(METRICS, 1.0), dict.fromkeys(METRICS, 0.5)]

    assert average(rows) == dict.fromkeys(METRICS, 0.75)
    assert average([]) == {}


def test_percentiles_lie_between_values() -> None:
    assert percentile([10.0, 20.0], 50) == 15
    assert percentile([3.0], 95) == 3
    assert percentile([], 50) == 0
