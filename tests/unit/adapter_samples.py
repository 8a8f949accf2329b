"""Embeddings around a mean for each name, and an adapter small enough to compute by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from florilegium.adapter import Adapter, Validation
from florilegium.types import Embeddings

DIM = 16

VALIDATION = Validation(
    held_out=99,
    adapter_right=90,
    vote_right=80,
    adapter_brier=0.1,
    vote_brier=0.2,
    helps=True,
    reason="right more often than the neighbours' vote, by 10 of 99",
)


def pictures(
    names: list[str], *, noise: float = 0.6, seed: int = 0, dim: int = DIM
) -> tuple[Embeddings, list[str]]:
    """Return unit rows around a random mean for each different name, in the order of `names`."""
    random = np.random.default_rng(seed)
    means = {name: random.normal(size=dim) / np.sqrt(dim) for name in sorted(set(names))}
    rows = [means[name] + noise * random.normal(size=dim) / np.sqrt(dim) for name in names]
    stacked = np.stack(rows)
    stacked /= np.linalg.norm(stacked, axis=1, keepdims=True)
    return stacked.astype(np.float32), names


def tiny(*, helps: bool = True, temperature: float = 2.0, doubt: float = 0.0) -> Adapter:
    """Return an adapter in two dimensions: the first speaks for roses, the second for tulips."""
    return Adapter(
        names=("rose", "tulip"),
        weights=np.eye(2, dtype=np.float32),
        offsets=np.zeros(2, dtype=np.float32),
        means=np.eye(2, dtype=np.float32),
        temperature=temperature,
        doubt=doubt,
        usual=np.tile(np.linspace(0.5, 1, 11, dtype=np.float32), (2, 1)),
        validation=replace(VALIDATION, helps=helps),
        fingerprint="tiny",
    )
