"""BM25 over a handful of texts: rare words count more, and none of them nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.bm25 import inverse_frequency, score_items

TEXTS = {"a": ["rose", "red"], "b": ["rose", "white"], "c": ["iris", "blue"]}


def test_a_word_of_one_of_two_texts_finds_it() -> None:
    (found,) = score_items({"a": ["tea"], "b": ["poppy"]}, {"tea": 1.0}, size=2)

    assert found[0] == "a"
    assert found[1] == pytest.approx(inverse_frequency(1, 2))


def test_the_rarer_word_counts_more() -> None:
    scores = dict(score_items(TEXTS, {"rose": 1.0, "iris": 1.0}, size=3))

    assert scores["c"] > scores["a"] == scores["b"] > 0


def test_a_text_without_any_word_is_not_listed() -> None:
    assert [id_ for id_, _ in score_items(TEXTS, {"rose": 1.0}, size=3)] == ["a", "b"]
    assert score_items(TEXTS, {"tulip": 1.0}, size=3) == []
    assert score_items({}, {"tulip": 1.0}, size=0) == []


def test_repetition_counts_less_each_time_and_length_takes_away() -> None:
    texts = {"once": ["x", "y"], "twice": ["x", "x"], "long": ["x", *"abcdefg"]}
    scores = dict(score_items(texts, {"x": 1.0}, size=3))

    assert scores["twice"] > scores["once"] > scores["long"]
    assert scores["twice"] < 2 * scores["once"]


def test_a_weight_scales_what_a_word_gives() -> None:
    (whole,) = score_items({"a": ["x"]}, {"x": 1.0}, size=1)
    (quarter,) = score_items({"a": ["x"]}, {"x": 0.25}, size=1)

    assert quarter[1] == pytest.approx(0.25 * whole[1])


@given(count=st.integers(0, 50), more=st.integers(1, 50))
def test_a_commoner_word_is_never_rarer(count: int, more: int) -> None:
    assert inverse_frequency(count, 100) > inverse_frequency(count + more, 100) >= 0
