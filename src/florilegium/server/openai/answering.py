"""The route of chat completions: a question to a library, and its answer whole or in pieces."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace

from florilegium.answers import Answer, Event, Finished, Retrieved, Token, Turn
from florilegium.errors import FlorilegiumError, StoreError, TooBusyError, TooSlowError
from florilegium.library import Library
from florilegium.serialize import Json
from florilegium.server.openai.completions import Completion, Usage, extension
from florilegium.server.openai.conversation import Conversation, read_conversation
from florilegium.server.openai.errors import about, error_to_json, internal_error_to_json
from florilegium.server.openai.footer import footer
from florilegium.server.openai.schema import ChatRequest
from florilegium.server.pictures import picture_bytes
from florilegium.server.served import Asked
from florilegium.server.service import Service
from florilegium.server.users import User
from florilegium.types import Picture

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asking:
    """A request for a chat completion, read.

    `name_of` gives the parameter by which an option of the answer came, and `address` the address
    of the page of an item by its id.
    """

    service: Service
    user: User
    library: str
    asked: Asked
    completion: Completion
    ignored: tuple[str, ...]
    name_of: Callable[[str], str]
    with_sources: bool
    address: Callable[[str], str]

    def extension(self, answer: Answer) -> Json:
        """Return what Florilegium says of the answer besides its text."""
        without_effect = map(self.name_of, answer.ignored)
        return extension(
            answer, address=self.address, ignored=sorted(without_effect) + list(self.ignored)
        )

    def footer(self, answer: Answer) -> str:
        """Return what stands below the text, if the client wants it."""
        return footer(answer) if self.with_sources else ""

    async def usage(self, answer: Answer, text: str) -> Usage | None:
        """Return what the chat model counted; else count what was asked and what came back.

        None where there is no time for it.
        """
        if answer.usage is not None:
            return Usage(
                prompt=answer.usage.prompt_tokens,
                completion=answer.usage.completion_tokens,
                counted_by="chat_model",
            )
        said = [self.asked.question]
        for turn in self.asked.history:
            said += [turn.question, turn.answer]

        def count(library: Library) -> Usage:
            with library.reading() as index:
                count_tokens = index.text_encoder.count_tokens
                return Usage(
                    prompt=sum(count_tokens(one) for one in said if one),
                    completion=count_tokens(text) if text else 0,
                    counted_by="text_encoder",
                )

        try:
            return await self.service.look(self.user, self.library, count)
        except (TooBusyError, TooSlowError) as error:
            logger.info("An answer goes without its usage: %s", error)
            return None


async def read_asking(
    request: ChatRequest, *, service: Service, user: User, address: Callable[[str], str]
) -> Asking:
    """Return what a request asks.

    Raises:
        ParameterError: There is no such library for this user, the messages are no question, or a
            picture cannot be read or is too large.
    """
    with about("model"):
        service.served(request.model, user)
    wanted = request.florilegium
    with about("messages"):
        conversation = read_conversation(request.messages, max_turns=service.config.max_turns)
        asked = Asked(
            question=conversation.asked.question,
            history=tuple(
                Turn(question=one.question, answer=one.answer) for one in conversation.earlier
            ),
            where=None if wanted.where is None else wanted.where.to_filter(),
            quote=wanted.quote,
            options=request.options,
        )
        service.check(asked)  # before the work of reading pictures
        asked = await _with_pictures(asked, conversation, service)
    options = request.stream_options
    return Asking(
        service=service,
        user=user,
        library=request.model,
        asked=asked,
        completion=Completion(
            model=request.model, with_usage=options is not None and options.include_usage
        ),
        ignored=(*request.ignored, *conversation.ignored),
        name_of=request.name_of,
        with_sources=wanted.sources,
        address=address,
    )


async def answer_whole(asking: Asking) -> Json:
    """Return the completion with all of the answer. Raises what answering raises."""
    answer: Answer | None = None
    async with asking.service.answer(asking.user, asking.library, asking.asked) as events:
        async for event in events:
            if isinstance(event, Finished):
                answer = event.answer
    answer = _finished(answer)
    text = answer.text + asking.footer(answer)
    return asking.completion.whole(
        text, answer, extension=asking.extension(answer), usage=await asking.usage(answer, text)
    )


async def answer_in_pieces(asking: Asking) -> AsyncGenerator[Json, None]:
    """Yield the chunks of the answer.

    What fails before anything was found raises, so that it gets a status; later errors are a chunk
    with `error`, which clients raise, and the last one.
    """
    async with asking.service.answer(asking.user, asking.library, asking.asked) as events:
        first = await anext(events)
        try:
            yield asking.completion.first()
            async for piece in _pieces(asking, first, events):
                yield piece
        except FlorilegiumError as error:
            yield error_to_json(error)
        except Exception:
            logger.exception("An answer failed in a way that was not foreseen")
            yield internal_error_to_json()


async def _pieces(
    asking: Asking, first: Event, events: AsyncIterator[Event]
) -> AsyncIterator[Json]:
    completion = asking.completion
    answer: Answer | None = None
    if not isinstance(first, Retrieved):
        raise StoreError("The answer began without what was found.", hint="Report this defect.")
    async for event in events:
        if isinstance(event, Token):
            yield completion.piece(event.text)
        elif isinstance(event, Finished):
            answer = event.answer
    answer = _finished(answer)
    below = asking.footer(answer)
    if below:
        yield completion.piece(below)
    yield completion.last(answer, extension=asking.extension(answer))
    if completion.with_usage:
        usage = await asking.usage(answer, answer.text + below)
        if usage is not None:
            yield completion.counts(usage)


def _finished(answer: Answer | None) -> Answer:
    if answer is None:
        raise StoreError("The answer ended without its last event.", hint="Report this defect.")
    return answer


async def _with_pictures(asked: Asked, conversation: Conversation, service: Service) -> Asked:
    """Return the question with what was sent as data URLs: one picture, wherever it came."""
    turns = []
    for turn, exchange in zip(asked.history, conversation.earlier, strict=True):
        picture = await _picture(service, exchange.picture, since=asked.since)
        if picture is None:
            turns.append(turn)
        else:
            turns.append(replace(turn, image=picture.image, image_hash=picture.content_hash))
    image = await _picture(service, conversation.asked.picture, since=asked.since)
    return replace(asked, image=image, history=tuple(turns))


async def _picture(service: Service, url: str | None, *, since: float) -> Picture | None:
    return None if url is None else await service.read_picture(picture_bytes(url), since=since)
