"""The flow from a question to a streamed answer with citations, or to a refusal.

Knows in what order things happen and what becomes of an answer whose chat model fails; leaves
searching, opening pictures and speaking to what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from PIL import Image

from florilegium import prompt
from florilegium.answers import (
    Answer,
    AnswerOptions,
    Event,
    Failed,
    Failure,
    Finished,
    Identification,
    Retrieved,
    Token,
    Turn,
)
from florilegium.asking import (
    Found,
    ShortReplies,
    Wanted,
    describe_identity,
    identify_picture,
    image_in_play,
    settle_options,
    want,
    without_effect,
)
from florilegium.citations import CitationParser, cite, strip_citations
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ChatTimeoutError,
    ChatUnavailableError,
    ContextExceededError,
    InvalidQueryError,
)
from florilegium.lexical import content_tokens
from florilegium.protocols import ChatModel
from florilegium.stop_sequences import until_stop
from florilegium.streams import closing_stream
from florilegium.support import SupportMarker
from florilegium.thinking import without_thoughts
from florilegium.tracing import note, span, traced, traced_stream
from florilegium.types import ChatModelInfo, Delta, FinishReason, Item, Picture, TokenUsage

_SHRINK = (1.0, 0.6, 0.35)  # shares of the budget that are tried when a context turns out smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What an answer is made with.

    Attributes:
        search: Returns what was found.
        chat_model: Who answers.
        fallback: Opens the chat model that answers when the first cannot be reached, if any.
        going_first: Makes others who compute here pause while a model in process speaks.
        open_image: Returns the picture of an item, or raises SourceError.
        config: How many sources and pictures the model gets, which confidence is enough, …
        options: How the answer itself is to be written, where that differs from the settings.
    """

    search: Callable[[Wanted], Found]
    chat_model: ChatModel
    open_image: Callable[[Item], Image.Image]
    config: ChatConfig
    fallback: Callable[[], ChatModel] | None = None
    going_first: Callable[[], AbstractContextManager[None]] = nullcontext
    options: AnswerOptions = field(default_factory=AnswerOptions)


def check_question(question: str, *, has_image: bool) -> None:
    """Raise InvalidQueryError unless there are words or a picture to answer."""
    if not question.strip() and not has_image:
        raise InvalidQueryError(
            f"A question needs words or a picture, got {question!r} and no picture.",
            hint="Ask something, or give a picture.",
        )


def answer_events(
    question: str, *, image: Picture | None, history: Sequence[Turn], tools: Tools
) -> Iterator[Event]:
    """Return the events of one answer: Retrieved, then Tokens, then Finished.

    Closing the iterator early stops the chat model. Source number n is `Retrieved.hits[n - 1]`.
    If the chat model cannot be reached, Failed comes before the tokens of the fallback; if it
    fails after its first token, Failed comes after its last, and Finished keeps what was said.

    Args:
        question: As the user asked it; may be empty when there is a picture.
        image: The picture that came with this question; that of an earlier turn stays in play.
        history: Earlier turns, oldest first.
        tools: What the answer is made with.

    Raises:
        InvalidQueryError: There are neither words nor a picture; raised before any event.
        ChatError: The chat model refused, or failed before its first token and nothing stands in.
    """
    check_question(question, has_image=image_in_play(image, history) is not None)
    asking = _Asking(question=question.strip(), image=image, history=tuple(history))
    return _events(asking, tools)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asking:
    question: str
    image: Picture | None
    history: tuple[Turn, ...]
    wanted: Wanted = Wanted(text="")  # noqa: RUF009 - frozen
    identification: Identification | None = None

    def retrieved(self, found: Found) -> Retrieved:
        return Retrieved(
            hits=found.hits,
            searched=found.searched,
            with_image=self.wanted.picture is not None,
            identification=self.identification,
        )

    def then(self, answer: str) -> tuple[Turn, ...]:
        turn = Turn(
            question=self.question,
            answer=answer,
            image=self.image.image if self.image else None,
            image_hash=self.image.content_hash if self.image else None,
            identification=self.identification,
        )
        # Only the newest picture stays in play, and pictures are large.
        held = (
            replace(earlier, image=None) if self.image and earlier.image else earlier
            for earlier in self.history
        )
        return (*held, turn)


