"""The ranked lists of one query: how each way of searching finds items, and how much it counts.

Text: dense chunks, dense sentences and BM25 for texts; the image-text space, dense cards and BM25
over cards and labels for pictures. Pictures: nearest pictures; texts in the image-text space, and
texts linked to the nearest pictures. Opens and writes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.bm25 import inverse_frequency
from florilegium.calibration import Prior, Scale, fit_background, fit_words
from florilegium.encode import encode_query_image, encode_query_text
from florilegium.fusion import Ranking
from florilegium.index import Index
from florilegium.languages import can_read, language_of
from florilegium.learning import own_names
from florilegium.lexical import content_tokens
from florilegium.questions import points_at_picture
from florilegium.tracing import span
from florilegium.types import Collection, Embeddings, Item, Modality, Query
from florilegium.votes import count_votes, share_votes

LEARNT_NAMES: Final = "learnt names"

WEIGHTS: Final[Mapping[str, float]] = {
    # Guesses from the same embedding that is searched itself.
    "labels": 0.25,
    # The links of near pictures say the same and are surer.
    "image to text": 0.5,
}
"""Weights of lists in the fusion; all others weigh 1."""

# "And in winter?": the picture says what it is about, the words only what of it is asked. So who
# is meant counts as much as the three lists that the words make together.
_SUBJECT_WEIGHT: Final = 3.0
# What stands out for an unwanted term is taken away by half: vectors tell "without" badly.
_UNWANTED_WEIGHT: Final = -0.5
# A text that all near pictures are linked to stands out as a good text does.
_VOTES: Final = Scale(mean=0.0, deviation=0.2)
_SPREAD: Final = 0.1  # of cosines of unrelated things of one modality
_PER_ITEM: Final = 4  # records fetched at most per wanted item where an item has several


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSummary:
    """What a list was: its size, by what its scores were standardised, and its weight.

    `background` is how many items that scale comes from; `left_out` says why it took no part.
    """

    name: str
    modality: Modality
    size: int
    mean: float = 0.0
    deviation: float = 0.0
    weight: float = 0.0
    background: int = 0
    left_out: str | None = None


class Rarity:
    """How rare words are in the library: the inverse document frequency of BM25, by word."""

    def __init__(self, index: Index) -> None:
        self._catalog = index.catalog
        self.sizes = {modality: index.catalog.count(modality) for modality in Modality}
        self._counts: dict[Modality, dict[str, int]] = {modality: {} for modality in Modality}

    def __call__(self, word: str) -> float:
        """Return the rarity among all items of both modalities."""
        count = sum(self._count(word, modality) for modality in Modality)
        return inverse_frequency(count, sum(self.sizes.values()))

    def among(self, words: Set[str], modality: Modality) -> float:
        """Return the sum of the rarities of words among the items of one modality."""
        size = self.sizes[modality]
        return sum(inverse_frequency(self._count(w, modality), size) for w in sorted(words))

    def _count(self, word: str, modality: Modality) -> int:
        counts = self._counts[modality]
        if word not in counts:
            counts.update(self._catalog.item_frequency([word], modality))
        return counts[word]


class Lists:
    """The lists of one query, made when this is made."""

    def __init__(
        self,
        query: Query,
        *,
        index: Index,
        candidates: int,
        within: Set[str] | None = None,
        learnt: Adapter | Untrained | None = None,
    ) -> None:
        """Make the lists.

        Args:
            query: What is searched for.
            index: Where to search.
            candidates: Items that each list brings.
            within: Ids of the items that may be found; None for all.
            learnt: What the library has learnt of its names, if it may be used.
        """
        self._query = query
        self._within = within
        self._learnt = learnt
        self.embedding: Embeddings | None = None
        self._index = index
        self._candidates = candidates
        self.rankings: list[Ranking] = []
        self.left_out: list[RankingSummary] = []
        self.seconds: dict[str, float] = defaultdict(float)
        self.rarity = Rarity(index)
        hashes = [one.content_hash for one in query.pictures if one.content_hash]
        self.twins = frozenset().union(*(index.catalog.twins(one) for one in hashes))
        self.votes: dict[str, float] = {}
        self._make()

    def summaries(self) -> list[RankingSummary]:
        """Return what each list was, and those that took no part."""
        taken = [
            RankingSummary(
                name=ranking.name,
                modality=ranking.modality,
                size=len(ranking.scores),
                mean=ranking.scale.mean,
                deviation=ranking.scale.deviation,
                weight=ranking.weight,
                background=ranking.scale.items,
            )
            for ranking in self.rankings
        ]
        return taken + self.left_out

    def find(self, name: str) -> Ranking | None:
        """Return a list by its name, if it was made."""
        return next((one for one in self.rankings if one.name == name), None)

    def is_about_picture(self) -> bool:
        """Return whether the words ask about the picture."""
        judged = self._query.about_picture
        return points_at_picture(self._query.text.strip()) if judged is None else judged

    def _make(self) -> None:
        text = self._query.text.strip()
        # "What is this?" says nothing that could be searched for; its picture says it all.
        if text and (not self._query.pictures or content_tokens(text)):
            self._search_text(text)
        for term in self._query.terms:
            sign, factor = ("+", 1.0) if term.wanted else ("-", _UNWANTED_WEIGHT)
            self._search_text(term.text, suffix=f" {sign}{term.text}", factor=factor)
        if self._query.pictures:
            self._search_pictures()

    @contextmanager
    def _timed(self, step: str, **attributes: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            with span(step, **attributes):
                yield
        finally:
            self.seconds[step] += time.perf_counter() - started

    # -- lists of a text --

    def _search_text(self, text: str, *, suffix: str = "", factor: float = 1.0) -> None:
        index = self._index
        info = index.text_encoder.info
        lists = {"chunks": index.chunks, "sentences": index.sentences, "cards": index.cards}
        if can_read(info.languages, text):
            embedding = self._encode_text(text, crossing=False)
            prior = Prior(mean=info.unrelated, deviation=_SPREAD)
            for name, collection in lists.items():
                self._dense(name, collection, embedding, prior=prior, suffix=suffix, factor=factor)
        else:
            for name, collection in lists.items():
                self._leave_out(name + suffix, collection.modality, _unread(info.id, text))
        self._words("words", Modality.TEXT, text, suffix=suffix, factor=factor)
        self._words("card words", Modality.IMAGE, text, suffix=suffix, factor=factor)
        self._words("labels", Modality.IMAGE, text, suffix=suffix, factor=factor)
        info = index.encoder.info
        name = f"text to image{suffix}"
        if Modality.TEXT not in info.modalities:
            self._leave_out(name, Modality.IMAGE, f"{info.id} encodes no text")
        elif not can_read(info.languages, text):
            self._leave_out(name, Modality.IMAGE, _unread(info.id, text))
        else:
            embedding = self._encode_text(text, crossing=True)
            prior = index.backgrounds.across(index.pictures, index.windows)
            self._dense(
                "text to image",
                index.pictures,
                embedding,
                prior=prior,
                suffix=suffix,
                factor=factor,
            )

    def _encode_text(self, text: str, *, crossing: bool) -> Embeddings:
        with self._timed("encoding"):
            index = self._index
            encoder = index.query_encoder if crossing else index.query_text_encoder
            return encode_query_text(encoder, text)

    def _words(
        self, name: str, modality: Modality, text: str, *, suffix: str, factor: float
    ) -> None:
        catalog, labels = self._index.catalog, name == "labels"
        with self._timed("words", list=name):
            found = catalog.search_words(
                text, modality, top_k=self._candidates, labels=labels, within=self._within
            )
            words = frozenset(content_tokens(text))
            rarity = self.rarity.among(words, modality)
        size = self.rarity.sizes[modality]
        # That no text shares a word says something of all texts; that no label does, nothing.
        if not size or not words or (labels and not found):
            reason = "no item shares a word with the query" if size else "the list is empty"
            self._leave_out(name + suffix, modality, reason)
            return
        scores = {id_: score for id_, score in found if id_ not in self.twins}
        self.rankings.append(
            Ranking(
                name=name + suffix,
                modality=modality,
                scores=scores,
                weight=factor * WEIGHTS.get(name, 1.0),
                scale=fit_words(scores.values(), items=size, rarity=rarity),
                cosine=False,
            )
        )

    # -- lists of pictures --

    def _search_pictures(self) -> None:
        index = self._index
        info = index.encoder.info
        with self._timed("encoding"):
            encoder = index.query_encoder
            rows = [encode_query_image(encoder, one.image) for one in self._query.pictures]
            # Several pictures are one query at their mean, which finds more than a list for each.
            mean = np.mean(rows, axis=0)
            length = float(np.linalg.norm(mean))
            embedding: Embeddings = (mean / length if length > 0 else rows[0]).astype(np.float32)
        self.embedding = embedding
        alike = Prior(mean=info.unrelated, deviation=_SPREAD)
        self._dense("image to image", index.pictures, embedding, prior=alike)
        self._reorder(embedding)
        if Modality.TEXT in info.modalities:
            across = index.backgrounds.across(index.pictures, index.windows)
            self._dense("image to text", index.windows, embedding, prior=across)
        with self._timed("votes"):
            self._vote(self.find("image to image"))

    def _reorder(self, embedding: Embeddings) -> None:
        """Add the nearest pictures in the order that the names give them, where that helps."""
        nearest, learnt = self.find("image to image"), self._learnt
        if learnt is None or nearest is None:
            return
        if isinstance(learnt, Untrained) or not learnt.helps:
            reason = learnt.reason if isinstance(learnt, Untrained) else learnt.validation.reason
            self._leave_out(LEARNT_NAMES, Modality.IMAGE, reason)
            return
        items = self._index.catalog.items(list(nearest.scores))
        names = own_names(list(items.values()), learnt)
        # It takes the place of the list that it reorders, which stays for cosines and votes. A mean
        # of both would let two named pictures pass a nameless one that lies between them.
        self.rankings = [replace(r, weight=0.0) if r is nearest else r for r in self.rankings]
        self.rankings.append(
            replace(
                nearest,
                name=LEARNT_NAMES,
                scores=learnt.reorder(embedding, nearest.scores, names),
                cosine=False,
                absent=nearest.scale.mean,
            )
        )

    def _vote(self, nearest: Ranking | None) -> None:
        """Add the texts that the nearest pictures are linked to, each with its share of votes."""
        catalog = self._index.catalog
        self.votes = count_votes(nearest, self.twins)
        about = self._query.about
        shares = {about: 1.0} if about else share_votes(self.votes, catalog=catalog)
        chunks: list[Item] = [
            item
            for item in catalog.items_of(list(shares))
            if item.modality is Modality.TEXT and (self._within is None or item.id in self._within)
        ]
        if not chunks:
            self._leave_out("linked texts", Modality.TEXT, "no text is linked to a near picture")
            return
        words = content_tokens(self._query.text)
        self.rankings.append(
            Ranking(
                name="linked texts",
                modality=Modality.TEXT,
                scores={item.id: shares[item.source.path] for item in chunks},
                weight=_SUBJECT_WEIGHT if words and self.is_about_picture() else 1.0,
                scale=_VOTES,
                cosine=False,
            )
        )

    # -- all lists --

    def _dense(
        self,
        name: str,
        collection: Collection,
        embedding: Embeddings,
        *,
        prior: Prior,
        suffix: str = "",
        factor: float = 1.0,
    ) -> None:
        with self._timed("vectors", list=name):
            scores = self._nearest(collection, embedding)
        if not scores:
            self._leave_out(name + suffix, collection.modality, "the list is empty")
            return
        with self._timed("calibration", list=name):
            background = self._index.backgrounds.sample(collection).scores(embedding)
            scale = fit_background(background, prior=prior)
        self.rankings.append(
            Ranking(
                name=name + suffix,
                modality=collection.modality,
                scores=scores,
                weight=factor * WEIGHTS.get(name, 1.0),
                scale=scale,
            )
        )

    def _nearest(self, collection: Collection, embedding: Embeddings) -> dict[str, float]:
        """Return the nearest items, each with the score of its best record."""
        wanted, most = self._candidates, self._candidates * _PER_ITEM
        # A text has several sentences, and mostly one window, as a picture has one record.
        asked = 2 * wanted if collection == self._index.sentences else wanted
        while True:
            matches = self._index.store.search(
                collection, embedding, top_k=asked, within=self._within
            )
            scores: dict[str, float] = {}
            for match in matches:  # best first, so the first match of an item is its best
                if match.item_id not in self.twins and len(scores) < wanted:
                    scores.setdefault(match.item_id, match.score)
            several = collection in (self._index.sentences, self._index.windows)
            if not several or len(scores) == wanted or len(matches) < asked or asked >= most:
                return scores
            asked = most

    def _leave_out(self, name: str, modality: Modality, reason: str) -> None:
        self.left_out.append(RankingSummary(name=name, modality=modality, size=0, left_out=reason))


def with_coverage(rankings: list[Ranking], *, index: Index) -> list[Ranking]:
    """Return the rankings, of which those over descriptions cover only pictures that have one.

    Lists whose name tells of cards are those; the others cover every item of their modality.
    """
    over_cards = [one for one in rankings if one.name.startswith("card")]
    if not over_cards:
        return rankings
    images = {id_ for r in rankings if r.modality is Modality.IMAGE for id_ in r.scores}
    described = index.catalog.described(sorted(images))
    return [replace(r, covers=described) if r in over_cards else r for r in rankings]


def _unread(encoder: str, text: str) -> str:
    return f"{encoder} does not read {language_of(text)}"
