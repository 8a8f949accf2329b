"""Scores that can be compared: each list standardised against a background of its own collection.

A good CLIP text-to-image cosine is about 0.27 and a text-to-text one about 0.8, so raw scores of
two lists are never compared. Pure numbers. Standardising per list: arXiv 2511.22141; taking away
the mean of a modality: arXiv 2507.19054.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from florilegium.bm25 import PRIOR_ITEMS

# A background of so many items says as much as what is believed before.
_PRIOR_ITEMS: Final = 8
# Scores that agree to so many decimals are of one thing: fifty folders of one name, say.
_DECIMALS: Final = 5
# A list of words whose best item holds all words of the query stands about ten deviations out.
_WORDS_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The mean and the deviation by which the scores of one list are standardised.

    `items` is how many different scores of the background they come from.
    """

    mean: float
    deviation: float
    items: int = 0

    def standardise(self, score: float) -> float:
        """Return how many deviations `score` lies above the mean."""
        return (score - self.mean) / self.deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is believed of the cosines of unrelated things before any was seen.

    `mean` is None when nothing is known of it. `floor` is the smallest deviation that is believed
    however many were seen.
    """

    mean: float | None
    deviation: float
    floor: float = 0.02


def fit_scale(scores: Collection[float], *, floor: float) -> Scale:
    """Return the scale of a list of scores by itself.

    Args:
        scores: The scores of the list; at least one.
        floor: The smallest deviation that is believed. It keeps a short list, or one whose scores
            are all alike, from turning noise into large standardised scores.
    """
    values = np.fromiter(scores, dtype=np.float64)
    return Scale(
        mean=float(values.mean()), deviation=max(float(values.std()), floor), items=len(values)
    )


def fit_background(scores: npt.NDArray[np.floating], *, prior: Prior) -> Scale:
    """Return the scale that a sample of a collection gives, whatever the query found.

    Taking away the mean of all cosines with one query is the same as centring the vectors of the
    collection. Equal scores count once. A small sample is filled up by the prior, as if eight more
    items had been seen: so ten texts of which one answers still let it stand out.

    Args:
        scores: Cosines of the query with the sampled items, shape (n,); n may be 0.
        prior: What is believed before.
    """
    values = np.unique(np.round(np.asarray(scores, dtype=np.float64), _DECIMALS))
    count = len(values)
    if count == 0:
        return Scale(mean=prior.mean or 0.0, deviation=max(prior.deviation, prior.floor))
    mean = float(values.mean())
    # The variance is that of the sample; what is believed of the mean does not widen it.
    variance = (count * float(values.var()) + _PRIOR_ITEMS * prior.deviation**2) / (
        count + _PRIOR_ITEMS
    )
    if prior.mean is not None:
        mean = (count * mean + _PRIOR_ITEMS * prior.mean) / (count + _PRIOR_ITEMS)
    return Scale(mean=mean, deviation=max(variance**0.5, prior.floor), items=count)


def fit_words(scores: Collection[float], *, items: int, rarity: float) -> Scale:
    """Return the scale of a list of BM25 scores.

    Its background is the whole collection, of which nearly all items share no word with the query
    and so have the score 0.

    Args:
        scores: The scores of the items that share a word.
        items: How many items the collection has.
        rarity: The sum of the inverse document frequencies of the query's words: about the score
            of an item that holds each of them once.
    """
    values = np.fromiter(scores, dtype=np.float64)
    count = max(items, len(values))
    # Twenty more items without a word, which let the one of two texts that has it stand out.
    size = count + PRIOR_ITEMS
    mean = float(values.sum()) / size
    variance = max(float((values**2).sum()) / size - mean**2, 0.0)
    floor = _WORDS_SHARE * rarity if rarity > 0 else 1.0
    return Scale(mean=mean, deviation=max(variance**0.5, floor), items=count)
