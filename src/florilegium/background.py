"""The background of a collection: the same few hundred items of it for every query.

Item ids are hashes, so the items that come first by id are a random sample, which changes little
while a library grows and needs no place of its own. Reads the catalog and the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Final

import numpy as np
import numpy.typing as npt

from florilegium.calibration import Prior
from florilegium.catalog import Catalog
from florilegium.protocols import VectorStore
from florilegium.types import Collection, Embeddings

ITEMS: Final = 256
"""Items in a sample: the error of a mean is then a sixteenth of the deviation."""
_RECORDS: Final = 2048  # of items with many sentences

UNKNOWN: Final = Prior(mean=None, deviation=0.05)
"""What is believed of cosines across modalities as long as a library has one of them only."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Embeddings of sampled items, shape (n, dim), and where in them each item begins."""

    embeddings: Embeddings
    starts: npt.NDArray[np.int64]

    def scores(self, embedding: Embeddings) -> npt.NDArray[np.float32]:
        """Return the cosines of a query, shape (dim,), with the items, each by its best record."""
        if not len(self.starts):
            return np.zeros(0, dtype=np.float32)
        cosines = self.embeddings @ embedding
        best: npt.NDArray[np.float32] = np.maximum.reduceat(cosines, self.starts)
        return best


class Backgrounds:
    """The samples of an opened index, each read when it is first needed."""

    def __init__(self, *, catalog: Catalog, store: VectorStore) -> None:
        self._catalog = catalog
        self._store = store
        self._lock = RLock()  # what one thread reads, the others wait for
        self._samples: dict[Collection, Sample] = {}
        self._priors: dict[tuple[Collection, Collection], Prior] = {}

    def sample(self, collection: Collection) -> Sample:
        """Return the sample of a collection; it is empty if the collection is."""
        with self._lock:
            if collection not in self._samples:
                self._samples[collection] = self._read(collection)
            return self._samples[collection]

    def across(self, collection: Collection, other: Collection) -> Prior:
        """Return what is to be expected of cosines between two collections of one space.

        All pairs of the two samples are compared: nearly none of them belong together.
        """
        with self._lock:
            if (collection, other) not in self._priors:
                one, two = self.sample(collection).embeddings, self.sample(other).embeddings
                prior = UNKNOWN
                if len(one) and len(two):
                    cosines = one @ two.T
                    prior = Prior(mean=float(cosines.mean()), deviation=float(cosines.std()))
                self._priors[collection, other] = prior
            return self._priors[collection, other]

    def describe(self, collection: Collection) -> dict[str, float]:
        """Return of a sample how many items it has, and how alike they are: mean and deviation."""
        sample = self.sample(collection)
        first = sample.embeddings[sample.starts]
        cosines = (first @ first.T)[np.triu_indices(len(first), k=1)] if len(first) else first
        return {
            "items": len(first),
            "mean": round(float(cosines.mean()), 4) if cosines.size else 0.0,
            "deviation": round(float(cosines.std()), 4) if cosines.size else 0.0,
        }

    def _read(self, collection: Collection) -> Sample:
        ids = self._catalog.first_records(collection, limit=_RECORDS)
        rows: list[Embeddings] = []
        starts: list[int] = []
        last = None
        for record in self._store.get(collection, ids):  # in the order of the ids
            if record.item_id != last:
                if len(starts) == ITEMS:
                    break
                starts.append(len(rows))
                last = record.item_id
            rows.append(record.embedding)
        return Sample(
            embeddings=np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32),
            starts=np.asarray(starts, dtype=np.int64),
        )
