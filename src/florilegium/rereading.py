"""The best items of a search are read once more, by a reranker, beside the query.

Knows which items have words to read; what becomes of the scores stands in reranking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from florilegium.cards import card_words, title_words
from florilegium.errors import FlorilegiumError, RerankError, WeightsNotFoundError
from florilegium.fusion import Fused
from florilegium.languages import can_read, language_of
from florilegium.protocols import Reranker
from florilegium.reranking import rerank
from florilegium.types import Item, Modality

_WAY_OUT = 'set rerank.name = "" to search without a reranker.'


def rerank_hits(
    query_text: str,
    fused: Sequence[Fused],
    *,
    items: Mapping[str, Item],
    reranker: Reranker,
    top_k: int,
) -> list[Fused]:
    """Return `fused` in the order that the reranker gives to the best of it.

    It reads the title and the text of a chunk, or the card of a picture. What it cannot read, and
    pictures without a card, keep their fused scores. A query without words changes nothing, nor
    does one in a language that it does not read: `why_not` tells.

    Args:
        query_text: The words of the query.
        fused: All items, best first.
        items: Those that may be read, by id; at least the first of `fused`.
        reranker: What reads them.
        top_k: Items that are read, at most.

    Raises:
        FlorilegiumError: The reranker failed, or the query is too long for it; nothing is
            reranked by halves. The hint names the setting that turns it off.
    """
    if why_not(query_text, reranker):
        return list(fused)
    languages = reranker.info.languages
    texts: dict[str, str] = {}
    for one in fused:
        if len(texts) == top_k:
            break
        text = _words(items.get(one.item_id))
        if text and can_read(languages, text):
            texts[one.item_id] = text
    try:
        scores = reranker.score(query_text, list(texts.values()))
    except (RerankError, WeightsNotFoundError) as error:
        raise _with_way_out(error) from error
    return rerank(fused, dict(zip(texts, map(float, scores), strict=True)))


def why_not(query_text: str, reranker: Reranker) -> str | None:
    """Return why a query is not reranked, None if it is. Raises FlorilegiumError as the info does.

    A search can say it where it lists the rankings that took no part.
    """
    if not query_text.strip():
        return "the query has no words"
    try:
        info = reranker.info
    except (RerankError, WeightsNotFoundError) as error:
        raise _with_way_out(error) from error
    if not can_read(info.languages, query_text):
        return f"{info.id} does not read {language_of(query_text)}"
    return None


def _words(item: Item | None) -> str:
    if item is None or not item.text.strip():
        return ""
    if item.modality is Modality.TEXT:
        return f"{item.title}\n{item.text}" if item.title else item.text
    path = item.source.path
    # Where nobody has named a picture and nothing has labelled it, its card is its bare file name.
    is_bare = not card_words(path) and item.text == title_words(path)
    return "" if is_bare else item.text


def _with_way_out(error: FlorilegiumError) -> FlorilegiumError:
    hint = f"{error.hint} Or {_WAY_OUT}" if error.hint else f"S{_WAY_OUT[1:]}"
    return type(error)(error.message, hint=hint)
