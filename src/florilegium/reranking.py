"""What a reranker says of the best items changes their order. Pure functions of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from florilegium.calibration import fit_scale
from florilegium.fusion import Fused, sort_fused
from florilegium.types import Contribution, Modality

RANKING: Final = "rerank"
"""What the contributions of the reranker are called."""

WEIGHT: Final = 2.0
"""A reranker reads query and text together, which no list does, so it outweighs all of them
together; what they agree on still holds where it sees little difference."""

FLOOR: Final = 0.1
"""The smallest deviation of its scores that is believed. Logits spread by several units, scores in
[0, 1] by some tenths; below this, it finds all of them alike."""


def rerank(
    order: Sequence[Fused],
    scores: Mapping[str, float],
    *,
    weight: float = WEIGHT,
    floor: float = FLOOR,
) -> list[Fused]:
    """Return the items of `order`, best first, by what they were and what the reranker says.

    Its scores are standardised within each modality, as lists are: cards are a few words, and score
    lower than texts that answer as well. An item without a score keeps what it was if it stands
    among those that have one. Behind the last of these, items count as if they had the lowest
    standardised score there is, so that they stay below, in their order.

    Args:
        order: All items, best first.
        scores: Item id -> the reranker's score.
        weight: Of the standardised scores in the sum.
        floor: The smallest deviation of the scores that is believed.
    """
    given = _contributions(order, scores, weight=weight, floor=floor)
    if not given:
        return list(order)
    last = max(place for place, one in enumerate(order) if one.item_id in given)
    lowest = replace(min(given.values(), key=lambda each: each.z), rank=None)
    return sort_fused(
        [
            _add(one, given.get(one.item_id) if place <= last else lowest)
            for place, one in enumerate(order)
        ]
    )


def _contributions(
    order: Sequence[Fused], scores: Mapping[str, float], *, weight: float, floor: float
) -> dict[str, Contribution]:
    given: dict[str, Contribution] = {}
    for modality in Modality:
        ids = [o.item_id for o in order if o.modality is modality and o.item_id in scores]
        if not ids:
            continue
        scale = fit_scale([scores[item_id] for item_id in ids], floor=floor)
        ranked = sorted(ids, key=lambda item_id: (-scores[item_id], item_id))
        for rank, item_id in enumerate(ranked, start=1):
            given[item_id] = Contribution(
                ranking=RANKING,
                rank=rank,
                score=scores[item_id],
                z=scale.standardise(scores[item_id]),
                weight=weight,
            )
    return given


def _add(one: Fused, contribution: Contribution | None) -> Fused:
    if contribution is None:
        return one
    return Fused(
        item_id=one.item_id,
        modality=one.modality,
        fused=one.fused + contribution.weight * contribution.z,
        score=one.score,
        contributions=(*one.contributions, contribution),
    )
