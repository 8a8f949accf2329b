"""A SIMULATION of a CLIP model's space: vectors drawn so that cosines are as published for CLIP.

No CLIP weights are used and nothing is seen or read. Pictures and texts lie in two cones (the
modality gap: Liang et al. 2022, arXiv 2203.02053). Cosines and deviations of what belongs together:
a text and its picture 0.27 (0.03), a question and its paragraph 0.80 (0.05), two photos of a kind
0.80 (0.05); of what does not: across modalities 0.15 (0.04), texts 0.65 (0.05), pictures 0.6 (0.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.mixed_data import Labelled
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.stores.memory import open_store
from florilegium.types import (
    Collection,
    Embeddings,
    EncoderInfo,
    Manifest,
    Modality,
    Picture,
    Query,
    Record,
    Space,
)

SEED = 20260101
TEXT, PICTURE, ACROSS = 0.65, 0.60, 0.15  # cosines of unrelated things
MATCHED, ANSWERED, ALIKE = 0.27, 0.80, 0.80  # of related ones
ACROSS_SPREAD, ANSWER_SPREAD = 0.03, 0.05
# What texts and pictures have of their own lies in so many dimensions, five of which they share:
# that gives the deviations of unrelated pairs.
TEXT_DIMS, PICTURE_DIMS, SHARED = 49, 16, 5
OWN = TEXT_DIMS + PICTURE_DIMS - SHARED
DIM = OWN + 2


@dataclass
class _Stub:
    """An encoder that knows the vectors of what it will be asked."""

    info: EncoderInfo
    texts: dict[str, Embeddings]
    pictures: list[Embeddings]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def encode_texts(self, texts: Sequence[str], *, purpose: str) -> Embeddings:  # noqa: ARG002
        return np.stack([self.texts[text] for text in texts])

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return image

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        return np.stack([self.pictures[image.info["number"]] for image in images])

    def close(self) -> None:
        """Do nothing."""


class _World:
    def __init__(self) -> None:
        self.chance = np.random.default_rng(SEED)
        # The axes of the two cones lie so that their cosine makes unrelated pairs ACROSS.
        lean = ACROSS / np.sqrt(TEXT * PICTURE)
        self._text_axis = np.array([1.0, 0.0])
        self._picture_axis = np.array([lean, np.sqrt(1 - lean**2)])

    def own_text(self) -> Embeddings:
        return self._unit(np.r_[self.chance.normal(size=TEXT_DIMS), np.zeros(OWN - TEXT_DIMS)])

    def own_picture(self) -> Embeddings:
        own = self.chance.normal(size=PICTURE_DIMS)
        return self._unit(np.r_[np.zeros(OWN - PICTURE_DIMS), own])

    def near(self, own: Embeddings, other: Embeddings, cosine: float) -> Embeddings:
        """Return a vector with this cosine to `own`, and else as `other`."""
        cosine = float(np.clip(cosine, -0.99, 0.99))
        aside = other - (other @ own) * own
        return self._unit(cosine * own + (1 - cosine**2) ** 0.5 * self._unit(aside))

    def caption(self, picture: Embeddings) -> Embeddings:
        """Return what a text of its own has that matches a picture."""
        spread = ACROSS_SPREAD / np.sqrt((1 - TEXT) * (1 - PICTURE))
        wanted = (MATCHED - ACROSS) / np.sqrt((1 - TEXT) * (1 - PICTURE))
        shared = slice(TEXT_DIMS - SHARED, TEXT_DIMS)
        own = self.own_text()
        length = max(float(np.linalg.norm(picture[shared])), 0.3)
        toward = picture[shared] / length
        along = min(float(self.chance.normal(wanted, spread)) / length, 0.98)
        across = own[shared] - (own[shared] @ toward) * toward
        own[shared] = along * toward + across * (1 - along**2) ** 0.5
        rest = max(1.0 - float(own[shared] @ own[shared]), 0.0)
        before = own[: TEXT_DIMS - SHARED]
        own[: TEXT_DIMS - SHARED] = before * rest**0.5 / np.linalg.norm(before)
        return self._unit(own)

    def text(self, own: Embeddings) -> Embeddings:
        row = np.r_[np.sqrt(TEXT) * self._text_axis, np.sqrt(1 - TEXT) * own]
        return self._unit(row).astype(np.float32)

    def picture(self, own: Embeddings) -> Embeddings:
        row = np.r_[np.sqrt(PICTURE) * self._picture_axis, np.sqrt(1 - PICTURE) * own]
        return self._unit(row).astype(np.float32)

    def _unit(self, row: Embeddings) -> Embeddings:
        unit: Embeddings = row / np.linalg.norm(row)
        return unit


def simulate(
    index: Index, queries: Sequence[Labelled], *, folder: Path
) -> tuple[Index, dict[int, Picture]]:
    """Return the index with drawn vectors, and the pictures that are searched with by number."""
    world = _World()
    paths = {item.id: item.source.path for m in Modality for item, _ in index.catalog.all_items(m)}
    kinds, photos = _kinds(queries, world)
    owns = {
        id_: world.near(kinds[path], world.own_picture(), np.sqrt(_kin()))
        if path in kinds
        else (world.own_picture() if path.endswith((".png", ".jpg")) else world.own_text())
        for id_, path in sorted(paths.items())
    }
    of_path: dict[str, list[str]] = defaultdict(list)
    for id_, path in sorted(paths.items()):
        of_path[path].append(id_)
    said: dict[str, Embeddings] = {}  # captions by the file of their picture
    texts: dict[str, Embeddings] = {}
    for one in queries:
        if one.image:
            continue
        (path,) = one.relevant
        own = owns[of_path[path][0]]
        if one.kind.startswith("caption"):
            own = texts[one.text] = texts.get(one.text, world.caption(own))
            said[path] = own
        else:
            cosine = world.chance.normal(ANSWERED, ANSWER_SPREAD)
            texts[one.text] = world.near(own, world.own_text(), (cosine - TEXT) / (1 - TEXT))
    known = {text: world.text(own) for text, own in texts.items()}
    # They go by the names of the real encoders, since the catalog knows records by these.
    encoders = [
        _Stub(_info(real.info.id, unrelated), known, [world.picture(own) for own in photos])
        for real, unrelated in ((index.encoder, PICTURE), (index.text_encoder, TEXT))
    ]
    spaces = tuple(Space(name=one.info.id, fingerprint="drawn", dim=DIM) for one in encoders)
    store = open_store("", folder=folder, manifest=Manifest(schema=1, spaces=spaces))
    made = Index(
        catalog=index.catalog,
        store=store,
        cache=index.cache,
        encoder=encoders[0],
        text_encoder=encoders[1],
        query_encoder=encoders[0],
        query_text_encoder=encoders[1],
    )
    for collection in (index.pictures, index.windows, index.chunks, index.sentences, index.cards):
        records = []
        for id_ in sorted(index.store.ids(collection)):
            item = item_of(id_)
            own = owns[item]
            if collection == index.cards:
                own = said.get(paths[item], own)
            elif collection == index.sentences and not id_.endswith(":0"):
                own = world.near(own, world.own_text(), 0.5)
            row = world.picture(own) if collection == index.pictures else world.text(own)
            records.append(Record(id=id_, item_id=item, embedding=row))
        store.upsert(collection, records)
    searched = [number for number, one in enumerate(queries) if one.image]
    return made, {number: _numbered(place) for place, number in enumerate(searched)}


def statistics(index: Index, queries: Sequence[tuple[Labelled, Query]]) -> dict[str, Any]:
    """Return the mean and the deviation of the cosines that were drawn."""
    rows: dict[str, list[float]] = defaultdict(list)
    pictures = {r.item_id: r.embedding for r in _all(index, index.pictures)}
    chunks = {r.item_id: r.embedding for r in _all(index, index.chunks)}
    paths = index.catalog.paths([*pictures, *chunks])
    first = {path: id_ for id_, path in sorted(paths.items(), reverse=True)}
    # Of a text of several chunks, the first by id is drawn to answer.
    chunks = {id_: row for id_, row in chunks.items() if first[paths[id_]] == id_}
    encoder: Any = index.encoder
    for one, query in queries:
        if one.image:
            asked = encoder.encode_images([query.pictures[0].image])[0]
            kinds = {True: "photo, its kind", False: "photo, other picture"}
        else:
            asked = encoder.texts[query.text]
            kinds = {True: "text, its picture", False: "text, other picture"}
            for id_, row in chunks.items():
                name = "question, its text" if paths[id_] in one.relevant else "text, other text"
                rows[name].append(float(asked @ row))
        for id_, row in pictures.items():
            rows[kinds[paths[id_] in one.relevant]].append(float(asked @ row))
    return {
        name: {"mean": round(float(np.mean(some)), 3), "deviation": round(float(np.std(some)), 3)}
        for name, some in sorted(rows.items())
    }


def _info(name: str, unrelated: float) -> EncoderInfo:
    return EncoderInfo(
        id=name,
        fingerprint="drawn",
        dim=DIM,
        modalities=frozenset(Modality),
        max_text_tokens=77,
        languages=frozenset({"en"}),
        unrelated=unrelated,
    )


def _kin() -> float:
    # Two of a kind each have this cosine, squared with each other, to what they have in common.
    return (ALIKE - PICTURE) / (1 - PICTURE)


def _kinds(
    queries: Sequence[Labelled], world: _World
) -> tuple[dict[str, Embeddings], list[Embeddings]]:
    centres: dict[frozenset[str], Embeddings] = {}
    photos = []
    for one in queries:
        if one.image:
            centre = centres.setdefault(one.relevant, world.own_picture())
            photos.append(world.near(centre, world.own_picture(), np.sqrt(_kin())))
    return {path: centre for some, centre in centres.items() for path in some}, photos


def _numbered(number: int) -> Picture:
    image = Image.new("RGB", (8, 8))
    image.info["number"] = number
    return Picture(image=image)


def _all(index: Index, collection: Collection) -> list[Record]:
    return index.store.get(collection, sorted(index.store.ids(collection)))
