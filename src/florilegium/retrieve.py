"""From a query to hits: ranked lists, fusion, links, evidence. Opens and writes nothing.

Text query: dense chunks, dense sentences and BM25 for texts; the image-text space, dense cards and
BM25 over cards for pictures. Picture query: nearest pictures; texts in the image-text space, and
texts linked to the nearest pictures. Both: all of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from florilegium.answers import Candidate
from florilegium.encode import encode_query_image, encode_query_text
from florilegium.errors import InvalidQueryError
from florilegium.evidence import (
    Evidence,
    ImageEvidence,
    TextEvidence,
    coverage,
    weigh,
)
from florilegium.fusion import Fused, Ranking, fuse, lend
from florilegium.index import Index
from florilegium.languages import can_read, language_of
from florilegium.lexical import content_tokens
from florilegium.questions import points_at_picture
from florilegium.types import Collection, Embeddings, Hit, Modality, Query
from florilegium.votes import count_votes, name_candidates, share_votes

MOST_HITS = 1000

# Smallest deviation of a list that is believed, by kind of list. Cosines of one text encoder
# spread by about 0.1 over unrelated texts; BM25 and vote shares have other units.
_COSINE_FLOOR = 0.02
_WORDS_FLOOR = 0.5
_VOTE_FLOOR = 0.1

_LABELS_WEIGHT = 0.25
_SUBJECT_WEIGHT = 3.0
_WEIGHED = 3  # best items of a modality that are weighed as evidence
_PRIOR = 20  # items added in thought: a library of one file says little of which words are rare
_LENT = 0.3  # share of a fused score that links lend
_NAMED_BY_TEXT = 3  # texts nearest to a picture whose titles may name it
_PER_ITEM = 4  # records fetched per wanted item where an item has several


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSummary:
    """What a list was: its size, by what its scores were standardised, and its weight.

    `left_out` says why it took no part.
    """

    name: str
    modality: Modality
    size: int
    mean: float = 0.0
    deviation: float = 0.0
    weight: float = 0.0
    left_out: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Hits together with how they were found.

    `candidates` are names for what the query's picture may show, best first; `is_known` says that
    this very picture is in the library.
    """

    hits: tuple[Hit, ...]
    rankings: tuple[RankingSummary, ...]
    evidence: Evidence
    candidates: tuple[Candidate, ...] = ()
    is_known: bool = False


def retrieve(query: Query, *, index: Index, candidates: int) -> Explanation:
    """Return the best hits for a query, best first.

    Args:
        query: Text, a picture, or both.
        index: Where to search.
        candidates: Items that each list brings to the fusion.

    Raises:
        InvalidQueryError: The query has neither text nor picture, or top_k is out of range.
    """
    _check(query)
    search = Search(query, index=index, candidates=max(candidates, query.top_k))
    fused = search.run()
    wanted = [one for one in fused if query.modality in (None, one.modality)][: query.top_k]
    items = index.catalog.items([one.item_id for one in wanted])
    hits = tuple(
        Hit(
            item=items[one.item_id],
            score=one.score,
            fused=one.fused,
            contributions=one.contributions,
        )
        for one in wanted
        if one.item_id in items
    )
    return Explanation(
        hits=hits,
        rankings=tuple(search.summaries()),
        evidence=search.evidence(fused),
        candidates=search.candidates(),
        is_known=search.is_known,
    )


def _check(query: Query) -> None:
    if not query.text.strip() and query.image is None:
        raise InvalidQueryError(
            "The query is empty.", hint="Give words to search for, a picture, or both."
        )
    if not 1 <= query.top_k <= MOST_HITS:
        raise InvalidQueryError(
            f"top_k is {query.top_k!r}, but must be between 1 and {MOST_HITS}.",
            hint="Ask for a number of hits in that range.",
        )


