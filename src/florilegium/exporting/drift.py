"""How far rows in fewer bits are from those in fp32, and whose neighbours change. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

_NEIGHBOURS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The lowest cosines between rows and exact ones, and the share of neighbours they keep.

    `overlap` is the mean share of the nearest pictures of a picture that stay among the nearest,
    and `crossing` the same for the nearest pictures of a text.
    """

    pictures: float
    texts: float
    overlap: float
    crossing: float
    neighbours: int

    @property
    def least(self) -> float:
        """Return the lower of the two cosines."""
        return min(self.pictures, self.texts)

    def describe(self) -> str:
        """Return all of it in one line."""
        return (
            f"lowest cosine to fp32 {self.pictures:.4f} for pictures and {self.texts:.4f} for "
            f"texts; of the {self.neighbours} nearest pictures, {self.overlap:.0%} stay for a "
            f"picture and {self.crossing:.0%} for a text"
        )


def measure_drift(pictures: Rows, texts: Rows, exact_pictures: Rows, exact_texts: Rows) -> Drift:
    """Return how far rows of unit length, shape (n, dim), are from the exact ones."""
    neighbours = max(1, min(_NEIGHBOURS, (len(pictures) - 1) // 2))
    return Drift(
        pictures=_least_cosine(pictures, exact_pictures),
        texts=_least_cosine(texts, exact_texts),
        overlap=_overlap(
            _without_self(pictures @ pictures.T),
            _without_self(exact_pictures @ exact_pictures.T),
            neighbours,
        ),
        crossing=_overlap(texts @ pictures.T, exact_texts @ exact_pictures.T, neighbours),
        neighbours=neighbours,
    )


def _least_cosine(rows: Rows, exact: Rows) -> float:
    return float(np.sum(rows * exact, axis=1).min())


def _without_self(scores: Rows) -> Rows:
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    return scores


def _overlap(scores: Rows, exact: Rows, neighbours: int) -> float:
    near, nearest = (
        np.argsort(-each, axis=1, kind="stable")[:, :neighbours] for each in (scores, exact)
    )
    shared = [len(set(a) & set(b)) for a, b in zip(near.tolist(), nearest.tolist(), strict=True)]
    return float(np.mean(shared)) / neighbours
