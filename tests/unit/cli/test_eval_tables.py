"""What stands in the tables of evaluations; tests/golden has them to the letter."""

from __future__ import annotations

import pytest

from florilegium.cli.eval_tables import print_comparison, print_report
from florilegium.comparison import compare
from tests.unit.evaluation_samples import report, result

Capture = pytest.CaptureFixture[str]


def test_one_direction_has_no_row_for_all(capsys: Capture) -> None:
    print_report(report([result("a", 1.0)]))

    assert " all " not in capsys.readouterr().out


def test_a_direction_without_answerable_queries_has_no_metrics(capsys: Capture) -> None:
    print_report(report([result("a", None)]))

    out = capsys.readouterr().out
    assert "text->any         0     -" in out
    assert "nothing was measured of it" in out


def test_the_curve_is_shown_at_each_tenth_of_recall(capsys: Capture) -> None:
    results = [result(f"a{n}", 1.0, confidence=0.5 + n / 100) for n in range(40)]
    results += [result(f"u{n}", None, confidence=n / 100) for n in range(40)]

    print_report(report(results))

    table = capsys.readouterr().out.partition("The gate")[2]
    rows = [line.split() for line in table.splitlines() if line.strip().startswith("0.")]
    assert [row[3] for row in rows[:-2]] == [f"{n / 10:.3f}" for n in range(1, 11)]


def test_recall_that_no_threshold_reaches_has_no_row(capsys: Capture) -> None:
    # What is certain is refused by no threshold.
    results = [result("a", 1.0), result("u", None, confidence=0.1), result("v", None, confidence=1)]

    print_report(report(results))

    table = capsys.readouterr().out.partition("The gate")[2]
    rows = [line.split() for line in table.splitlines() if line.strip().startswith("0.")]
    assert [row[3] for row in rows[:-2]] == ["0.500"]


def test_significance_is_marked(capsys: Capture) -> None:
    before = report([result(str(n), 0.0) for n in range(20)])
    after = report([result(str(n), 1.0) for n in range(20)])

    print_comparison(compare(before, after, names=("a", "b")))

    rows = [line for line in capsys.readouterr().out.splitlines() if " MRR " in line]
    assert rows[0].rstrip().endswith("*")


def test_results_without_a_partner_are_counted(capsys: Capture) -> None:
    before = report([result("a", 0.0)])
    after = report([result("a", 0.0), result("b", 0.0)])

    print_comparison(compare(before, after, names=("a", "b")))

    assert "1 results have no partner" in capsys.readouterr().out


def test_control_characters_of_a_direction_are_not_printed(capsys: Capture) -> None:
    print_report(report([result("a", 1.0, direction="x\x1b[31m")]))

    assert "\x1b" not in capsys.readouterr().out
