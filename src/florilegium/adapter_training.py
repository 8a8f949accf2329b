"""Train an adapter on a library's named pictures, and try it on each as if it had no name.

Ridge regression on the names, as a linear probe is, with the strength of the penalty and the
temperature chosen by leaving one picture out. Pure numbers; knows no files and no index.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from florilegium.adapter import Adapter, Validation, soften
from florilegium.errors import EncoderError
from florilegium.ids import hash_bytes
from florilegium.types import Embeddings

LEAST_PER_NAME: Final = 2
"""Pictures that a name needs. With one, leaving it out leaves nothing to learn the name from."""

MOST_PICTURES: Final = 5000
"""Pictures that are trained on, shared out evenly over the names; more take time and memory."""

MOST_NAMES: Final = 1000

NEIGHBOURS: Final = 10  # as many as vote in a search

_REVISION = 1  # of the code here that changes an adapter
_MOST_HELD_OUT = 1500  # pictures that penalty, temperature and validation are chosen by
_PENALTIES = np.geomspace(1e-3, 30, 16)  # times the variance of the pictures trained on
_TEMPERATURES = np.geomspace(1, 100, 25)
_COSINE_FLOOR = 0.02
_QUANTILES = 201
_SURE = 0.05  # the chance of a mistake that a test against the vote takes
_VISIBLE = 0.001  # the same against chance; choosing the penalty by these pictures raises it
_ONE_SIDED = 1.645  # deviations that a normal variable exceeds as rarely

Matrix = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrained:
    """Why a library has no adapter."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """A penalty, and what it predicts for each picture from all the others."""

    shrunk: npt.NDArray[np.float64]
    temperature: float
    held_out: Matrix


def training_fingerprint(encoder: str, ids: Sequence[str], names: Sequence[str | None]) -> str:
    """Return a hash of what an adapter is trained on; the order of the pictures has no part in it.

    Args:
        encoder: The fingerprint of the encoder.
        ids: The record id of each picture, which must change when its content does.
        names: The name of each, or None.
    """
    lines = sorted(
        f"{id_}\0{name}" for id_, name in zip(ids, names, strict=True) if name is not None
    )
    text = "\n".join([f"{_REVISION}\0{encoder}", *lines])
    return hash_bytes(text.encode("utf-8", "surrogatepass"))


def fit_adapter(
    embeddings: Embeddings, names: Sequence[str | None], *, fingerprint: str = ""
) -> Adapter | Untrained:
    """Return an adapter for the named pictures of a library, or why there is none.

    The scores are those of ridge regression on the names, and each picture's prediction from all
    others has a closed form, so nothing is trained twice (Allen 1974). Penalty and temperature are
    those under which the held-out pictures' own names are most likely. What comes out does not
    depend on the order of the pictures.

    Args:
        embeddings: Shape (n, dim), float32.
        names: The name of each row, or None; rows without one take no part.
        fingerprint: What `training_fingerprint` gave.

    Raises:
        EncoderError: The embeddings are not one finite row for each name.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(names) or not np.isfinite(embeddings).all():
        raise EncoderError(
            f"An adapter needs a finite embedding for each of {len(names)} names, "
            f"not an array of shape {embeddings.shape}"
            f"{'' if np.isfinite(embeddings).all() else ' with values that are not finite'}.",
            hint="Run `florilegium ingest`, which encodes pictures that lack an embedding.",
        )
    counts = Counter(name for name in names if name is not None)
    usable = sorted(name for name, count in counts.items() if count >= LEAST_PER_NAME)
    if len(usable) < 2:
        return Untrained(
            reason=f"fewer than 2 names have {LEAST_PER_NAME} pictures or more: "
            f"{len(usable)} of {len(counts)}"
        )
    if len(usable) > MOST_NAMES:
        return Untrained(reason=f"{len(usable)} names; at most {MOST_NAMES} can be told apart")
    rows, targets = _choose(embeddings, names, usable)
    pictures = embeddings[rows].astype(np.float64)
    centre = pictures.mean(axis=0)
    if not ((pictures - centre) ** 2).sum() > 1e-9:
        return Untrained(reason="all named pictures look the same to the encoder")
    return _train(pictures, centre, targets, usable, fingerprint)


