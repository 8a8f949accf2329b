"""How well rankings agree with labels, by ir-measures. Knows ids of queries and files only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from florilegium.eval_extra import need

METRICS: Final = {"R@1": "R@1", "R@5": "R@5", "R@10": "R@10", "MRR": "RR@100", "nDCG@10": "nDCG@10"}
"""The metrics by their names here, and their names in ir-measures."""


def measure(
    relevant: Mapping[str, Mapping[str, int]], found: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Return the metrics of each query, all in [0, 1].

    Args:
        relevant: The relevant files of each query with their grades, which are positive.
        found: The files that each query found, best first, none of them twice.

    Raises:
        MissingExtraError: ir-measures is not installed.
        ValueError: A query has no relevant file, or found a file twice.
    """
    ir_measures: Any = need("ir_measures")
    for query, files in found.items():
        if len(set(files)) < len(files):
            raise ValueError(f"the query {query!r} found a file twice")
    if not all(relevant.values()):
        raise ValueError("a query has no relevant file")
    wanted = {ir_measures.parse_measure(theirs): ours for ours, theirs in METRICS.items()}
    queries = list(relevant)
    qrels, runs = {}, {}
    for number, query in enumerate(queries):
        # Numbers stand for names, which may hold what is no UTF-8, and scores fall by rank.
        ranks = _ranks(found.get(query, ()))
        numbers = {file: str(at) for at, file in enumerate([*relevant[query], *ranks])}
        qrels[str(number)] = {numbers[file]: grade for file, grade in relevant[query].items()}
        runs[str(number)] = {numbers[file]: -rank for file, rank in ranks.items()}
    values: dict[str, dict[str, float]] = {query: dict.fromkeys(METRICS, 0.0) for query in relevant}
    for one in ir_measures.iter_calc(list(wanted), qrels, runs):
        values[queries[int(one.query_id)]][wanted[one.measure]] = float(one.value)
    return values


def first_relevant(relevant: Mapping[str, int], found: Sequence[str]) -> int | None:
    """Return the rank, from 1, of the first relevant file; None when none was found."""
    return next((rank for rank, file in enumerate(found, start=1) if file in relevant), None)


def average(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over queries; empty for no queries."""
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS if rows}


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, linear between the two nearest values; 0 for no values."""
    return float(np.percentile(values, percent)) if values else 0.0


def _ranks(files: Sequence[str]) -> dict[str, float]:
    return {file: float(rank) for rank, file in enumerate(files, start=1)}
