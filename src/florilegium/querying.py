"""A query, or a question, put to the opened parts of a library.

Knows which settings a search and an answer depend on, and that an index may be replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from florilegium.answers import Event, Turn
from florilegium.asking import Found, Wanted
from florilegium.chat import Tools, answer_events
from florilegium.config import Config
from florilegium.courtesy import going_first
from florilegium.errors import StoreError
from florilegium.filters import Filter
from florilegium.inputs import ImageLike, read_picture
from florilegium.parts import Parts
from florilegium.retrieve import Explanation, SearchOptions, retrieve
from florilegium.thresholds import Threshold
from florilegium.types import Item, Query


def search(query: Query, *, parts: Parts, config: Config, where: Filter | None) -> Explanation:
    """Return what is found for a query. Raises as `Library.explain`."""
    options = SearchOptions(
        candidates=config.retrieval.candidates,
        method=config.retrieval.fusion,
        reranker=parts.reranker(),
        reranked=config.rerank.top_k,
        learnt=parts.learnt_names(),
    )
    try:
        return retrieve(query, index=parts.index(), options=options, where=where)
    except StoreError:
        # A new index may have taken the place of this one meanwhile.
        if not parts.is_stale():
            raise
    return retrieve(query, index=parts.index(), options=options, where=where)


def answer(
    question: str,
    *,
    image: ImageLike | None,
    history: Sequence[Turn],
    quote: bool,
    where: Filter | None,
    parts: Parts,
    config: Config,
    threshold: Callable[[], Threshold],
    open_image: Callable[[Item], Image.Image],
    folder: Path,
) -> Iterator[Event]:
    """Answer in events, as `Library.stream` does.

    Args:
        question: What is asked.
        image: A picture that it is about.
        history: The turns before.
        quote: Let the chat model that only quotes answer.
        where: What may be answered from.
        parts: The opened parts of the library.
        config: All settings.
        threshold: Says below which confidence is refused.
        open_image: Gives the picture of an item.
        folder: Where the index of the library is.
    """
    limit = {"min_confidence": threshold().value}
    tools = Tools(
        search=partial(_find, where=where, parts=parts, config=config),
        chat_model=parts.quoting_model() if quote else parts.chat_model(),
        fallback=parts.quoting_model,
        open_image=open_image,
        going_first=partial(going_first, folder),
        config=config.chat.model_copy(update=limit),
    )
    picture = None if image is None else read_picture(image, max_pixels=max_pixels(config))
    yield from answer_events(question, image=picture, history=history, tools=tools)


def max_pixels(config: Config) -> int:
    """Return the most pixels that a picture of a query may have."""
    return int(config.ingest.max_image_megapixels * 1_000_000)


def _find(wanted: Wanted, *, where: Filter | None, parts: Parts, config: Config) -> Found:
    query = Query(
        text=wanted.text,
        pictures=(wanted.picture,) if wanted.picture else (),
        about=wanted.about,
        about_picture=wanted.about_picture,
        top_k=max(config.chat.max_sources, config.retrieval.top_k),
    )
    found = search(query, parts=parts, config=config, where=where)
    return Found(
        hits=found.hits,
        evidence=found.evidence,
        searched=wanted.text,
        candidates=found.candidates,
        is_known=found.is_known,
    )
