"""What a search found, as evidence: the few numbers by which the gate weighs it."""

from __future__ import annotations

from collections.abc import Sequence

from florilegium.evidence import Evidence, ImageEvidence, TextEvidence, coverage, weigh
from florilegium.fusion import Fused
from florilegium.index import Index
from florilegium.lists import Lists
from florilegium.types import Modality, Query

_WEIGHED = 3  # best items of a modality that are weighed


def weigh_evidence(query: Query, lists: Lists, fused: Sequence[Fused], *, index: Index) -> Evidence:
    """Return how well what was found answers the query.

    Args:
        query: What was searched for.
        lists: Its lists.
        fused: What was found, best first, of all modalities.
        index: Where it was found.
    """
    image = _image_evidence(query, lists, index=index)
    pointed = lists.is_about_picture()
    seen = text_evidence(query, lists, fused, index=index)
    weighed = [weigh(one, image, about_picture=pointed) for one in seen]
    weighed = weighed or [weigh(None, image, about_picture=pointed)]
    return max(weighed, key=lambda evidence: evidence.confidence)


def text_evidence(
    query: Query, lists: Lists, fused: Sequence[Fused], *, index: Index
) -> list[TextEvidence]:
    """Return what the best texts and cards say of the words of the query, best first."""
    text = query.words.strip()
    best: list[Fused] = []
    for modality in (Modality.TEXT, Modality.IMAGE) if text else ():
        best += [one for one in fused if one.modality is modality][:_WEIGHED]
    items = index.catalog.items([one.item_id for one in best])
    return [
        TextEvidence(
            cosine=_text_cosine(one),
            unrelated=index.text_encoder.info.unrelated,
            coverage=coverage(
                text, f"{items[one.item_id].title}\n{items[one.item_id].text}", lists.rarity
            ),
        )
        for one in best
        if one.item_id in items
    ]


def _image_evidence(query: Query, lists: Lists, *, index: Index) -> ImageEvidence | None:
    if not query.pictures:
        return None
    if lists.twins:
        return ImageEvidence(cosine=1.0, margin=None, unrelated=0.0)
    nearest = lists.find("image to image")
    if nearest is None:
        return None
    best = max(nearest.scores.values())
    return ImageEvidence(
        cosine=best,
        margin=nearest.scale.standardise(best),
        unrelated=index.encoder.info.unrelated,
    )


def _text_cosine(one: Fused) -> float | None:
    cosines = [
        c.score
        for c in one.contributions
        if c.ranking in ("chunks", "sentences", "cards") and c.rank is not None
    ]
    return max(cosines, default=None)