def _events(asking: _Asking, tools: Tools) -> Iterator[Event]:
    replies = ShortReplies(
        tools.chat_model, max_tokens=tools.config.max_tokens, going_first=tools.going_first
    )
    wanted = want(asking.question, image=asking.image, history=asking.history, replies=replies)
    asking = replace(asking, wanted=wanted)
    found = _search(wanted, tools)
    if not found.hits or found.evidence.confidence < tools.config.min_confidence:
        yield from _refuse(asking, found, tools, problem=replies.problem)
        return
    identification = identify_picture(
        found,
        wanted,
        is_new=asking.image is not None,
        history=asking.history,
        replies=replies,
    )
    asking = replace(asking, identification=identification)
    found = _read_about(asking, found, tools)
    yield asking.retrieved(found)
    if replies.failure is None:
        yield from _answer(asking, found, tools)
    else:
        yield from _fall_back(asking, found, replies.failure, tools)


def _search(wanted: Wanted, tools: Tools) -> Found:
    found = tools.search(wanted)
    hits = prompt.choose_sources(found.hits, max_sources=tools.config.max_sources)
    return replace(found, hits=hits)


def _read_about(asking: _Asking, found: Found, tools: Tools) -> Found:
    """Return what is found when the text of what the model chose is read, by its name too."""
    identification = asking.identification
    if identification is None or identification.by != "model" or identification.chosen is None:
        return found
    chosen = identification.chosen
    searched = found.searched
    if not set(content_tokens(chosen.name)) <= set(content_tokens(searched)):
        searched = f"{chosen.name} {searched}".strip()
    again = _search(replace(asking.wanted, text=searched, about=chosen.path), tools)
    # The gate was passed by what the user asked; the model's choice neither opens nor shuts it.
    return replace(again, evidence=found.evidence) if again.hits else found


def _refuse(asking: _Asking, found: Found, tools: Tools, *, problem: str | None) -> Iterator[Event]:
    yield asking.retrieved(found)
    text = prompt.refusal(asking.question)
    yield Token(text=text)
    notes = () if problem is None else (problem,)
    answer = _finished(asking, found, text, refused=True, notes=notes)
    ignored = without_effect(tools.options, config=tools.config, info=None)
    yield Finished(answer=replace(answer, ignored=ignored))


def _answer(
    asking: _Asking, found: Found, tools: Tools, *, failure: Failure | None = None
) -> Iterator[Event]:
    reply = _Reply(known=f"{asking.question} {describe_identity(asking.identification) or ''}")
    try:
        yield from _speak(asking, found, tools, reply)
    except ChatError as error:
        if not reply.text.strip():
            yield from _fall_back(asking, found, error, tools)
            return
        failure = _failure(error, tools.config)
        if text := reply.finish():
            yield Token(text=text)
        yield Failed(failure=failure)
    text = reply.text
    refused = prompt.is_refusal(strip_citations(text))
    notes = tuple(reply.notes(refused=refused))
    info = tools.chat_model.info
    answer = _finished(
        asking, found, text, refused=refused, notes=notes, model=info.id, failure=failure
    )
    yield Finished(
        answer=replace(
            answer,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            ignored=without_effect(tools.options, config=tools.config, info=info),
        )
    )


def _fall_back(asking: _Asking, found: Found, error: ChatError, tools: Tools) -> Iterator[Event]:
    """Answer with the fallback if the chat model is out of reach; raise every other error."""
    if tools.fallback is None or not isinstance(error, ChatUnavailableError | ChatTimeoutError):
        raise error
    failure = replace(_failure(error, tools.config), stands_in=True)
    yield Failed(failure=failure)
    standing_in = replace(tools, chat_model=tools.fallback(), fallback=None)
    yield from _answer(asking, found, standing_in, failure=failure)


@traced_stream("speak")
def _speak(asking: _Asking, found: Found, tools: Tools, reply: _Reply) -> Iterator[Event]:
    """Yield the tokens of the reply; ask for less when the context turns out too small."""
    info = tools.chat_model.info
    note(model=info.id, sources=len(found.hits))
    options = settle_options(tools.options, tools.config)
    budget = None if info.context_tokens is None else info.context_tokens - options.max_tokens
    for share in _SHRINK:
        sent = _prompt(asking, found, info, tools, None if budget is None else int(budget * share))
        reply.begin(sent, max_tokens=options.max_tokens)
        try:
            stream = tools.chat_model.stream(sent.messages, options=options)
            courtesy = tools.going_first() if info.in_process else nullcontext()
            with courtesy, closing_stream(stream) as deltas:
                for delta in until_stop(without_thoughts(deltas), tools.options.stop):
                    if text := reply.feed(delta):
                        yield Token(text=text)
            break
        except ContextExceededError:
            if reply.text or share == _SHRINK[-1]:
                raise
            if share == _SHRINK[0]:
                budget = prompt.estimate_messages(sent.messages, info.image_tokens)
    if text := reply.finish():
        yield Token(text=text)
    if not reply.text.strip():
        raise ChatError(
            f"The chat model {info.id!r} replied with nothing.",
            hint="Ask again, or configure another chat model.",
        )


