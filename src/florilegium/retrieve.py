"""From a query to hits: ranked lists, fusion, links, evidence. Opens and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from florilegium.answers import Candidate
from florilegium.errors import InvalidQueryError
from florilegium.evidence import Evidence
from florilegium.fusion import Fused, Method, fuse, lend
from florilegium.index import Index
from florilegium.lists import Lists, RankingSummary, with_coverage
from florilegium.types import Hit, Query
from florilegium.votes import name_candidates
from florilegium.weighing import weigh_evidence

__all__ = ["MOST_HITS", "Explanation", "RankingSummary", "retrieve"]

MOST_HITS = 1000

_LENT = 0.3  # share of a fused score that links lend
_NAMED_BY_TEXT = 3  # texts nearest to a picture whose titles may name it


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Hits together with how they were found.

    `candidates` are names for what the query's picture may show, best first; `is_known` says that
    this very picture is in the library. `seconds` says how long each step took.
    """

    hits: tuple[Hit, ...]
    rankings: tuple[RankingSummary, ...]
    evidence: Evidence
    candidates: tuple[Candidate, ...] = ()
    is_known: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)


def retrieve(
    query: Query, *, index: Index, candidates: int, method: Method = "calibrated"
) -> Explanation:
    """Return the best hits for a query, best first.

    Args:
        query: Text, signed terms, pictures, or several of these.
        index: Where to search.
        candidates: Items that each list brings to the fusion.
        method: How lists are fused.

    Raises:
        InvalidQueryError: There is nothing to search for, or top_k is out of range.
    """
    _check(query)
    lists = Lists(query, index=index, candidates=max(candidates, query.top_k))
    clock = _Clock(lists.seconds)
    fused = fuse(with_coverage(lists.rankings, index=index), method=method)
    fused = [one for one in fused if one.item_id not in lists.twins]
    clock.note("fusion")
    fused = lend(fused, _lenders(fused, index=index), share=_LENT)
    clock.note("links")
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
    clock.note("hits")
    evidence = weigh_evidence(query, lists, fused, index=index)
    clock.note("evidence")
    named = _candidates(query, lists, index=index)
    clock.note("names")
    return Explanation(
        hits=hits,
        rankings=tuple(lists.summaries()),
        evidence=evidence,
        candidates=named,
        is_known=bool(lists.twins),
        seconds=clock.seconds,
    )


class _Clock:
    """Notes how long each step took since the one before."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = dict(seconds)
        self._last = time.perf_counter()

    def note(self, step: str) -> None:
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


def _candidates(query: Query, lists: Lists, *, index: Index) -> tuple[Candidate, ...]:
    """Return names for what the query's picture may show, best first."""
    if not query.pictures:
        return ()
    near = lists.find("image to text")
    scores = near.scores if near and not lists.twins else {}
    best = sorted(scores, key=lambda id_: (-scores[id_], id_))[:_NAMED_BY_TEXT]
    items = index.catalog.items(best)
    also = [items[id_].source.path for id_ in best if id_ in items]
    return name_candidates(lists.votes, catalog=index.catalog, also=also)


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
