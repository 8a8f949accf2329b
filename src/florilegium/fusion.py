"""From several ranked lists to one. Pure functions of scores; knows no encoder and no store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from florilegium.calibration import Scale, fit_scale
from florilegium.types import Contribution, Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One list: item ids with the list's own scores, higher is better.

    `cosine` tells whether the scores are cosine similarities. `absent` is the score of an item
    that is not in the list; None stands for the lowest score in it, which is the most that a list
    cut off at its end can say. `floor` is the smallest deviation that is believed.
    """

    name: str
    modality: Modality
    scores: Mapping[str, float]
    weight: float
    floor: float
    cosine: bool = True
    absent: float | None = None

    def scale(self) -> Scale:
        """Return by what the scores are standardised."""
        return fit_scale(self.scores.values(), floor=self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """What all lists together say of one item."""

    item_id: str
    modality: Modality
    fused: float
    score: float
    contributions: tuple[Contribution, ...]


def fuse(rankings: Sequence[Ranking]) -> list[Fused]:
    """Return all items of the rankings, best first.

    The fused score of an item is the weighted mean of its standardised scores over all lists of
    its modality, so that a modality with more lists has no advantage. Empty lists take no part.
    Ties go by the highest cosine, then by id; the order of the rankings does not matter.
    """
    fused: list[Fused] = []
    for modality in Modality:
        lists = [r for r in rankings if r.modality is modality and r.scores]
        fused += _fuse_modality(modality, sorted(lists, key=lambda ranking: ranking.name))
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
            Fused(
                item_id=one.item_id,
                modality=one.modality,
                fused=one.fused + share * richest,
                score=one.score,
                contributions=(*one.contributions, gift),
            )
        )
    return sort_fused(raised)


def sort_fused(fused: Sequence[Fused]) -> list[Fused]:
    """Return the items best first."""
    return sorted(fused, key=lambda one: (-one.fused, -one.score, one.item_id))


def _fuse_modality(modality: Modality, rankings: Sequence[Ranking]) -> list[Fused]:
    contributions: dict[str, list[Contribution]] = defaultdict(list)
    cosines: dict[str, float] = {}
    ids = {item_id for ranking in rankings for item_id in ranking.scores}
    for ranking in rankings:
        scale = ranking.scale()
        absent = min(ranking.scores.values()) if ranking.absent is None else ranking.absent
        order = sorted(ranking.scores, key=lambda i: (-ranking.scores[i], i))
        ranks = {item_id: rank for rank, item_id in enumerate(order, start=1)}
        for item_id in ids:
            score = ranking.scores.get(item_id, absent)
            contributions[item_id].append(
                Contribution(
                    ranking=ranking.name,
                    rank=ranks.get(item_id),
                    score=score,
                    z=scale.standardise(score),
                    weight=ranking.weight,
                )
            )
            if ranking.cosine and item_id in ranks:
                cosines[item_id] = max(score, cosines.get(item_id, -1.0))
    total = sum(ranking.weight for ranking in rankings)
    return [
        Fused(
            item_id=item_id,
            modality=modality,
            fused=sum(c.weight * c.z for c in contributions[item_id]) / total,
            score=cosines.get(item_id, 0.0),
            contributions=tuple(contributions[item_id]),
        )
        for item_id in ids
    ]
