"""Two evaluations compared query by query, with a test of significance for each metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from florilegium.errors import ConfigError
from florilegium.evaluation_report import ALL, EvaluationReport, QueryResult
from florilegium.metrics import METRICS
from florilegium.significance import LEVEL, Difference, compare_pairs, correct

GATE: Final = "gate accuracy"
_Pair = tuple[QueryResult, QueryResult]
_Values = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """One metric of both evaluations over the same queries; `difference` is B - A.

    `low` and `high` are the ends of its 95 % bootstrap interval. `p` is that of the paired
    randomisation test, `p_corrected` the same after Holm's correction for the metrics of this
    direction, and `significant` says that this is below 0.05.
    """

    direction: str
    metric: str
    queries: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    significant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Evaluation B against evaluation A.

    `a_ms` and `b_ms` are the median and the 95th percentile of a search in milliseconds, over all
    queries of each. `unpaired` counts results that have no partner in the other evaluation.
    """

    a: str
    b: str
    a_ms: tuple[float, float]
    b_ms: tuple[float, float]
    queries: int
    unpaired: int
    rows: tuple[ComparedMetric, ...]


def compare(a: EvaluationReport, b: EvaluationReport, *, names: tuple[str, str]) -> Comparison:
    """Return how B differs from A, over the queries that both have with the same labels.

    The metric `gate accuracy` is the share of queries that the configured threshold of each treats
    rightly; it is there where some queries are answerable and some are not.

    Raises:
        ConfigError: They have no query in common.
        MissingExtraError: scipy is not installed.
    """
    others = {result.id: result for result in b.results}
    pairs = [
        (first, others[first.id])
        for first in a.results
        if first.id in others and others[first.id].labels == first.labels
    ]
    if not pairs:
        raise ConfigError(
            f"{names[0]!r} and {names[1]!r} have no query in common with the same labels.",
            hint="Compare evaluations of the same queries.",
        )
    rows: list[ComparedMetric] = []
    for direction, columns in _columns(a, b, pairs).items():
        differences = [compare_pairs(firsts, seconds) for firsts, seconds in columns.values()]
        # Each direction is a question of its own, and its metrics are tries to answer it.
        corrected = correct([difference.p for difference in differences])
        rows += [
            _row(direction, metric, *columns[metric], difference, p)
            for metric, difference, p in zip(columns, differences, corrected, strict=True)
        ]
    return Comparison(
        a=names[0],
        b=names[1],
        a_ms=(a.total.p50_ms, a.total.p95_ms),
        b_ms=(b.total.p50_ms, b.total.p95_ms),
        queries=len(pairs),
        unpaired=len(a.results) + len(b.results) - 2 * len(pairs),
        rows=tuple(rows),
    )


def _columns(
    a: EvaluationReport, b: EvaluationReport, pairs: Sequence[_Pair]
) -> dict[str, dict[str, _Values]]:
    answered = [pair for pair in pairs if pair[0].answerable]
    directions = sorted({first.direction for first, _ in answered})
    groups = {ALL: _metrics(answered)}
    if a.gate and b.gate and 0 < len(answered) < len(pairs):
        groups[ALL][GATE] = (
            [_is_right(first, a.gate.configured.threshold) for first, _ in pairs],
            [_is_right(second, b.gate.configured.threshold) for _, second in pairs],
        )
    if len(directions) > 1:
        for name in directions:
            groups[name] = _metrics([pair for pair in answered if pair[0].direction == name])
    return groups


def _metrics(pairs: Sequence[_Pair]) -> dict[str, _Values]:
    return {
        metric: (
            [first.metrics[metric] for first, _ in pairs],
            [second.metrics[metric] for _, second in pairs],
        )
        for metric in METRICS
        if pairs
    }


def _is_right(result: QueryResult, threshold: float) -> float:
    return float((result.confidence >= threshold) == result.answerable)


def _row(
    direction: str,
    metric: str,
    firsts: Sequence[float],
    seconds: Sequence[float],
    difference: Difference,
    corrected: float,
) -> ComparedMetric:
    return ComparedMetric(
        direction=direction,
        metric=metric,
        queries=len(firsts),
        a=sum(firsts) / len(firsts),
        b=sum(seconds) / len(seconds),
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        p_corrected=corrected,
        significant=corrected < LEVEL,
    )
