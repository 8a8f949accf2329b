"""Standardised scores, with numbers that can be checked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.calibration import Scale, fit_scale

finite = st.floats(-10, 10)


def test_a_scale_is_the_mean_and_the_deviation_of_the_whole_list() -> None:
    # Deviations from 5: -3 -1 -1 -1 0 0 2 4; their squares sum up to 32, a variance of 4.
    assert fit_scale([2, 4, 4, 4, 5, 5, 7, 9], floor=0.1) == Scale(mean=5.0, deviation=2.0)


def test_a_score_is_told_in_deviations_from_the_mean() -> None:
    scale = Scale(mean=5.0, deviation=2.0)

    assert [scale.standardise(score) for score in (9, 5, 2)] == [2.0, 0.0, -1.5]


def test_scores_that_are_all_alike_have_the_smallest_deviation_that_is_believed() -> None:
    scale = fit_scale([0.25, 0.25, 0.25], floor=0.5)

    assert scale == Scale(mean=0.25, deviation=0.5)
    assert scale.standardise(0.25) == 0.0


def test_a_single_score_is_average() -> None:
    assert fit_scale([0.75], floor=0.5).standardise(0.75) == 0.0


@pytest.mark.parametrize(("floor", "deviation"), [(1.9, 2.0), (2.0, 2.0), (2.1, 2.1)])
def test_the_floor_matters_only_below_it(floor: float, deviation: float) -> None:
    assert fit_scale([1, 5], floor=floor).deviation == deviation


def test_a_view_of_a_dictionary_will_do() -> None:
    assert fit_scale({"a": 1.0, "b": 3.0}.values(), floor=0.1) == Scale(mean=2.0, deviation=1.0)


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
