"""Scores that can be compared: each list standardised by its own mean and deviation. Pure numbers.

A good CLIP text-to-image cosine is about 0.27 and a text-to-text one about 0.8, so raw scores of
two lists are never compared. Standardising per list follows arXiv 2511.22141.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The mean and the deviation by which the scores of one list are standardised."""

    mean: float
    deviation: float

    def standardise(self, score: float) -> float:
        """Return how many deviations `score` lies above the mean."""
        return (score - self.mean) / self.deviation


def fit_scale(scores: Collection[float], *, floor: float) -> Scale:
    """Return the scale of a list of scores.

    Args:
        scores: The scores of the list; at least one.
        floor: The smallest deviation that is believed. It keeps a short list, or one whose scores
            are all alike, from turning noise into large standardised scores.
    """
    values = np.fromiter(scores, dtype=np.float64)
    return Scale(mean=float(values.mean()), deviation=max(float(values.std()), floor))
