"""The gate's numbers against counts by hand."""

from __future__ import annotations

import pytest

from florilegium.gate_curve import GateReport, judge_gate


def _judge(
    answerable: list[float], unanswerable: list[float], threshold: float = 0.5
) -> GateReport:
    report = judge_gate(answerable, unanswerable, threshold=threshold)
    assert report is not None
    return report


def test_the_configured_threshold_is_judged() -> None:
    point = _judge([0.9, 0.4, 0.8], [0.1, 0.6]).configured

    assert point.refused == 2
    assert point.precision == pytest.approx(1 / 2)
    assert point.recall == pytest.approx(1 / 2)
    assert point.f1 == pytest.approx(1 / 2)


def test_a_confidence_at_the_threshold_is_not_refused() -> None:
    assert _judge([0.9], [0.5], 0.5).configured.refused == 0


def test_what_refuses_nothing_has_no_precision() -> None:
    point = _judge([0.9], [0.8], 0.0).configured

    assert (point.precision, point.recall, point.f1) == (None, 0, 0)


def test_kinds_that_lie_apart_are_told_apart_in_the_middle() -> None:
    report = _judge([0.8, 0.9], [0.1, 0.2])

    assert report.best.threshold == pytest.approx(0.5)
    assert (report.best.precision, report.best.recall, report.best.f1) == (1, 1, 1)
    assert report.auc == report.average_precision == 1


def test_of_equally_good_thresholds_the_lowest_is_best() -> None:
    # Refusing one of two rightly, or all four: F1 is 2/3 both times.
    report = _judge([0.5, 0.3], [0.1, 0.9])

    assert report.best.f1 == pytest.approx(2 / 3)
    assert report.best.threshold == pytest.approx(0.2)


def test_the_curve_has_every_split_of_the_confidences() -> None:
    report = _judge([0.4, 0.8], [0.2, 0.4])

    assert [point.threshold for point in report.curve] == pytest.approx([0.0, 0.3, 0.6, 1.0])
    assert [point.refused for point in report.curve] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("answerable", "unanswerable", "auc"),
    [([0.9], [0.1], 1.0), ([0.1], [0.9], 0.0), ([0.5], [0.5], 0.5), ([0.2, 0.8], [0.5], 0.5)],
)
def test_the_area_is_the_chance_of_the_right_order(
    answerable: list[float], unanswerable: list[float], auc: float
) -> None:
    assert _judge(answerable, unanswerable).auc == pytest.approx(auc)


def test_average_precision_adds_up_steps_of_recall() -> None:
    # Refused in this order: right, wrong, right. Precision 1 at recall 1/2, 2/3 at recall 1.
    report = _judge([0.2, 0.9], [0.1, 0.3])

    assert report.average_precision == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)


@pytest.mark.parametrize(("answerable", "unanswerable"), [([], [0.1]), ([0.1], []), ([], [])])
def test_one_kind_alone_says_nothing(answerable: list[float], unanswerable: list[float]) -> None:
    assert judge_gate(answerable, unanswerable, threshold=0.5) is None
