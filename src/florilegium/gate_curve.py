"""How well a threshold on confidence refuses: precision, recall and the curve of all thresholds.

Pure functions of confidences and labels. A query is refused when its confidence is below the
threshold, and rightly so when nothing answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePoint:
    """What one threshold does; `precision` is None when it refuses nothing, `f1` is 0 then."""

    threshold: float
    refused: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """How well the gate refuses what nothing answers, and only that.

    `configured` is the threshold of the settings, `best` the one with the highest F1. `auc` is the
    chance that an unanswerable query has less confidence than an answerable one (area under the
    ROC curve), `average_precision` the area under the curve of precision over recall, in steps.
    """

    answerable: int
    unanswerable: int
    configured: GatePoint
    best: GatePoint
    auc: float
    average_precision: float
    curve: tuple[GatePoint, ...]


def judge_gate(
    answerable: Sequence[float], unanswerable: Sequence[float], *, threshold: float
) -> GateReport | None:
    """Return how well confidence tells the two kinds of queries apart; None without both kinds.

    Args:
        answerable: The confidences, in [0, 1], of queries that the library answers.
        unanswerable: Those of queries that it does not.
        threshold: Below it a query is refused.
    """
    if not answerable or not unanswerable:
        return None
    thresholds = _thresholds(answerable, unanswerable)
    curve = tuple(_point(answerable, unanswerable, at) for at in thresholds)
    return GateReport(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        configured=_point(answerable, unanswerable, threshold),
        # Of equally good thresholds the lowest: it refuses least.
        best=max(curve, key=lambda point: (point.f1, -point.threshold)),
        auc=_auc(answerable, unanswerable),
        average_precision=_average_precision(curve),
        curve=curve,
    )


def _thresholds(answerable: Sequence[float], unanswerable: Sequence[float]) -> list[float]:
    # Half way between neighbouring confidences: each split of the queries once, and in its middle.
    # The last one, 1, refuses all but what is certain, which is the most that a setting can do.
    values = sorted({*answerable, *unanswerable})
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    return sorted({0.0, *middles, 1.0})


def _point(
    answerable: Sequence[float], unanswerable: Sequence[float], threshold: float
) -> GatePoint:
    right = sum(confidence < threshold for confidence in unanswerable)
    refused = right + sum(confidence < threshold for confidence in answerable)
    recall = right / len(unanswerable)
    precision = right / refused if refused else None
    return GatePoint(
        threshold=threshold,
        refused=refused,
        precision=precision,
        recall=recall,
        f1=2 * right / (refused + len(unanswerable)),
    )


def _auc(answerable: Sequence[float], unanswerable: Sequence[float]) -> float:
    known = np.sort(np.array(answerable))
    higher = known.size - np.searchsorted(known, unanswerable, side="right")
    equal = known.size - np.searchsorted(known, unanswerable, side="left") - higher
    return float((higher + equal / 2).sum() / (known.size * len(unanswerable)))


def _average_precision(curve: Sequence[GatePoint]) -> float:
    area, before = 0.0, 0.0
    for point in curve:
        area += (point.recall - before) * (point.precision or 0.0)
        before = point.recall
    return area