@traced("prompt")
def _prompt(
    asking: _Asking, found: Found, info: ChatModelInfo, tools: Tools, budget: int | None
) -> prompt.Prompt:
    config = tools.config
    sent = prompt.build_messages(
        asking.question,
        hits=found.hits,
        image=asking.wanted.picture.image if asking.wanted.picture else None,
        identified=describe_identity(asking.identification),
        is_unnamed=asking.identification is not None and asking.identification.by == "model",
        history=[replace(turn, answer=strip_citations(turn.answer)) for turn in asking.history],
        rules=prompt.Rules(persona=config.persona, own_knowledge=config.own_knowledge),
        limits=prompt.Limits(
            max_images=min(config.max_images, info.max_images),
            budget=budget,
            image_tokens=info.image_tokens,
        ),
        open_image=tools.open_image,
    )
    if not sent.hits:
        raise ContextExceededError(
            f"None of {len(found.hits)} sources fits beside the question into the context of "
            f"{info.id!r}.",
            hint="Lower chat.max_tokens or chat.max_images, or give the model a larger context.",
        )
    return sent


class _Reply:
    """A reply on its way from the chat model to the user: citations checked, support marked."""

    def __init__(self, *, known: str) -> None:
        self._known = known
        self._reason: FinishReason | None = None
        self._usage: TokenUsage | None = None
        self._max_tokens = 0
        self._left_out: tuple[str, ...] = ()
        self._parser = CitationParser(count=0)
        self._marker = SupportMarker(known=known, hits=())
        self._spoken: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._spoken)

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._reason

    @property
    def usage(self) -> TokenUsage | None:
        return self._usage

    def begin(self, sent: prompt.Prompt, *, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._left_out = sent.left_out
        self._parser = CitationParser(count=len(sent.hits))
        self._marker = SupportMarker(known=self._known, hits=sent.hits)

    def feed(self, delta: Delta) -> str:
        self._reason = delta.finish_reason or self._reason
        self._usage = delta.usage or self._usage
        return self._keep(self._marker.feed(self._parser.feed(delta.text)))

    def finish(self) -> str:
        return self._keep(self._marker.feed(self._parser.finish()) + self._marker.finish())

    def notes(self, *, refused: bool) -> Iterator[str]:
        yield from self._left_out
        if self._parser.removed:
            yield f"Citations of sources that do not exist were taken out: {self._parser.removed}."
        if self._marker.marked:
            yield f"Sentences that no source supports were marked: {self._marker.marked}."
        if self._reason == "cancelled":
            yield "The reply was stopped before its end."
        if self._reason == "length":
            yield f"The reply reached its limit of {self._max_tokens} tokens."
        if not refused and not self._parser.numbers:
            yield "The reply cites no source."

    def _keep(self, text: str) -> str:
        if text:
            self._spoken.append(text)
        return text


def _finished(
    asking: _Asking,
    found: Found,
    text: str,
    *,
    refused: bool,
    notes: tuple[str, ...] = (),
    model: str = "",
    failure: Failure | None = None,
) -> Answer:
    with span("citations"):
        citations = () if refused else cite(text, found.hits)
    note(refused=refused, citations=len(citations), confidence=found.evidence.confidence)
    return Answer(
        text=text,
        citations=citations,
        refused=refused,
        confidence=found.evidence.confidence,
        history=asking.then(text),
        hits=found.hits,
        reasons=found.evidence.reasons,
        notes=notes,
        searched=found.searched,
        model=model,
        identification=asking.identification,
        failure=failure,
    )


def _failure(error: ChatError, config: ChatConfig) -> Failure:
    # By the name in the settings: a chat model out of reach cannot say what it is.
    return Failure(model=config.name, code=error.code, message=error.message, hint=error.hint)