def _choose(
    embeddings: Embeddings, names: Sequence[str | None], usable: Sequence[str]
) -> tuple[Numbers, Numbers]:
    """Return rows and the number of each one's name; by hash, so any order gives the same."""
    numbers = {name: number for number, name in enumerate(usable)}
    rows: dict[int, list[tuple[str, int]]] = {number: [] for number in numbers.values()}
    for row, name in enumerate(names):
        if name in numbers:
            key = hash_bytes(np.ascontiguousarray(embeddings[row], dtype="<f4").tobytes())
            rows[numbers[name]].append((key, row))
    share, left = {}, MOST_PICTURES
    for done, number in enumerate(sorted(rows, key=lambda number: len(rows[number]))):
        share[number] = min(len(rows[number]), left // (len(rows) - done))
        left -= share[number]
    chosen = [
        (row, number) for number in sorted(rows) for _, row in sorted(rows[number])[: share[number]]
    ]
    pairs = np.array(chosen, dtype=np.int64)
    return pairs[:, 0], pairs[:, 1]


def _train(
    pictures: Matrix, centre: Matrix, targets: Numbers, names: Sequence[str], fingerprint: str
) -> Adapter:
    centred = pictures - centre
    wanted = np.eye(len(names))[targets]
    basis, spread = _decompose(centred)
    along = basis.T @ (wanted - wanted.mean(axis=0))
    tried = np.unique(np.linspace(0, len(targets) - 1, _MOST_HELD_OUT).astype(np.int64))
    fit = _fit(basis[tried], spread, along, (wanted - wanted.mean(axis=0))[tried], targets)
    # weights = centred' (K + penalty)^-1 wanted, written with the basis of K's eigenvectors.
    weights = (centred.T @ (basis @ (along * fit.shrunk[:, np.newaxis]))).T
    doubt = 1 / (len(targets) + 2)  # Laplace's rule: no sample shows that nothing ever goes wrong
    held_out = (1 - doubt) * soften(fit.held_out * fit.temperature) + doubt / len(names)
    sums = wanted.T @ pictures
    usual = (fit.held_out.max(axis=1), _nearest(pictures[tried], targets[tried], sums))
    places = np.linspace(0, 1, _QUANTILES)
    return Adapter(
        names=tuple(names),
        weights=weights.astype(np.float32),
        offsets=(-weights @ centre).astype(np.float32),
        means=(sums / _lengths((sums**2).sum(axis=1, keepdims=True))).astype(np.float32),
        temperature=fit.temperature,
        doubt=doubt,
        usual=np.stack([np.quantile(one, places) for one in usual]).astype(np.float32),
        validation=_validate(pictures, targets, tried, held_out),
        fingerprint=fingerprint,
    )


def _nearest(pictures: Matrix, targets: Numbers, sums: Matrix) -> Matrix:
    """Return each picture's cosine to the nearest mean, itself left out of its own name's."""
    products, squares = pictures @ sums.T, (sums**2).sum(axis=1)
    own = np.eye(len(sums))[targets] * (pictures**2).sum(axis=1)[:, np.newaxis]
    # |s - z|² = |s|² - 2 s·z + |z|² for the picture's own name.
    lengths = squares - 2 * products * (own > 0) + own
    return np.asarray(((products - own) / _lengths(lengths)).max(axis=1), dtype=np.float64)


def _lengths(squares: Matrix) -> Matrix:
    return np.sqrt(np.maximum(squares, 1e-12))


def _decompose(centred: Matrix) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """Return the left singular vectors and the squared singular values, by the smaller side."""
    count, dim = centred.shape
    if count <= dim:
        squares, vectors = np.linalg.eigh(centred @ centred.T)
    else:
        squares, vectors = np.linalg.eigh(centred.T @ centred)
    keep = squares > squares.max() * 1e-10
    squares, vectors = squares[keep], vectors[:, keep]
    return (vectors if count <= dim else centred @ vectors / np.sqrt(squares)), squares


def _fit(
    basis: Matrix, spread: npt.NDArray[np.float64], along: Matrix, wanted: Matrix, targets: Numbers
) -> _Fit:
    """Choose by the held-out pictures, which `basis` and `wanted` have the rows of."""
    count, own = len(targets), wanted.argmax(axis=1)
    best: tuple[float, _Fit] | None = None
    for penalty in _PENALTIES * spread.sum() / count:
        shrunk = 1 / (spread + penalty)
        kept = spread * shrunk
        fitted = basis @ (along * kept[:, np.newaxis])
        # The intercept is fitted too and has a leverage of 1 / n.
        leverage = np.minimum((basis**2) @ kept + 1 / count, 1 - 1e-9)[:, np.newaxis]
        held_out = (fitted - leverage * wanted) / (1 - leverage)
        for temperature in _TEMPERATURES:
            shares = soften(held_out * temperature)[np.arange(len(own)), own]
            likely = float(np.log(np.maximum(shares, 1e-12)).mean())
            if best is None or likely > best[0] + 1e-9:
                fit = _Fit(shrunk=shrunk, temperature=float(temperature), held_out=held_out)
                best = likely, fit
    assert best is not None
    return best[1]


def _validate(pictures: Matrix, targets: Numbers, tried: Numbers, adapted: Matrix) -> Validation:
    own = targets[tried]
    voted = _votes(pictures, targets, tried, adapted.shape[1])
    right, vote_right = adapted.argmax(axis=1) == own, voted.argmax(axis=1) == own
    errors, vote_errors = _brier(adapted, own), _brier(voted, own)
    commonest = np.bincount(targets).max() / len(targets)
    helps, reason = _judge(right, vote_right, vote_errors - errors, commonest)
    return Validation(
        held_out=len(tried),
        adapter_right=int(right.sum()),
        vote_right=int(vote_right.sum()),
        adapter_brier=float(errors.mean()),
        vote_brier=float(vote_errors.mean()),
        helps=helps,
        reason=reason,
    )


def _judge(
    right: npt.NDArray[np.bool_],
    vote_right: npt.NDArray[np.bool_],
    gain: npt.NDArray[np.float64],
    commonest: float,
) -> tuple[bool, str]:
    """Return whether the adapter may be used, and why.

    It must beat always saying the commonest name, must not be right less often than the vote, and
    must be better: right more often by the sign test on the pictures where only one of the two is
    right, or nearer to the truth by a paired test of the Brier scores.
    """
    count = len(right)
    if _at_least(int(right.sum()), count, commonest) > _VISIBLE:
        return False, "the names cannot be told apart by what the pictures look like"
    won, lost = int((right & ~vote_right).sum()), int((~right & vote_right).sum())
    if won < lost:
        return False, f"the neighbours' vote is right more often, by {lost - won} of {count}"
    if won > lost and _at_least(won, won + lost, 0.5) <= _SURE:
        return True, f"right more often than the neighbours' vote, by {won - lost} of {count}"
    if gain.mean() > _ONE_SIDED * gain.std(ddof=1) / math.sqrt(count):
        return True, "no less often right than the neighbours' vote, with better probabilities"
    return False, "no better than the neighbours' vote"


def _votes(pictures: Matrix, targets: Numbers, tried: Numbers, names: int) -> Matrix:
    """Return the shares of votes that a search would count, without the picture itself."""
    single = pictures.astype(np.float32)
    alike = single[tried] @ single.T
    shares = np.zeros((len(tried), names))
    for number, row in enumerate(tried):
        others = np.delete(alike[number], row)
        above = (others - others.mean()) / max(float(others.std()), _COSINE_FLOOR)
        nearest = np.argpartition(-above, min(NEIGHBOURS, len(above)) - 1)[:NEIGHBOURS]
        voices = np.maximum(above[nearest], 0)
        if not voices.any():
            voices = np.ones(len(nearest))
        np.add.at(shares[number], np.delete(targets, row)[nearest], voices / voices.sum())
    return shares


def _brier(shares: Matrix, own: Numbers) -> npt.NDArray[np.float64]:
    missed = shares - np.eye(shares.shape[1])[own]
    return np.asarray((missed**2).sum(axis=1), dtype=np.float64)


def _at_least(successes: int, count: int, chance: float) -> float:
    """Return how likely at least so many successes are; exact, by the binomial distribution."""
    if successes <= 0:
        return 1.0
    if chance >= 1:
        return 1.0
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(chance) + (count - k) * math.log1p(-chance)
        for k in range(successes, count + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(math.exp(one) for one in logs))
