"""From several ranked lists to one. Pure functions of scores; knows no encoder and no store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final, Literal

from florilegium.calibration import Scale
from florilegium.types import Contribution, Modality

Method = Literal["calibrated", "reciprocal-rank"]

# Of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009).
_RANK_OFFSET: Final = 60
_WHOLE: Final = 1.0  # the weight of one list that is heard in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One list: item ids with the list's own scores, higher is better.

    `scale` is by what the scores are standardised. An item that the list did not bring counts as
    average in it, or has the score `absent`. `covers` are the items that the list could have
    brought at all, None for all: a picture that nobody has described is not asked what its
    description says. A list of an unwanted term has a negative weight and counts for items that
    stand out in it only; one of weight 0 gives its cosines and nothing else. `cosine` tells
    whether the scores are cosine similarities.
    """

    name: str
    modality: Modality
    scores: Mapping[str, float]
    weight: float
    scale: Scale
    cosine: bool = True
    covers: Set[str] | None = None
    absent: float | None = None

    def ranks(self) -> dict[str, int]:
        """Return the rank of each item from 1, equal scores by id."""
        order = sorted(self.scores, key=lambda id_: (-self.scores[id_], id_))
        return {id_: rank for rank, id_ in enumerate(order, start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """What all lists together say of one item."""

    item_id: str
    modality: Modality
    fused: float
    score: float
    contributions: tuple[Contribution, ...]


def fuse(rankings: Sequence[Ranking], *, method: Method = "calibrated") -> list[Fused]:
    """Return all items of the rankings, best first.

    The fused score of an item is the weighted mean of its standardised scores over the lists of
    its modality that cover it, so that neither a modality with more lists nor an item in more of
    them has an advantage; what unwanted terms take away is no part of the weights. Lists that weigh
    less than one together count as much less, so half a list alone is not heard like a whole one.
    With `reciprocal-rank` 1 / (60 + rank) takes the place of the standardised score, and 0 where an
    item has no rank. Ties go by the highest cosine, then by id; the order of the rankings does not
    matter.
    """
    fused: list[Fused] = []
    for modality in Modality:
        lists = sorted((r for r in rankings if r.modality is modality), key=lambda r: r.name)
        fused += _fuse_modality(modality, lists, method)
    return sort_fused(fused)


def lend(
    fused: Sequence[Fused], lenders: Mapping[str, Sequence[str]], *, share: float
) -> list[Fused]:
    """Return `fused` with each item raised by a share of the best item that is linked to it.

    Args:
        fused: Items with their fused scores.
        lenders: Item id -> ids of the items that are linked to it.
        share: The part of a positive fused score that is lent, in [0, 1].
    """
    by_id = {one.item_id: one for one in fused}
    raised: list[Fused] = []
    for one in fused:
        richest = max(
            (by_id[i].fused for i in lenders.get(one.item_id, ()) if i in by_id), default=0
        )
        if richest <= 0:
            raised.append(one)
            continue
        gift = Contribution(ranking="links", rank=None, score=richest, z=richest, weight=share)
        raised.append(
            replace(
                one,
                fused=one.fused + share * richest,
                contributions=(*one.contributions, gift),
            )
        )
    return sort_fused(raised)


def sort_fused(fused: Sequence[Fused]) -> list[Fused]:
    """Return the items best first."""
    return sorted(fused, key=lambda one: (-one.fused, -one.score, one.item_id))


def _fuse_modality(modality: Modality, rankings: Sequence[Ranking], method: Method) -> list[Fused]:
    contributions: dict[str, list[Contribution]] = defaultdict(list)
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    cosines: dict[str, float] = {}
    ids = {id_ for ranking in rankings if ranking.weight > 0 for id_ in ranking.scores}
    for ranking in rankings:
        brought = {
            id_: _contribute(ranking, ranking.scores[id_], rank, method)
            for id_, rank in ranking.ranks().items()
            if id_ in ids
        }
        # Most items are in few of the lists, and to all that are not in it a list gives the same.
        missing = ranking.scale.mean if ranking.cosine else 0.0
        missing = missing if ranking.absent is None else ranking.absent
        absent = _contribute(ranking, missing, None, method)
        for id_ in ids if ranking.covers is None else ids & ranking.covers:
            one = brought.get(id_, absent)
            contributions[id_].append(one)
            sums[id_] += one.weight * one.z
            weights[id_] += max(one.weight, 0.0)
            if ranking.cosine and ranking.weight >= 0 and one.rank is not None:
                cosines[id_] = max(one.score, cosines.get(id_, -1.0))
    return [
        Fused(
            item_id=id_,
            modality=modality,
            fused=sums[id_] / max(weights[id_], _WHOLE),
            score=cosines.get(id_, 0.0),
            contributions=tuple(contributions[id_]),
        )
        for id_ in ids
    ]


def _contribute(ranking: Ranking, score: float, rank: int | None, method: Method) -> Contribution:
    z = _points(ranking, score, rank, method)
    return Contribution(ranking=ranking.name, rank=rank, score=score, z=z, weight=ranking.weight)


def _points(ranking: Ranking, score: float, rank: int | None, method: Method) -> float:
    if method == "reciprocal-rank":
        return 0.0 if rank is None else 1.0 / (_RANK_OFFSET + rank)
    z = ranking.scale.standardise(score)
    return z if ranking.weight > 0 else max(z, 0.0)
