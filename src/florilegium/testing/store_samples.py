"""The manifest, records and vectors that the suites for vector stores are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from florilegium.protocols import VectorStore
from florilegium.types import Collection, Embeddings, Manifest, Match, Modality, Part, Record, Space

MANIFEST = Manifest(
    schema=1,
    spaces=(
        Space(name="clip", fingerprint="aaaa", dim=4),
        Space(name="text", fingerprint="bbbb", dim=3),
    ),
)
OTHER_ENCODER = Manifest(
    schema=1, spaces=(Space(name="clip", fingerprint="cccc", dim=4), MANIFEST.spaces[1])
)
IMAGES = Collection(space="clip", modality=Modality.IMAGE)
WINDOWS = Collection(space="clip", modality=Modality.TEXT, part=Part.WINDOW)
TEXTS = Collection(space="text", modality=Modality.TEXT)

EAST = (1.0, 0.0, 0.0, 0.0)
NORTH = (0.0, 1.0, 0.0, 0.0)
WEST = (-1.0, 0.0, 0.0, 0.0)
NORTH_EAST = (0.6, 0.8, 0.0, 0.0)
OpenStore: TypeAlias = Callable[[Manifest], VectorStore]


def row(numbers: Sequence[float]) -> Embeddings:
    """Return the numbers as one embedding."""
    return np.asarray(numbers, dtype=np.float32)


def record(id_: str, numbers: Sequence[float], *, item_id: str = "item") -> Record:
    """Return a record with these numbers as its embedding."""
    return Record(id=id_, item_id=item_id, embedding=row(numbers))


def circle(count: int) -> Embeddings:
    """Return unit vectors, shape (count, 4), that turn away from EAST by ever more, up to WEST."""
    angles = np.linspace(0.0, np.pi, count)
    flat = np.zeros_like(angles)
    return np.stack([np.cos(angles), np.sin(angles), flat, flat], axis=1).astype(np.float32)


def found_ids(matches: Sequence[Match]) -> list[str]:
    """Return the ids of the matches, in order."""
    return [match.id for match in matches]
