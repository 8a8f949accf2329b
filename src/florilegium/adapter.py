"""What a library has learnt of its own names: a linear map from a picture's embedding to them.

Says how likely each name is, blends that with the neighbours' vote, and orders pictures by it.
Pure numbers; `adapter_training` makes it, and nothing here knows how.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from florilegium.calibration import fit_scale
from florilegium.errors import EncoderError, StoreError
from florilegium.types import Embeddings

FORMAT: Final = 1

UNUSUAL: Final = 0.05
"""The share of named pictures that are as unlike their own names as the adapter begins to doubt."""

_COSINE_FLOOR = 0.02  # the smallest deviations that are believed, as in a search
_PROBABILITY_FLOOR = 0.1
_DAMAGES = (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
_ARRAYS = ("about", "weights", "offsets", "means", "usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How the adapter did against the neighbours' vote on pictures that were held out, one by one.

    `adapter_right` and `vote_right` count pictures out of `held_out` that were given their own
    name; the Brier scores are mean squared errors of the probabilities, in [0, 2], lower is better.
    `helps` says whether the adapter may be used, `reason` why or why not.
    """

    held_out: int
    adapter_right: int
    vote_right: int
    adapter_brier: float
    vote_brier: float
    helps: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """Names of a library, and how an embedding speaks for each of them.

    Args:
        names: The names, sorted; c of them.
        weights: Shape (c, dim); a name's score is its row times the embedding, plus its offset.
        offsets: Shape (c,).
        temperature: What the scores are multiplied by before they become shares.
        doubt: The share that is spread evenly over all names, in [0, 1].
        means: Shape (c, dim): the mean embedding of each name's pictures, of unit length.
        usual: Shape (2, q), quantiles in ascending order over pictures that were held out: of
            their best scores, and of their cosines to the nearest mean.
        validation: How it did on pictures that were held out.
        fingerprint: Of what it was trained on, as `training_fingerprint` gives it.
    """

    names: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float32]
    means: npt.NDArray[np.float32]
    temperature: float
    doubt: float
    usual: npt.NDArray[np.float32]
    validation: Validation
    fingerprint: str

    @property
    def helps(self) -> bool:
        """Return whether it was better than the neighbours' vote, and may be used."""
        return self.validation.helps

    def known(self, embedding: Embeddings) -> float:
        """Return in [0, 1] how far a picture is like those that have names here.

        1 unless its best score, or its cosine to the nearest mean, is among the lowest `UNUSUAL`
        of those of the held-out pictures; it falls to 0 below all of theirs.
        """
        nearest = _products(self.means, self._fitting(embedding)).max()
        seen = (self._scores(embedding).max(), nearest)
        least = 1 / (self.validation.held_out + 1)
        ranks = [
            _rank(float(value), usual, least) for value, usual in zip(seen, self.usual, strict=True)
        ]
        return min(1.0, *(rank / UNUSUAL for rank in ranks))

    def probabilities(self, embedding: Embeddings) -> dict[str, float]:
        """Return how likely each name is for the picture of an embedding of shape (dim,).

        They sum to `known`, so a picture that is unlike all named ones has no likely name.

        Raises:
            EncoderError: The embedding has another dimension.
        """
        scores = self._scores(embedding)
        shares = soften(scores[np.newaxis] * self.temperature)[0]
        shares = (1 - self.doubt) * shares + self.doubt / len(shares)
        known = self.known(embedding)
        return {name: float(known * share) for name, share in zip(self.names, shares, strict=True)}

    def reorder(
        self, embedding: Embeddings, scores: Mapping[str, float], names: Mapping[str, str | None]
    ) -> dict[str, float]:
        """Return the pictures of a list with the scores of those whose names it knows exchanged.

        They trade places among themselves: the highest of their scores goes to the one with the
        highest sum of standardised likeness and standardised probability of its name. All others
        keep score and place, so what has no name here cannot be outranked by what has one.

        Args:
            embedding: The query picture's, of shape (dim,).
            scores: Item id -> cosine similarity to the query.
            names: Item id -> the name of the item, or None; ids without an entry have none.
        """
        likely = self.probabilities(embedding)
        chances = {id_: likely[names[id_] or ""] for id_ in scores if names.get(id_) in likely}
        if not chances:
            return dict(scores)
        alike = fit_scale(scores.values(), floor=_COSINE_FLOOR)
        named = fit_scale(chances.values(), floor=_PROBABILITY_FLOOR)
        together = {
            id_: alike.standardise(scores[id_]) + named.standardise(chance)
            for id_, chance in chances.items()
        }
        order = sorted(together, key=lambda id_: (-together[id_], -scores[id_], id_))
        places = sorted((scores[id_] for id_ in chances), reverse=True)
        return {**scores, **dict(zip(order, places, strict=True))}

    def to_bytes(self) -> bytes:
        """Return all of it as bytes for `from_bytes`: arrays of NumPy without pickled objects."""
        about = {
            "format": FORMAT,
            "names": self.names,
            "temperature": self.temperature,
            "doubt": self.doubt,
            "validation": asdict(self.validation),
            "fingerprint": self.fingerprint,
        }
        stream = io.BytesIO()
        np.savez(
            stream,
            about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            weights=self.weights,
            offsets=self.offsets,
            means=self.means,
            usual=self.usual,
        )
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Adapter:
        """Return what `to_bytes` wrote.

        Raises:
            StoreError: The bytes are damaged, or were written by another version.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                about, weights, offsets, means, usual = (file[key] for key in _ARRAYS)
            said = json.loads(about.tobytes())
            adapter = cls(
                names=tuple(map(str, said["names"])),
                weights=weights,
                offsets=offsets,
                means=means,
                usual=usual,
                temperature=float(said["temperature"]),
                doubt=float(said["doubt"]),
                validation=Validation(**said["validation"]),
                fingerprint=str(said["fingerprint"]),
            )
            written = said["format"]
        except _DAMAGES as error:
            raise _unreadable("is damaged") from error
        if written != FORMAT:
            raise _unreadable(f"has the format {written!r}, not {FORMAT}")
        adapter._check()
        return adapter

    def _check(self) -> None:
        count = len(self.names)
        arrays = (self.weights, self.offsets, self.means, self.usual)
        whole = (
            count > 1
            and all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)
            and self.weights.ndim == 2
            and len(self.weights) == count
            and self.offsets.shape == (count,)
            and self.means.shape == self.weights.shape
            and self.usual.ndim == 2
            and self.usual.shape[0] == 2
            and self.usual.shape[1] > 1
            and bool((np.diff(self.usual) >= 0).all())
            and bool(np.isfinite(self.temperature))
            and 0 <= self.doubt <= 1
        )
        if not whole:
            raise _unreadable("holds numbers that do not belong together")

    def _scores(self, embedding: Embeddings) -> npt.NDArray[np.float64]:
        return _products(self.weights, self._fitting(embedding)) + self.offsets

    def _fitting(self, embedding: Embeddings) -> Embeddings:
        dim = self.weights.shape[1]
        if embedding.shape != (dim,):
            raise EncoderError(
                f"The adapter needs an embedding of shape ({dim},), not {embedding.shape}.",
                hint="Run `florilegium ingest`, which trains it anew for another encoder.",
            )
        return embedding


def blend(
    vote_shares: Mapping[str, float], probabilities: Mapping[str, float], adapter: Adapter | None
) -> dict[str, float]:
    """Return how sure each name is, from the neighbours' vote and the adapter together.

    What the vote gave to all names that the adapter knows is given out anew by its
    probabilities, less where pictures without any name voted as well: times the share of votes
    that have a name, so two votes drawn at random must both have one. The adapter knows nothing
    of pictures without a name, and would else be surer of its own names for them than the vote
    was. Other names keep what the vote gave them, and where one of them is the first the vote
    stays as it is, so no name that the adapter never saw loses share or first place to it.
    Without an adapter, or with one that does not help, the vote stays too.

    Args:
        vote_shares: Name -> share of the votes; together at most 1.
        probabilities: What `Adapter.probabilities` gave for the same picture.
        adapter: Where they came from.
    """
    if adapter is None or not adapter.helps:
        return dict(vote_shares)
    known = sum(share for name, share in vote_shares.items() if name in probabilities)
    kept = {name: share for name, share in vote_shares.items() if name not in probabilities}
    if not known or max(kept.values(), default=0.0) >= max(vote_shares.values()):
        return dict(vote_shares)
    known *= min(1.0, sum(vote_shares.values()))
    return kept | {name: known * chance for name, chance in probabilities.items()}


def soften(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the softmax of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _products(rows: npt.NDArray[np.float32], one: Embeddings) -> npt.NDArray[np.float64]:
    return np.asarray(rows @ one, dtype=np.float64)


def _rank(value: float, usual: npt.NDArray[np.float32], least: float) -> float:
    """Return the share of held-out values that are at most `value`, the value itself counted in.

    Below all of them it falls off exponentially, as fast as the lowest quarter of them does: few
    held-out pictures could otherwise not tell the unlike from the merely unusual.
    """
    lowest = float(usual[0])
    if value >= lowest:
        return float(np.interp(value, usual, np.linspace(least, 1, len(usual))))
    quarter = usual[: len(usual) // 4 + 1].astype(np.float64)
    return least * float(
        np.exp((value - lowest) / max(float((quarter[-1] - quarter).mean()), 1e-6))
    )


def _unreadable(what: str) -> StoreError:
    return StoreError(
        f"The adapter of this library {what}.",
        hint="Run `florilegium ingest`, which trains it again.",
    )
