"""Significance tests against values that can be counted."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from florilegium.significance import compare_pairs, correct


def test_equal_lists_do_not_differ() -> None:
    difference = compare_pairs([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])

    assert (difference.mean, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_few_queries_are_tested_exactly() -> None:
    # Of the 2^5 ways to flip signs only two are as far from 0: all plus and all minus.
    difference = compare_pairs([0.0] * 5, [1.0] * 5)

    assert difference.p == pytest.approx(2 / 2**5)
    assert difference.mean == difference.low == difference.high == 1


def test_the_difference_is_that_of_the_second_from_the_first() -> None:
    assert compare_pairs([1.0, 1.0], [0.5, 0.0]).mean == pytest.approx(-0.75)


def test_the_interval_of_many_queries_is_about_that_of_theory() -> None:
    noise = np.random.default_rng(7).normal(0.2, 1.0, 400)

    difference = compare_pairs([0.0] * 400, noise.tolist())

    margin = 1.96 * noise.std(ddof=1) / 20
    assert difference.high - difference.mean == pytest.approx(margin, rel=0.15)
    assert difference.mean - difference.low == pytest.approx(margin, rel=0.15)
    sigmas = noise.mean() / (noise.std(ddof=1) / 20)
    assert difference.p == pytest.approx(2 * NormalDist().cdf(-sigmas), abs=0.01)


def test_the_same_lists_give_the_same_numbers() -> None:
    first, second = np.random.default_rng(1).random((2, 50)).tolist()

    assert compare_pairs(first, second) == compare_pairs(first, second)


def test_a_single_query_proves_nothing() -> None:
    assert compare_pairs([0.0], [1.0]).p == 1


def test_no_query_is_an_error() -> None:
    with pytest.raises(ValueError, match="no query"):
        compare_pairs([], [])


def test_lists_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare_pairs([0.0, 1.0], [0.0])


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04], [0.04]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_p_values_are_corrected_for_their_number(
    given: list[float], corrected: list[float]
) -> None:
    assert correct(given) == pytest.approx(corrected)
