"""Standardised scores, with numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.calibration import Prior, Scale, fit_background, fit_scale, fit_words

finite = st.floats(-10, 10)


def test_a_scale_is_the_mean_and_the_deviation_of_the_whole_list() -> None:
    # Deviations from 5: -3 -1 -1 -1 0 0 2 4; their squares sum up to 32, a variance of 4.
    assert fit_scale([2, 4, 4, 4, 5, 5, 7, 9], floor=0.1) == Scale(mean=5.0, deviation=2.0, items=8)


def test_a_score_is_told_in_deviations_from_the_mean() -> None:
    scale = Scale(mean=5.0, deviation=2.0)

    assert [scale.standardise(score) for score in (9, 5, 2)] == [2.0, 0.0, -1.5]


def test_scores_that_are_all_alike_have_the_smallest_deviation_that_is_believed() -> None:
    scale = fit_scale([0.25, 0.25, 0.25], floor=0.5)

    assert scale == Scale(mean=0.25, deviation=0.5, items=3)
    assert scale.standardise(0.25) == 0.0


def test_a_single_score_is_average() -> None:
    assert fit_scale([0.75], floor=0.5).standardise(0.75) == 0.0


@pytest.mark.parametrize(("floor", "deviation"), [(1.9, 2.0), (2.0, 2.0), (2.1, 2.1)])
def test_the_floor_matters_only_below_it(floor: float, deviation: float) -> None:
    assert fit_scale([1, 5], floor=floor).deviation == deviation


def test_a_view_of_a_dictionary_will_do() -> None:
    assert fit_scale({"a": 1.0, "b": 3.0}.values(), floor=0.1) == Scale(
        mean=2.0, deviation=1.0, items=2
    )


def test_lists_of_another_unit_become_comparable() -> None:
    cosines, percents = [0.0, 0.25, 0.5], [0.0, 25.0, 50.0]

    small, large = fit_scale(cosines, floor=0.01), fit_scale(percents, floor=0.01)

    assert small.standardise(0.5) == pytest.approx(large.standardise(50.0))


@given(scores=st.lists(finite, min_size=1, max_size=20))
def test_standardised_scores_of_a_list_have_no_mean(scores: list[float]) -> None:
    scale = fit_scale(scores, floor=0.1)

    total = sum(scale.standardise(score) for score in scores)

    assert total == pytest.approx(0.0, abs=1e-9)


@given(scores=st.lists(finite, min_size=1, max_size=20), one=finite, other=finite)
def test_standardising_keeps_the_order(scores: list[float], one: float, other: float) -> None:
    scale = fit_scale(scores, floor=0.1)

    low, high = sorted([one, other])

    assert scale.standardise(low) <= scale.standardise(high)


# -- against a background --

NOTHING_BELIEVED = Prior(mean=None, deviation=0.0, floor=0.01)


def test_a_large_background_decides_by_itself() -> None:
    scores = np.random.default_rng(0).normal(0.2, 0.05, 256)

    scale = fit_background(scores, prior=Prior(mean=0.9, deviation=0.3))

    assert scale.mean == pytest.approx(0.2, abs=0.03)
    assert scale.deviation == pytest.approx(0.05, abs=0.03)
    assert 250 <= scale.items <= 256


def test_eight_items_of_a_background_say_as_much_as_what_is_believed() -> None:
    scores = np.linspace(0.1, 0.3, 8)

    scale = fit_background(scores, prior=Prior(mean=0.0, deviation=0.1))

    assert scale.mean == pytest.approx(0.1, abs=1e-4)
    assert scale.deviation == pytest.approx(np.sqrt((scores.var() + 0.01) / 2), abs=1e-4)


def test_no_background_leaves_what_is_believed() -> None:
    empty = np.zeros(0, dtype=np.float32)

    assert fit_background(empty, prior=Prior(mean=0.3, deviation=0.1)) == Scale(
        mean=0.3, deviation=0.1
    )
    assert fit_background(empty, prior=Prior(mean=None, deviation=0.1)).mean == 0.0


def test_one_thing_many_times_in_a_background_counts_once() -> None:
    once, often = np.array([0.1, 0.5]), np.array([0.1] * 200 + [0.5])

    assert fit_background(often, prior=NOTHING_BELIEVED) == fit_background(
        once, prior=NOTHING_BELIEVED
    )


def test_the_one_answer_among_three_texts_stands_out() -> None:
    few = fit_background(np.array([0.7, 0.1, 0.15]), prior=Prior(mean=0.1, deviation=0.1))

    assert few.standardise(0.7) > 2
    assert few.standardise(0.15) < 0.5


@given(
    scores=st.lists(st.floats(-1, 1), max_size=30),
    mean=st.none() | st.floats(-0.5, 0.9),
    shift=st.floats(-0.5, 0.5),
)
def test_a_background_that_is_moved_moves_its_mean_alone(
    scores: list[float], mean: float | None, shift: float
) -> None:
    values = np.round(np.array(scores, dtype=np.float64), 3)
    moved_mean = None if mean is None else mean + round(shift, 3)

    one = fit_background(values, prior=Prior(mean=mean, deviation=0.1))
    moved = fit_background(values + round(shift, 3), prior=Prior(mean=moved_mean, deviation=0.1))

    assert moved.deviation == pytest.approx(one.deviation)
    if len(values) or mean is not None:
        assert moved.mean - one.mean == pytest.approx(round(shift, 3), abs=1e-6)


# -- words --


def test_words_that_nearly_nothing_shares_have_a_mean_near_zero() -> None:
    scale = fit_words([6.0], items=100, rarity=6.0)

    assert (scale.mean, scale.deviation) == pytest.approx((6 / 120, 0.6))
    assert scale.items == 100


def test_a_text_with_all_words_of_the_query_stands_ten_deviations_out() -> None:
    scale = fit_words([8.0], items=100_000, rarity=8.0)

    assert scale.standardise(8.0) == pytest.approx(10.0, abs=0.01)
    assert scale.standardise(0.0) == pytest.approx(0.0, abs=0.01)


def test_words_that_everything_shares_say_little() -> None:
    scale = fit_words([0.1, 0.2] * 5000, items=10_000, rarity=0.01)

    assert scale.standardise(0.2) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("rarity", [0.0, 3.0])
def test_no_shared_word_gives_a_scale_all_the_same(rarity: float) -> None:
    assert fit_words([], items=0, rarity=rarity).standardise(0.0) == 0.0
