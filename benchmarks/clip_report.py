"""From what was measured of the contestants to the numbers that are written down. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.clip_race import PICTURES, TEXTS, Measured
from benchmarks.turns import Rows

NEAREST = 10


def describe(
    one: Measured, *, article: Measured | None, ceiling: float, operations: int
) -> dict[str, Any]:
    """Return the numbers of one contestant.

    Args:
        one: What was measured of it.
        article: Whose rates and vectors it is held against.
        ceiling: The most operations in a second that were measured, in its precision.
        operations: How many one picture needs.
    """
    numbers = {name: value for name, value in one.about.items() if name != "tasks"}
    for kind, rates in one.rates.items():
        if kind.startswith("warm-up"):
            continue
        numbers[kind] = {
            "per second, median": short(median(rates)),
            "per second, of all rounds": [short(rate) for rate in rates],
            "ms of work per input": stage_medians(one.stages[kind]),
        }
        # An ingest is held against encoding alone, since the article's way has no ingest.
        other = article.rates.get(kind.removeprefix("ingest ")) if article else None
        if other:
            numbers[kind]["times the article's way"] = short(median(rates) / median(other))
    if ceiling and "forward" in one.rates:
        reached = median(one.rates["forward"]) * operations
        numbers["forward"]["% of the ceiling"] = round(100 * reached / ceiling, 1)
    if article and one is not article:
        numbers["vectors against the article's way"] = compare(one.rows, article.rows)
    return numbers


def compare(mine: Mapping[str, Rows], theirs: Mapping[str, Rows]) -> dict[str, dict[str, float]]:
    """Return by kind how near each row is to the row of the same input of another contestant.

    Random weights give all pictures something in common, which makes every cosine high; without
    it, that is with the mean taken away, the cosines are those of what tells pictures apart.
    """
    found: dict[str, dict[str, float]] = {}
    for kind in (*PICTURES, *TEXTS):
        if kind in mine and kind in theirs:
            cosines = cosine(mine[kind], theirs[kind])
            centre = theirs[kind].mean(axis=0)
            centred = cosine(mine[kind] - centre, theirs[kind] - centre)
            found[kind] = {
                "cosine, least": round(float(cosines.min()), 5),
                "cosine, mean": round(float(cosines.mean()), 5),
                "cosine without what all share, mean": round(float(centred.mean()), 5),
                f"of the {NEAREST} nearest the same, %": overlap(mine[kind], theirs[kind]),
            }
    return found


def cosine(mine: Rows, theirs: Rows) -> Rows:
    """Return shape (n,)."""
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    products: Rows = (mine * theirs).sum(axis=1) / lengths
    return products


def overlap(mine: Rows, theirs: Rows) -> float:
    """Return how many percent of the nearest rows of each row are the same in both."""
    count = min(NEAREST, len(mine) - 1)
    sides = [nearest(rows, count) for rows in (mine, theirs)]
    same = sum(len(set(a) & set(b)) for a, b in zip(*sides, strict=True))
    return round(100 * same / (count * len(mine)), 1)


def nearest(rows: Rows, count: int) -> list[list[int]]:
    """Return for each row which other rows are nearest to it."""
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    found: list[list[int]] = np.argsort(-similar, axis=1, kind="stable")[:, :count].tolist()
    return found


def stage_medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median over the rounds for each stage."""
    stages = {stage: [one[stage] for one in rounds] for stage in rounds[0]}
    return {stage: short(median(some)) for stage, some in stages.items()}


def short(number: float) -> float:
    """Return a number with three or four digits."""
    return round(number, 1) if number >= 10 else round(number, 2)
