"""Who says below which confidence a question is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from florilegium.config import ChatConfig
from florilegium.evidence import (
    BIAS,
    COVERAGE,
    COVERAGE_ALONE,
    COVERAGE_ALONE_BIAS,
    LIFT,
    LIFT_ALONE,
    LIFT_ALONE_BIAS,
)
from florilegium.gate_file import MeasuredGate
from florilegium.thresholds import SHIPPED, choose_threshold

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "fit_gate.json"
ENCODERS = {"minilm": "abc"}
MEASURED = MeasuredGate(
    threshold=0.3,
    precision=0.9,
    recall=0.8,
    f1=0.847,
    questions=120,
    date="2026-01-01",
    encoders=ENCODERS,
)


def test_a_setting_wins() -> None:
    found = choose_threshold(0.7, is_set=True, measured=MEASURED, encoders=ENCODERS)

    assert (found.value, found.origin) == (0.7, "settings")
    assert "0.70 are refused, as chat.min_confidence says" in found.describe()


def test_what_the_library_measured_comes_before_what_is_shipped() -> None:
    found = choose_threshold(0.5, is_set=False, measured=MEASURED, encoders=ENCODERS)

    assert (found.value, found.origin) == (0.3, "library")
    assert "precision of 0.90 and a recall of 0.80 on 120 questions about this library" in (
        found.describe()
    )


@pytest.mark.parametrize("measured", [None, MEASURED])
def test_a_measurement_with_other_encoders_does_not_count(measured: MeasuredGate | None) -> None:
    found = choose_threshold(0.5, is_set=False, measured=measured, encoders={"other": "x"})

    assert (found.value, found.origin) == (SHIPPED.threshold, "shipped")
    assert "about other texts" in found.describe()


def test_the_default_of_the_settings_is_the_shipped_threshold() -> None:
    assert ChatConfig().min_confidence == SHIPPED.threshold


def test_what_is_shipped_is_what_was_measured() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]
    found = results["lift and coverage"]

    assert [*found["weights"], found["bias"]] == [LIFT, COVERAGE, BIAS]
    alone = results["lift alone"]
    assert [*alone["weights"], alone["bias"]] == [LIFT_ALONE, LIFT_ALONE_BIAS]
    words = results["coverage alone"]
    assert [*words["weights"], words["bias"]] == [COVERAGE_ALONE, COVERAGE_ALONE_BIAS]
    found = results["all"]
    expected = found["curve"][str(SHIPPED.threshold)]
    assert SHIPPED.precision == pytest.approx(expected["precision"], abs=0.005)
    assert SHIPPED.recall == pytest.approx(expected["recall"], abs=0.005)
    assert SHIPPED.questions == found["questions"]
