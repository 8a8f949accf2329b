"""Whatever is written, deleted, closed and opened again, a store agrees with a dict."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from florilegium.protocols import VectorStore
from florilegium.stores import chroma, memory
from florilegium.types import Collection, Embeddings, Manifest, Modality, Part, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=3),))
COLLECTIONS = (
    Collection(space="clip", modality=Modality.IMAGE),
    Collection(space="clip", modality=Modality.TEXT, part=Part.WINDOW),
)
# Few ids and few directions, so that replacing, deleting and ties are common.
IDS = tuple(f"花/{i}" for i in range(12))
DIRECTIONS = tuple(
    (x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)
)

collections = st.sampled_from(COLLECTIONS)
ids = st.sampled_from(IDS)
directions = st.sampled_from(DIRECTIONS)
rows = st.tuples(ids, st.sampled_from(["rose", "tulip"]), directions)


def unit(direction: tuple[int, int, int]) -> Embeddings:
    numbers = np.asarray(direction, dtype=np.float64)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


def cosine(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """Return the cosine from whole numbers, so that equal ones are equal to the last bit."""
    product = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    squares = sum(x * x for x in a) * sum(x * x for x in b)
    return round(product / math.sqrt(squares), 6) + 0.0


class _StoreMachine(RuleBasedStateMachine):
    """A store next to a dict: id -> (item id, direction), for each collection."""

    backend: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[str, dict[str, tuple[str, tuple[int, int, int]]]] = {
            collection.name: {} for collection in COLLECTIONS
        }
        self.store = self.open()

    def open(self) -> VectorStore:
        if self.backend == "chroma":
            return chroma.open_store("", folder=self.folder, manifest=MANIFEST)
        return memory.open_store("", folder=self.folder, manifest=MANIFEST)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(collection=collections, new=st.lists(rows, max_size=15))
    def upsert(
        self, collection: Collection, new: list[tuple[str, str, tuple[int, int, int]]]
    ) -> None:
        self.store.upsert(
            collection,
            [Record(id=id_, item_id=item, embedding=unit(d)) for id_, item, d in new],
        )
        self.model[collection.name] |= {id_: (item, d) for id_, item, d in new}

    @rule(collection=collections, gone=st.lists(ids, max_size=12))
    def delete(self, collection: Collection, gone: list[str]) -> None:
        self.store.delete(collection, gone)
        for id_ in gone:
            self.model[collection.name].pop(id_, None)

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.store = self.open()

    @rule(collection=collections, query=directions, top_k=st.integers(1, 15))
    def search(self, collection: Collection, query: tuple[int, int, int], top_k: int) -> None:
        expected = sorted(
            (-cosine(query, d), id_, item) for id_, (item, d) in self.model[collection.name].items()
        )[:top_k]

        matches = self.store.search(collection, unit(query), top_k=top_k)

        assert [(m.id, m.item_id) for m in matches] == [(id_, item) for _, id_, item in expected]
        np.testing.assert_allclose(
            [m.score for m in matches], [-s for s, _, _ in expected], atol=2e-6
        )

    @rule(collection=collections, wanted=st.lists(ids, max_size=5, unique=True))
    def get(self, collection: Collection, wanted: list[str]) -> None:
        model = self.model[collection.name]

        records = self.store.get(collection, wanted)

        known = [id_ for id_ in wanted if id_ in model]
        assert [(r.id, r.item_id) for r in records] == [(id_, model[id_][0]) for id_ in known]
        for record in records:
            np.testing.assert_allclose(record.embedding, unit(model[record.id][1]), atol=1e-6)

    @invariant()
    def the_ids_are_those_of_the_dict(self) -> None:
        for collection in COLLECTIONS:
            assert self.store.ids(collection) == set(self.model[collection.name])


class MemoryStoreMachine(_StoreMachine):
    backend = "memory"


class ChromaStoreMachine(_StoreMachine):
    backend = "chroma"


# Times differ a thousandfold between a first and a later call of Chroma, so no deadline.
_CHECKS = [HealthCheck.too_slow]
TestMemoryStore = MemoryStoreMachine.TestCase
TestMemoryStore.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=_CHECKS
)
TestChromaStore = ChromaStoreMachine.TestCase
TestChromaStore.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=_CHECKS
)
