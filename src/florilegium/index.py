"""The opened parts of one index, as ingest and retrieval use them. Holds them; does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from florilegium.background import Backgrounds
from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.protocols import Encoder, VectorStore
from florilegium.types import Collection, Item, Modality, Part

_PAGE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Where everything is: `encoder` crosses modalities, `text_encoder` compares texts.

    `query_encoder` and `query_text_encoder` are the same two, for what is searched for.
    """

    catalog: Catalog
    store: VectorStore
    cache: EmbeddingCache
    encoder: Encoder
    text_encoder: Encoder
    query_encoder: Encoder
    query_text_encoder: Encoder
    backgrounds: Backgrounds = field(init=False, compare=False)

    def __post_init__(self) -> None:
        backgrounds = Backgrounds(catalog=self.catalog, store=self.store)
        object.__setattr__(self, "backgrounds", backgrounds)

    def pages(self, modality: Modality) -> Iterator[list[tuple[Item, str]]]:
        """Yield what `Catalog.all_items` does, some at a time: all at once may be too many."""
        items = self.catalog.all_items(modality)
        return iter(lambda: list(islice(items, _PAGE)), [])

    @property
    def collections(self) -> tuple[Collection, ...]:
        """Return all collections, of which some may be empty."""
        return self.pictures, self.windows, self.chunks, self.sentences, self.cards

    @property
    def pictures(self) -> Collection:
        """Return the collection of whole pictures."""
        return Collection(space=self.encoder.info.id, modality=Modality.IMAGE)

    @property
    def windows(self) -> Collection:
        """Return the collection of stretches of text in the space of the pictures."""
        return Collection(space=self.encoder.info.id, modality=Modality.TEXT, part=Part.WINDOW)

    @property
    def chunks(self) -> Collection:
        """Return the collection of whole chunks of text."""
        return Collection(space=self.text_encoder.info.id, modality=Modality.TEXT)

    @property
    def sentences(self) -> Collection:
        """Return the collection of the sentences of all chunks."""
        return Collection(
            space=self.text_encoder.info.id, modality=Modality.TEXT, part=Part.SENTENCE
        )

    @property
    def cards(self) -> Collection:
        """Return the collection of the cards of pictures."""
        return Collection(space=self.text_encoder.info.id, modality=Modality.IMAGE, part=Part.CARD)
