"""The flow from what was found to a streamed answer with citations, or to a refusal.

Knows how a question leans on earlier turns, and in what order things happen; leaves searching,
opening pictures and speaking to what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from florilegium import prompt, questions
from florilegium.citations import CitationParser, cite, strip_citations
from florilegium.config import ChatConfig
from florilegium.errors import ChatError, InvalidQueryError
from florilegium.evidence import Evidence
from florilegium.protocols import ChatModel
from florilegium.types import (
    Answer,
    ChatOptions,
    Delta,
    Event,
    Finished,
    FinishReason,
    Hit,
    Item,
    Retrieved,
    Token,
    Turn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search gave for a question: hits, best first, the evidence, and the words searched."""

    hits: tuple[Hit, ...]
    evidence: Evidence
    searched: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The user's picture, with the content hash of its file where it is known."""

    image: Image.Image
    content_hash: str | None = None


def search_text(question: str, history: Sequence[Turn]) -> str:
    """Return what to search for: a follow-up ("And in winter?") brings its question along."""
    return questions.search_text(question, [turn.question for turn in history])


def image_in_play(image: Picture | None, history: Sequence[Turn]) -> Picture | None:
    """Return the picture that a question is about: its own, or the last one of earlier turns."""
    if image is not None:
        return image
    for turn in reversed(history):
        if turn.image is not None:
            return Picture(image=turn.image, content_hash=turn.image_hash)
    return None


def check_question(question: str, *, has_image: bool) -> None:
    """Raise InvalidQueryError unless there are words or a picture to answer."""
    if not question.strip() and not has_image:
        raise InvalidQueryError(
            f"A question needs words or a picture, got {question!r} and no picture.",
            hint="Ask something, or give a picture.",
        )


def answer_events(
    question: str,
    *,
    found: Found,
    image: Picture | None,
    history: Sequence[Turn],
    chat_model: ChatModel,
    config: ChatConfig,
    open_image: Callable[[Item], Image.Image],
) -> Iterator[Event]:
    """Return the events of one answer: Retrieved, then Tokens, then Finished.

    Closing the iterator early stops the chat model. Source number n is `Retrieved.hits[n - 1]`.

    Args:
        question: As the user asked it; may be empty when there is a picture.
        found: What was searched and found for it.
        image: The picture that came with this question; that of an earlier turn stays in play.
        history: Earlier turns, oldest first.
        chat_model: Who answers.
        config: How many sources and pictures it gets, and which confidence is enough.
        open_image: Returns the picture of an item, or raises SourceError.

    Raises:
        InvalidQueryError: There are neither words nor a picture; raised before any event.
    """
    in_play = image_in_play(image, history)
    check_question(question, has_image=in_play is not None)
    asking = _Asking(
        question=question.strip(), image=image, in_play=in_play, history=tuple(history)
    )
    hits = prompt.choose_sources(found.hits, max_sources=config.max_sources)
    found = replace(found, hits=hits)
    if not hits or found.evidence.confidence < config.min_confidence:
        return _refuse(asking, found)
    return _answer(asking, found, chat_model, config, open_image)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asking:
    question: str
    image: Picture | None
    in_play: Picture | None
    history: tuple[Turn, ...]

    def retrieved(self, found: Found) -> Retrieved:
        return Retrieved(
            hits=found.hits, searched=found.searched, with_image=self.in_play is not None
        )

    def then(self, answer: str) -> tuple[Turn, ...]:
        turn = Turn(
            question=self.question,
            answer=answer,
            image=self.image.image if self.image else None,
            image_hash=self.image.content_hash if self.image else None,
        )
        return (*self.history, turn)


def _refuse(asking: _Asking, found: Found) -> Iterator[Event]:
    yield asking.retrieved(found)
    text = prompt.refusal(asking.question)
    yield Token(text=text)
    yield _finished(asking, found, text, refused=True)


def _answer(
    asking: _Asking,
    found: Found,
    chat_model: ChatModel,
    config: ChatConfig,
    open_image: Callable[[Item], Image.Image],
) -> Iterator[Event]:
    yield asking.retrieved(found)
    sent = _prompt(asking, found, chat_model, config, open_image)
    if not sent.hits:
        raise ChatError(
            f"None of {len(found.hits)} sources fits the context of {chat_model.info.id!r}.",
            hint="Lower chat.max_tokens or chat.max_images, or give the model a larger context.",
        )
    options = ChatOptions(max_tokens=config.max_tokens, temperature=config.temperature)
    parser = CitationParser(count=len(sent.hits))
    spoken: list[str] = []
    reason: FinishReason | None = None
    stream = chat_model.stream(sent.messages, options=options)
    try:
        for delta in stream:
            reason = delta.finish_reason or reason
            if text := parser.feed(delta.text):
                spoken.append(text)
                yield Token(text=text)
    finally:
        _close(stream)
    if text := parser.finish():
        spoken.append(text)
        yield Token(text=text)
    reply = "".join(spoken)
    if not reply.strip():
        raise ChatError(
            f"The chat model {chat_model.info.id!r} replied with nothing.",
            hint="Ask again, or configure another chat model.",
        )
    refused = prompt.is_refusal(strip_citations(reply))
    notes = (*sent.left_out, *_notes(parser, reason, config))
    if not refused and not parser.numbers:
        notes = (*notes, "The reply cites no source.")
    yield _finished(asking, found, reply, refused=refused, notes=notes)


def _prompt(
    asking: _Asking,
    found: Found,
    chat_model: ChatModel,
    config: ChatConfig,
    open_image: Callable[[Item], Image.Image],
) -> prompt.Prompt:
    info = chat_model.info
    room = None if info.context_tokens is None else info.context_tokens - config.max_tokens
    return prompt.build_messages(
        asking.question,
        hits=found.hits,
        image=asking.in_play.image if asking.in_play else None,
        history=[replace(turn, answer=strip_citations(turn.answer)) for turn in asking.history],
        persona=config.persona,
        max_images=min(config.max_images, info.max_images),
        budget=room,
        open_image=open_image,
    )


def _finished(
    asking: _Asking,
    found: Found,
    text: str,
    *,
    refused: bool,
    notes: tuple[str, ...] = (),
) -> Finished:
    answer = Answer(
        text=text,
        citations=() if refused else cite(text, found.hits),
        refused=refused,
        confidence=found.evidence.confidence,
        history=asking.then(text),
        hits=found.hits,
        reasons=(*found.evidence.reasons, *notes),
    )
    return Finished(answer=answer)


def _notes(
    parser: CitationParser, reason: FinishReason | None, config: ChatConfig
) -> Iterator[str]:
    if parser.removed:
        yield f"Citations of sources that do not exist were taken out: {parser.removed}."
    if reason == "length":
        yield f"The reply reached its limit of {config.max_tokens} tokens."


def _close(stream: Iterator[Delta]) -> None:
    # The protocol promises an iterator that can be closed; a plain list iterator has no `close`.
    close = getattr(stream, "close", None)
    if close is not None:
        close()
