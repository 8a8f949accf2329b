"""A query, or a question, put to the opened parts of a library.

Knows which settings a search and an answer depend on, and that an index may be replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from florilegium.answers import Answer, AnswerOptions, Event, Finished, Turn
from florilegium.asking import Found, Wanted
from florilegium.chat import Tools, answer_events
from florilegium.config import Config
from florilegium.courtesy import going_first
from florilegium.errors import StoreError, UnsupportedFileError
from florilegium.filters import Filter
from florilegium.inputs import ImageLike, read_history, read_picture, read_text
from florilegium.opened_index import OpenedIndex
from florilegium.parts import Parts
from florilegium.protocols import Loader
from florilegium.reading import check_unchanged
from florilegium.retrieve import Explanation, SearchOptions, retrieve
from florilegium.thresholds import Threshold
from florilegium.tracing import traced, traced_stream
from florilegium.types import Item, Modality, Query


@traced("search")
def search(query: Query, *, parts: Parts, config: Config, where: Filter | None) -> Explanation:
    """Return what is found for a query. Raises as `Library.explain`."""

    def look(opened: OpenedIndex) -> Explanation:
        options = SearchOptions(
            candidates=config.retrieval.candidates,
            method=config.retrieval.fusion,
            reranker=opened.backends.reranker(),
            reranked=config.rerank.top_k,
            learnt=parts.learnt_names(opened),
        )
        return retrieve(query, index=opened.index, options=options, where=where)

    return parts.read(look)


@traced_stream("ask")
def answer(
    question: str,
    *,
    image: ImageLike | None,
    history: Sequence[Turn],
    quote: bool,
    where: Filter | None,
    options: AnswerOptions | None,
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
        options: How the answer is to be written, where that differs from the settings.
        parts: The opened parts of the library.
        config: All settings.
        threshold: Says below which confidence is refused.
        open_image: Gives the picture of an item.
        folder: Where the index of the library is.
    """
    asked, turns = read_text(question), read_history(history)
    limit = {"min_confidence": threshold().value}
    picture = None if image is None else read_picture(image, max_pixels=max_pixels(config))
    # The chat model is held to the end; the index during each search only, so that one that was
    # replaced does not stay on the disk for as long as somebody speaks.
    with parts.using() as backends:
        tools = Tools(
            search=partial(_find, where=where, parts=parts, config=config),
            chat_model=backends.quoting_model() if quote else backends.chat_model(),
            fallback=backends.quoting_model,
            open_image=open_image,
            going_first=partial(going_first, folder),
            config=config.chat.model_copy(update=limit),
            options=options or AnswerOptions(),
        )
        yield from answer_events(asked, image=picture, history=turns, tools=tools)


def whole_answer(events: Iterable[Event]) -> Answer:
    """Return the answer that the events of one end with."""
    for event in events:
        if isinstance(event, Finished):
            return event.answer
    raise StoreError("The answer ended without its last event.", hint="Report this defect.")


def open_picture(item: Item, *, loaders: Sequence[Loader]) -> Image.Image:
    """Return what `Library.read_image` does."""
    suffix = Path(item.source.path).suffix.lower()
    for loader in loaders:
        if item.modality is Modality.IMAGE and suffix in loader.suffixes:
            # Another picture that lies there now is not shown as this one.
            check_unchanged(item.source)
            return loader.read_image(item)
    raise UnsupportedFileError(
        f"{item.source.path!r} holds no picture.", hint="Ask for the picture of an image item."
    )


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