class Search:
    """The lists of one query."""

    def __init__(self, query: Query, *, index: Index, candidates: int) -> None:
        self._query = query
        self._index = index
        self._candidates = candidates
        self.rankings: list[Ranking] = []
        self._left_out: list[RankingSummary] = []
        self._twins = index.catalog.twins(query.image_hash) if query.image_hash else set()
        self._votes: dict[str, float] = {}

    @property
    def is_known(self) -> bool:
        """Whether the query's picture itself is in the library."""
        return bool(self._twins)

    def run(self) -> list[Fused]:
        """Make all lists and return the items of all modalities, best first."""
        text = self._query.text.strip()
        # "What is this?" says nothing that could be searched for; its picture says it all.
        if text and (self._query.image is None or content_tokens(text)):
            self._search_text(text)
        if self._query.image is not None:
            self._search_image()
        fused = [one for one in fuse(self.rankings) if one.item_id not in self._twins]
        return lend(fused, self._lenders(fused), share=_LENT)

    def summaries(self) -> list[RankingSummary]:
        """Return what each list was, and those that took no part."""
        taken = [
            RankingSummary(
                name=ranking.name,
                modality=ranking.modality,
                size=len(ranking.scores),
                mean=ranking.scale().mean,
                deviation=ranking.scale().deviation,
                weight=ranking.weight,
            )
            for ranking in self.rankings
        ]
        return taken + self._left_out

    def candidates(self) -> tuple[Candidate, ...]:
        """Return names for what the query's picture may show, best first."""
        near = next((r for r in self.rankings if r.name == "image to text"), None)
        scores = near.scores if near and not self._twins else {}
        best = sorted(scores, key=lambda id_: (-scores[id_], id_))[:_NAMED_BY_TEXT]
        items = self._index.catalog.items(best)
        also = [items[id_].source.path for id_ in best if id_ in items]
        return name_candidates(self._votes, catalog=self._index.catalog, also=also)

    def evidence(self, fused: Sequence[Fused]) -> Evidence:
        """Return how well what was found answers the query."""
        text = self._query.text.strip()
        best: list[Fused] = []
        for modality in (Modality.TEXT, Modality.IMAGE) if text else ():
            best += [one for one in fused if one.modality is modality][:_WEIGHED]
        items = self._index.catalog.items([one.item_id for one in best])
        idf = self._rarity()
        seen = [
            TextEvidence(
                cosine=_text_cosine(one),
                unrelated=self._index.text_encoder.info.unrelated,
                coverage=coverage(
                    text, f"{items[one.item_id].title}\n{items[one.item_id].text}", idf
                ),
            )
            for one in best
            if one.item_id in items
        ]
        image = self._image_evidence()
        pointed = self._is_about_picture()
        weighed = [weigh(one, image, about_picture=pointed) for one in seen]
        weighed = weighed or [weigh(None, image, about_picture=pointed)]
        return max(weighed, key=lambda evidence: evidence.confidence)

    def _image_evidence(self) -> ImageEvidence | None:
        if self._query.image is None:
            return None
        if self._twins:
            return ImageEvidence(cosine=1.0, margin=None, unrelated=0.0)
        nearest = next((r for r in self.rankings if r.name == "image to image"), None)
        if nearest is None:
            return None
        best = max(nearest.scores.values())
        return ImageEvidence(
            cosine=best,
            margin=nearest.scale().standardise(best),
            unrelated=self._index.encoder.info.unrelated,
        )

    def _rarity(self) -> Callable[[str], float]:
        # The inverse document frequency of BM25 over all items of both modalities.
        catalog = self._index.catalog
        size = _PRIOR + sum(catalog.count(modality) for modality in Modality)

        @cache
        def idf(word: str) -> float:
            count = sum(catalog.item_frequency([word], modality)[word] for modality in Modality)
            return math.log(1 + (size - count + 0.5) / (count + 0.5))

        return idf

    # -- lists of a text --

    def _search_text(self, text: str) -> None:
        index = self._index
        info = index.text_encoder.info
        if can_read(info.languages, text):
            embedding = encode_query_text(index.text_encoder, text)
            self._dense("chunks", index.chunks, embedding, weight=1.0)
            self._dense("sentences", index.sentences, embedding, weight=1.0)
            self._dense("cards", index.cards, embedding, weight=1.0)
        else:
            for name, modality in (
                ("chunks", Modality.TEXT),
                ("sentences", Modality.TEXT),
                ("cards", Modality.IMAGE),
            ):
                self._leave_out(name, modality, _unread(info.id, text))
        self._words("words", Modality.TEXT, text)
        self._words("card words", Modality.IMAGE, text)
        # Labels are guesses from the same embedding that is searched itself, so they weigh less.
        self._words("labels", Modality.IMAGE, text, weight=_LABELS_WEIGHT, labels=True)
        info = index.encoder.info
        if Modality.TEXT not in info.modalities:
            self._leave_out("text to image", Modality.IMAGE, f"{info.id} encodes no text")
        elif not can_read(info.languages, text):
            self._leave_out("text to image", Modality.IMAGE, _unread(info.id, text))
        else:
            embedding = encode_query_text(index.encoder, text)
            self._dense("text to image", index.pictures, embedding, weight=1.0)

    def _words(
        self,
        name: str,
        modality: Modality,
        text: str,
        *,
        weight: float = 1.0,
        labels: bool = False,
    ) -> None:
        found = self._index.catalog.search_words(
            text, modality, top_k=self._candidates, labels=labels
        )
        if not found:
            self._leave_out(name, modality, "no item shares a word with the query")
            return
        self.rankings.append(
            Ranking(
                name=name,
                modality=modality,
                scores=dict(found),
                weight=weight,
                floor=_WORDS_FLOOR,
                cosine=False,
                absent=0.0,
            )
        )

    # -- lists of a picture --

    def _search_image(self) -> None:
        index = self._index
        assert self._query.image is not None
        embedding = encode_query_image(index.encoder, self._query.image)
        nearest = self._dense("image to image", index.pictures, embedding, weight=1.0)
        if Modality.TEXT in index.encoder.info.modalities:
            self._dense("image to text", index.windows, embedding, weight=0.5)
        self._vote(nearest)

    def _vote(self, nearest: Ranking | None) -> None:
        """Add the texts that the nearest pictures are linked to, each with its share of votes."""
        catalog = self._index.catalog
        self._votes = count_votes(nearest, self._twins)
        about = self._query.about
        shares = {about: 1.0} if about else share_votes(self._votes, catalog=catalog)
        chunks = [item for item in catalog.items_of(list(shares)) if item.modality is Modality.TEXT]
        if not chunks:
            self._leave_out("linked texts", Modality.TEXT, "no text is linked to a near picture")
            return
        self.rankings.append(
            Ranking(
                name="linked texts",
                modality=Modality.TEXT,
                scores={item.id: shares[item.source.path] for item in chunks},
                weight=self._linked_weight(),
                floor=_VOTE_FLOOR,
                cosine=False,
                absent=0.0,
            )
        )

    def _linked_weight(self) -> float:
        # "And in winter?": the picture says what it is about, the words only what of it is asked.
        # So who is meant counts as much as the three lists that the words make together.
        words = content_tokens(self._query.text)
        return _SUBJECT_WEIGHT if words and self._is_about_picture() else 1.0

    def _is_about_picture(self) -> bool:
        judged = self._query.about_picture
        return points_at_picture(self._query.text.strip()) if judged is None else judged

    # -- all lists --

    def _dense(
        self, name: str, collection: Collection, embedding: Embeddings, *, weight: float
    ) -> Ranking | None:
        matches = self._index.store.search(
            collection,
            embedding,
            top_k=self._candidates * _records_per_item(collection, self._index),
        )
        scores: dict[str, float] = {}
        for match in matches:  # best first, so the first match of an item is its best
            if match.item_id not in self._twins and len(scores) < self._candidates:
                scores.setdefault(match.item_id, match.score)
        if not scores:
            self._leave_out(name, collection.modality, "the list is empty")
            return None
        ranking = Ranking(
            name=name,
            modality=collection.modality,
            scores=scores,
            weight=weight,
            floor=_COSINE_FLOOR,
        )
        self.rankings.append(ranking)
        return ranking

    def _leave_out(self, name: str, modality: Modality, reason: str) -> None:
        self._left_out.append(RankingSummary(name=name, modality=modality, size=0, left_out=reason))

    def _lenders(self, fused: Sequence[Fused]) -> dict[str, list[str]]:
        # A file lends through its best item only: the first of it in the order of fused scores.
        catalog = self._index.catalog
        items = catalog.items([one.item_id for one in fused])
        best: dict[str, str] = {}
        for one in fused:
            if one.item_id in items:
                best.setdefault(items[one.item_id].source.path, one.item_id)
        lenders: dict[str, list[str]] = {}
        for link in catalog.links(list(best)):
            if link.other in best:
                lenders.setdefault(best[link.other], []).append(best[link.path])
        return lenders


def _text_cosine(one: Fused) -> float | None:
    cosines = [
        c.score
        for c in one.contributions
        if c.ranking in ("chunks", "sentences", "cards") and c.rank is not None
    ]
    return max(cosines, default=None)


def _records_per_item(collection: Collection, index: Index) -> int:
    return _PER_ITEM if collection in (index.sentences, index.windows) else 1


def _unread(encoder: str, text: str) -> str:
    return f"{encoder} does not read {language_of(text)}"
