"""What a search found, as evidence: the few numbers by which the gate weighs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from florilegium.evidence import (
    REASONS,
    Evidence,
    ImageEvidence,
    TextEvidence,
    asked_guess,
    coverage,
    weigh,
)
from florilegium.fusion import Fused
from florilegium.guesses import said_words
from florilegium.index import Index
from florilegium.languages import can_read, reply_language
from florilegium.lists import Lists
from florilegium.questions import asks_what_it_is
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
    texts: Sequence[TextEvidence | None] = seen or [None]
    language = reply_language(query.words)
    weighed = [weigh(one, image, about_picture=pointed, language=language) for one in texts]
    evidence = max(weighed, key=lambda evidence: evidence.confidence)
    encoder = index.text_encoder.info
    if not seen or can_read(encoder.languages, query.words):
        return evidence
    unread = REASONS["unread"][language].format(encoder=encoder.id)
    return replace(evidence, reasons=(*evidence.reasons, unread))


def text_evidence(
    query: Query, lists: Lists, fused: Sequence[Fused], *, index: Index
) -> list[TextEvidence]:
    """Return what the best texts and cards say of the words of the query, best first."""
    text = query.words.strip()
    best: list[Fused] = []
    for modality in (Modality.TEXT, Modality.IMAGE) if text else ():
        best += [one for one in fused if one.modality is modality][:_WEIGHED]
    items = index.catalog.items([one.item_id for one in best])
    unrelated = index.text_encoder.info.unrelated
    # "Which flower is this?" names a kind of thing, and near pictures are of it by any guess.
    identifies = bool(query.pictures) and asks_what_it_is(text)
    found: list[TextEvidence] = []
    for one in best:
        if (item := items.get(one.item_id)) is None:
            continue
        # Else what an encoder takes a picture for is no word of it: no answer can rest on that.
        said = f"{item.title}\n{item.text if identifies else said_words(item)}"
        found.append(
            TextEvidence(
                cosine=_text_cosine(one),
                coverage=coverage(text, said, lists.rarity),
                unrelated=unrelated,
                guess=None if identifies else asked_guess(text, said, item.guesses),
            )
        )
    return found


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
