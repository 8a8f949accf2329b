"""Evaluations and comparisons on a terminal. Knows no command and no library."""

from __future__ import annotations

from rich.text import Text

from florilegium.cli.render import clean, make_table, print_line, print_table
from florilegium.comparison import GATE, Comparison
from florilegium.evaluation_report import DirectionResult, EvaluationReport
from florilegium.gate_curve import GatePoint, GateReport
from florilegium.metrics import METRICS
from florilegium.significance import LEVEL


def print_report(report: EvaluationReport) -> None:
    """Write to stdout what was measured for each direction, and how good the gate is."""
    table = make_table("direction", "queries", *METRICS, "p50 ms", "p95 ms", title="Searches")
    for column in table.columns[1:]:
        column.justify = "right"
    several = len(report.directions) > 1
    for row in (*report.directions, *([report.total] if several else [])):
        table.add_row(*_cells(row), style="bold" if row is report.total else None)
    print_table(table)
    if report.gate is None:
        print_line(
            "The gate needs answerable and unanswerable queries; nothing was measured of it."
        )
    else:
        _print_gate(report.gate)
    if report.missing:
        print_line(
            f"{len(report.missing)} relevant paths are not in the library; "
            f"{len(report.left_out)} queries that have no other were left out."
        )


def print_comparison(comparison: Comparison) -> None:
    """Write to stdout how B differs from A in each metric, and whether that is significant."""
    for letter, name, (p50, p95) in (
        ("A", comparison.a, comparison.a_ms),
        ("B", comparison.b, comparison.b_ms),
    ):
        print_line(f"{letter}: {name} (a search takes {p50:.1f} ms, p95 {p95:.1f} ms)")
    table = make_table(
        "direction", "metric", "queries", "A", "B", "B - A", "95 % interval", "p", "p (Holm)", "",
        title="B against A",
    )  # fmt: skip
    for column in table.columns[2:9]:
        column.justify = "right"
    for row in comparison.rows:
        table.add_row(
            Text(clean(row.direction)),
            row.metric,
            str(row.queries),
            f"{row.a:.3f}",
            f"{row.b:.3f}",
            f"{row.difference:+.3f}",
            f"{row.low:+.3f} to {row.high:+.3f}",
            f"{row.p:.4f}",
            f"{row.p_corrected:.4f}",
            "*" if row.significant else "",
        )
    print_table(table)
    print_line(
        f"* significant: p below {LEVEL:g} after Holm's correction for the metrics of a direction"
    )
    if any(row.metric == GATE for row in comparison.rows):
        print_line(f"{GATE}: the share of queries that are rightly refused or rightly answered")
    if comparison.unpaired:
        print_line(f"{comparison.unpaired} results have no partner with the same labels.")


def _cells(row: DirectionResult) -> list[str | Text]:
    metrics = [f"{row.metrics[name]:.3f}" if row.metrics else "-" for name in METRICS]
    times = [f"{row.p50_ms:.1f}", f"{row.p95_ms:.1f}"]
    return [Text(clean(row.direction)), str(row.queries), *metrics, *times]


def _print_gate(gate: GateReport) -> None:
    table = make_table("threshold", "refused", "precision", "recall", "F1", "", title="The gate")
    for column in table.columns[:5]:
        column.justify = "right"
    for point in _some(gate):
        table.add_row(*_point_cells(point), "")
    table.add_row(*_point_cells(gate.configured), "chat.min_confidence", style="bold")
    table.add_row(*_point_cells(gate.best), "highest F1", style="bold")
    print_table(table)
    print_line(
        f"{gate.answerable} answerable and {gate.unanswerable} unanswerable queries: "
        f"area under the ROC curve {gate.auc:.3f}, average precision {gate.average_precision:.3f}"
    )


def _point_cells(point: GatePoint) -> list[str]:
    precision = "-" if point.precision is None else f"{point.precision:.3f}"
    shown = [precision, f"{point.recall:.3f}", f"{point.f1:.3f}"]
    return [f"{point.threshold:.3f}", str(point.refused), *shown]


def _some(gate: GateReport) -> list[GatePoint]:
    # The lowest threshold for each tenth of recall; all thresholds are in the JSON.
    tenths = [step / 10 for step in range(1, 11)]
    first = [next(point for point in gate.curve if point.recall >= tenth) for tenth in tenths
             if gate.curve[-1].recall >= tenth]  # fmt: skip
    return list(dict.fromkeys(first))
