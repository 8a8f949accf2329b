"""Two evaluations are compared query by query."""

from __future__ import annotations

import dataclasses

import pytest

from florilegium.comparison import GATE, compare
from florilegium.errors import ConfigError
from florilegium.metrics import METRICS
from tests.unit.evaluation_samples import report, result

NAMES = ("before", "after")


def test_the_same_evaluation_does_not_differ_from_itself() -> None:
    one = report([result("a", 1.0), result("b", 0.0)])

    comparison = compare(one, one, names=NAMES)

    assert [row.metric for row in comparison.rows] == list(METRICS)
    assert all(row.difference == 0 and row.p == 1 and not row.significant
               for row in comparison.rows)  # fmt: skip


def test_a_clear_gain_is_significant_also_after_correction() -> None:
    before = report([result(str(n), 0.0) for n in range(20)])
    after = report([result(str(n), 1.0) for n in range(20)])

    comparison = compare(before, after, names=NAMES)

    assert all(row.significant for row in comparison.rows)
    assert all((row.a, row.b, row.difference) == (0, 1, 1) for row in comparison.rows)
    assert all(row.p_corrected > row.p for row in comparison.rows[:1])


def test_a_gain_that_could_be_chance_is_not_significant() -> None:
    before = report([result(str(n), 0.0) for n in range(5)])
    after = report([result(str(n), 1.0) for n in range(5)])

    # 2 of 32 ways to flip the signs are as clear: 0.0625.
    assert not any(row.significant for row in compare(before, after, names=NAMES).rows)


def test_queries_are_paired_by_id_and_not_by_place() -> None:
    before = report([result("a", 1.0), result("b", 0.0)])
    after = report([result("b", 0.0), result("a", 1.0)])

    assert all(row.difference == 0 for row in compare(before, after, names=NAMES).rows)


def test_a_query_with_other_labels_is_no_partner() -> None:
    changed = dataclasses.replace(result("b", 1.0), labels="others")

    comparison = compare(
        report([result("a", 0.5), result("b", 0.0)]),
        report([result("a", 0.5), changed, result("c", 1.0)]),
        names=NAMES,
    )

    assert comparison.queries == 1
    assert comparison.unpaired == 3
    assert all(row.difference == 0 for row in comparison.rows)


def test_p_values_are_corrected_for_the_metrics_of_a_direction() -> None:
    before = [result(f"{n}", 0.0) for n in range(9)]
    after = [result(f"{n}", 1.0) for n in range(9)]
    same = [result("x", 1.0, direction="image->text")]

    rows = compare(report([*before, *same]), report([*after, *same]), names=NAMES).rows

    corrected = {row.p_corrected for row in rows if row.direction == "text->any"}
    assert corrected == {5 * 2 / 2**9}


def test_the_times_of_both_stand_beside_each_other() -> None:
    one = report([result("a", 1.0)])

    comparison = compare(one, one, names=NAMES)

    assert comparison.a_ms == comparison.b_ms == (12.0, 12.0)


def test_each_direction_has_rows_where_there_are_several() -> None:
    both = [result("a", 1.0), result("b", 0.0, direction="image->text")]

    rows = compare(report(both), report(both), names=NAMES).rows

    assert {(row.direction, row.queries) for row in rows} == {
        ("all", 2), ("image->text", 1), ("text->any", 1),
    }  # fmt: skip
    assert len(rows) == 3 * len(METRICS)


def test_the_gate_is_compared_by_the_share_of_right_decisions() -> None:
    results = [result("a", 1.0, confidence=0.6), result("b", None, confidence=0.3)]

    rows = compare(report(results, threshold=0.5), report(results, threshold=0.2), names=NAMES).rows

    gate = next(row for row in rows if row.metric == GATE)
    assert (gate.a, gate.b, gate.queries) == (1.0, 0.5, 2)


def test_evaluations_of_unanswerable_queries_are_compared_only_with_the_gate() -> None:
    results = [result("b", None)]

    assert compare(report(results), report(results), names=NAMES).rows == ()


def test_evaluations_without_a_common_query_are_refused() -> None:
    with pytest.raises(ConfigError, match="'before' and 'after' have no query in common"):
        compare(report([result("a", 1.0)]), report([result("b", 1.0)]), names=NAMES)
