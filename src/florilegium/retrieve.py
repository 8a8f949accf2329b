"""From a query to hits: ranked lists, fusion, links, reranking, duplicates, evidence.

Opens and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from florilegium.adapter import Adapter
from florilegium.adapter_training import Untrained
from florilegium.answers import Candidate
from florilegium.collapse import collapse
from florilegium.errors import InvalidQueryError
from florilegium.evidence import Evidence
from florilegium.filters import Filter
from florilegium.fusion import Fused, Method, fuse, lend, sort_fused
from florilegium.index import Index
from florilegium.learning import LearntNames, blend_candidates, describe
from florilegium.lists import Lists, RankingSummary, with_coverage
from florilegium.picture_hashes import hashes_of
from florilegium.protocols import Reranker
from florilegium.rereading import rerank_hits, why_not
from florilegium.tracing import note, past, span
from florilegium.types import Hit, Item, Modality, Query
from florilegium.votes import name_candidates, part_shares
from florilegium.weighing import weigh_evidence

__all__ = ["MOST_HITS", "Explanation", "RankingSummary", "SearchOptions", "retrieve"]

MOST_HITS = 1000

_LENT = 0.3  # share of a fused score that links lend
_NAMED_BY_TEXT = 3  # texts nearest to a picture whose titles may name it
_SPARE = 2  # items looked at for each hit, since some are put under others


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How a search is done, whatever is searched for.

    `candidates` are the items that each list brings to the fusion, `method` is how lists are
    fused, and `reranker`, if there is one, reads the best `reranked` items once more. `learnt` is
    what the library has learnt of its names, None if that is not to be used.
    """

    candidates: int
    method: Method = "calibrated"
    reranker: Reranker | None = None
    reranked: int = 50
    learnt: Adapter | Untrained | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Hits together with how they were found.

    `candidates` are names for what the query's picture may show, best first; `is_known` says that
    this very picture is in the library. `seconds` says how long each step took, and `admitted` how
    many items a filter let through. `learnt` tells of learnt names, None where they are off.
    """

    hits: tuple[Hit, ...]
    rankings: tuple[RankingSummary, ...]
    evidence: Evidence
    candidates: tuple[Candidate, ...] = ()
    is_known: bool = False
    admitted: int | None = None
    learnt: LearntNames | None = None
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)


def retrieve(
    query: Query, *, index: Index, options: SearchOptions, where: Filter | None = None
) -> Explanation:
    """Return the best hits for a query, best first.

    Args:
        query: Text, signed terms, pictures, or several of these.
        index: Where to search.
        options: How to search.
        where: What may be found at all; None for everything.

    Raises:
        InvalidQueryError: There is nothing to search for, or top_k is out of range.
        RerankError: The reranker failed.
    """
    _check(query)
    note(pictures=len(query.pictures), terms=len(query.terms), top_k=query.top_k)
    note(encoder=index.encoder.info.id, text_encoder=index.text_encoder.info.id)
    clock = _Clock()
    within = None
    if where is not None and not where.is_empty:
        within = frozenset(index.catalog.matching(where))
        clock.note("filter")
    candidates = max(options.candidates, query.top_k)
    lists = Lists(query, index=index, candidates=candidates, within=within, learnt=options.learnt)
    clock.take(lists.seconds)
    fused = fuse(with_coverage(lists.rankings, index=index), method=options.method)
    fused = [one for one in fused if one.item_id not in lists.twins]
    clock.note("fusion")
    fused = lend(fused, _lenders(fused, index=index), share=_LENT)
    clock.note("links")
    left_out: list[RankingSummary] = []
    if options.reranker is not None:
        with clock.step("rerank"):
            fused = _reread(query, fused, index=index, options=options, left_out=left_out)
    hits = _hits([o for o in fused if query.modality in (None, o.modality)], query, index=index)
    clock.note("hits")
    evidence = weigh_evidence(query, lists, fused, index=index)
    clock.note("evidence")
    named = _candidates(query, lists, index=index, learnt=options.learnt)
    clock.note("names")
    note(hits=len(hits), confidence=evidence.confidence)
    return Explanation(
        hits=hits,
        rankings=(*lists.summaries(), *left_out),
        evidence=evidence,
        candidates=named,
        is_known=bool(lists.twins),
        admitted=None if within is None else len(within),
        learnt=None if options.learnt is None else describe(options.learnt, lists.embedding),
        seconds=clock.seconds,
    )


class _Clock:
    """Notes how long each step took since the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def note(self, step: str) -> None:
        self._note(step)
        past(step, self.seconds[step])

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        with span(step):
            yield
        self._note(step)

    def take(self, seconds: Mapping[str, float]) -> None:
        self.seconds |= seconds
        self._last = time.perf_counter()

    def _note(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = now - self._last
        self._last = now


def _check(query: Query) -> None:
    if not query.words.strip() and not query.pictures:
        raise InvalidQueryError(
            "The query is empty.",
            hint="Give words to search for, a picture, or both; "
            "words to keep out are not enough by themselves.",
        )
    if not 1 <= query.top_k <= MOST_HITS:
        raise InvalidQueryError(
            f"top_k is {query.top_k!r}, but must be between 1 and {MOST_HITS}.",
            hint="Ask for a number of hits in that range.",
        )


def _hits(ranked: Sequence[Fused], query: Query, *, index: Index) -> tuple[Hit, ...]:
    """Return top_k hits, each with what is the same under it."""
    items: list[Item] = []
    hashes: dict[str, bytes] = {}
    kept: list[tuple[Item, tuple[Item, ...]]] = []
    step = _SPARE * query.top_k
    # What lies far behind is no duplicate that anybody misses, so looking ends at four steps.
    for start in range(0, min(len(ranked), 4 * step), step):
        some = index.catalog.items([one.item_id for one in ranked[start : start + step]])
        new = [some[o.item_id] for o in ranked[start : start + step] if o.item_id in some]
        items += new
        hashes |= hashes_of(new, index.cache)
        kept = collapse(items, hashes)
        if len(kept) >= query.top_k:
            break
    found = {one.item_id: one for one in ranked[: len(items) + step]}
    return tuple(
        Hit(
            item=item,
            score=found[item.id].score,
            fused=found[item.id].fused,
            contributions=found[item.id].contributions,
            duplicates=under,
        )
        for item, under in kept[: query.top_k]
    )


def _reread(
    query: Query,
    fused: Sequence[Fused],
    *,
    index: Index,
    options: SearchOptions,
    left_out: list[RankingSummary],
) -> list[Fused]:
    """Return the items in the order that the reranker gives to the best of them."""
    assert options.reranker is not None
    if reason := why_not(query.words, options.reranker):
        left_out += [
            RankingSummary(name="rerank", modality=modality, size=0, left_out=reason)
            for modality in Modality
        ]
        return list(fused)
    note(reranker=options.reranker.info.id)
    # Of what cannot be read there may be some among the best, so more are at hand.
    wanted = [one for one in fused if query.modality in (None, one.modality)]
    others = [one for one in fused if query.modality not in (None, one.modality)]
    head = wanted[: _SPARE * options.reranked]
    reread = rerank_hits(
        query.words,
        wanted,
        items=index.catalog.items([one.item_id for one in head]),
        reranker=options.reranker,
        top_k=options.reranked,
    )
    return sort_fused([*reread, *others])


def _candidates(
    query: Query, lists: Lists, *, index: Index, learnt: Adapter | Untrained | None
) -> tuple[Candidate, ...]:
    """Return names for what the query's picture may show, best first."""
    if not query.pictures:
        return ()
    near = lists.find("image to text")
    scores = near.scores if near and not lists.twins else {}
    best = sorted(scores, key=lambda id_: (-scores[id_], id_))[:_NAMED_BY_TEXT]
    items = index.catalog.items(best)
    also = [items[id_].source.path for id_ in best if id_ in items]
    found = name_candidates(lists.votes, catalog=index.catalog, also=also)
    # What its owner said of the very picture needs no guess.
    if isinstance(learnt, Adapter) and learnt.helps and not lists.twins and lists.votes:
        assert lists.embedding is not None
        found = blend_candidates(found, lists.votes, learnt, lists.embedding, catalog=index.catalog)
    return part_shares(found)


def _lenders(fused: Sequence[Fused], *, index: Index) -> dict[str, list[str]]:
    # A file lends through its best item only: the first of it in the order of fused scores.
    paths = index.catalog.paths([one.item_id for one in fused])
    best: dict[str, str] = {}
    for one in fused:
        if one.item_id in paths:
            best.setdefault(paths[one.item_id], one.item_id)
    lenders: dict[str, list[str]] = {}
    for link in index.catalog.links(list(best)):
        if link.other in best:
            lenders.setdefault(best[link.other], []).append(best[link.path])
    return lenders
