"""Evaluations built by hand, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from florilegium.evaluation_report import (
    ALL,
    DirectionResult,
    EvaluationReport,
    Measured,
    QueryResult,
)
from florilegium.gate_curve import judge_gate
from florilegium.metrics import METRICS, average


def result(
    id_: str, value: float | None, *, confidence: float = 0.9, direction: str = "text->any"
) -> QueryResult:
    """Return the result of a query whose metrics all are `value`; None is unanswerable."""
    return QueryResult(
        id=id_,
        text=f"query {id_}",
        image=None,
        direction=direction,
        answerable=value is not None,
        relevant=0 if value is None else 1,
        labels=f"labels of {id_}",
        rank=1 if value else None,
        metrics={} if value is None else dict.fromkeys(METRICS, value),
        confidence=confidence,
        seconds=0.012,
    )


def report(
    results: Sequence[QueryResult],
    *,
    name: str = "queries",
    date: str = "2026-11-26T08:00:00+00:00",
    threshold: float = 0.5,
    missing: tuple[str, ...] = (),
) -> EvaluationReport:
    """Return the report of these results."""
    directions = sorted({one.direction for one in results})
    return EvaluationReport(
        name=name,
        date=date,
        total=_summary(ALL, results),
        directions=tuple(
            _summary(name, [one for one in results if one.direction == name]) for name in directions
        ),
        gate=judge_gate(
            [one.confidence for one in results if one.answerable],
            [one.confidence for one in results if not one.answerable],
            threshold=threshold,
        ),
        results=tuple(results),
        missing=missing,
        left_out=tuple(f"left out {path}" for path in missing),
        measured=Measured(
            sources=7,
            images=3,
            texts=4,
            encoders={"fake:32": "fake-32-1"},
            versions={"florilegium": "0.1.0"},
            config={"profile": "offline"},
        ),
    )


def _summary(direction: str, results: Sequence[QueryResult]) -> DirectionResult:
    answerable = [one.metrics for one in results if one.answerable]
    return DirectionResult(
        direction=direction,
        queries=len(answerable),
        metrics=average(answerable),
        p50_ms=12.0,
        p95_ms=12.0,
    )
