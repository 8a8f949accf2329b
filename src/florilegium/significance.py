"""Whether two systems differ on the same queries, by scipy: p values and confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from florilegium.eval_extra import need

LEVEL: Final = 0.05
_RESAMPLES = 9999
_BATCH = 256  # resamples at a time: 10,000 queries then take some 20 MB
_SEED = 0  # the same runs give the same numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of the paired differences B - A.

    `low` and `high` are the ends of its 95 % bootstrap interval (percentiles), and `p` is that of
    the two-sided paired randomisation test.
    """

    mean: float
    low: float
    high: float
    p: float


def compare_pairs(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return how the second of two equally long lists, paired by query, differs from the first.

    The randomisation test flips the signs of the differences: all ways where they are at most
    9999, else 9999 drawn ones (Smucker, Allan and Carterette 2007).

    Raises:
        MissingExtraError: scipy is not installed.
        ValueError: The lists are empty or not of one length.
    """
    stats: Any = need("scipy.stats")
    pairs = zip(second, first, strict=True)
    differences = np.array([later - earlier for later, earlier in pairs])
    if not differences.size:
        raise ValueError("there is no query to compare")
    mean = float(differences.mean())
    if np.ptp(differences) == 0 and (differences.size == 1 or mean == 0):
        return Difference(mean=mean, low=mean, high=mean, p=1.0)
    test = stats.permutation_test(
        (differences,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        rng=np.random.default_rng(_SEED),
    )
    interval = stats.bootstrap(
        (differences,),
        _mean,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Difference(
        mean=mean, low=float(interval.low), high=float(interval.high), p=float(test.pvalue)
    )


def correct(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, in the same order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, p_values[at] * (len(p_values) - place)))
        corrected[at] = highest
    return corrected


def _mean(values: Any, axis: int) -> Any:
    return np.mean(values, axis=axis)
