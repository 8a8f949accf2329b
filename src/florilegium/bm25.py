"""BM25 for collections so small that they hardly say which words are rare. Pure functions.

SQLite's BM25 gives a word that half of the texts hold no weight at all, so in a library of two
texts a word of one finds nothing. Here twenty texts without the word are added in thought.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

PRIOR_ITEMS: Final = 20

# The usual values (Robertson and Zaragoza 2009), which SQLite has, too.
_SATURATION: Final = 1.2
_LENGTH: Final = 0.75


def inverse_frequency(count: int, size: int) -> float:
    """Return how rare a word is that `count` of `size` items hold, with the prior items added."""
    return math.log(1.0 + max(size + PRIOR_ITEMS - count + 0.5, 0.0) / (count + 0.5))


def score_items(
    items: Mapping[str, Sequence[str]], words: Mapping[str, float], *, size: int
) -> list[tuple[str, float]]:
    """Return (id, score) of the items that hold any of the words, best first, ties by id.

    Args:
        items: The words of each item by its id, repetitions included.
        words: What is searched for, each with its weight.
        size: How many items the collection has.
    """
    counts = {id_: Counter(held) for id_, held in items.items()}
    mean = sum(len(held) for held in items.values()) / max(len(items), 1)
    rarity = {
        word: weight * inverse_frequency(sum(word in c for c in counts.values()), size)
        for word, weight in words.items()
    }
    scores: list[tuple[str, float]] = []
    for id_, count in counts.items():
        length = 1.0 - _LENGTH + _LENGTH * len(items[id_]) / max(mean, 1.0)
        score = sum(
            rarity[word] * count[word] * (_SATURATION + 1.0) / (count[word] + _SATURATION * length)
            for word in words
            if word in count
        )
        if score > 0:
            scores.append((id_, score))
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))
