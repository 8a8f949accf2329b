"""Routes that search and ask."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from fastapi import APIRouter, Request, Response

from florilegium.answers import Finished
from florilegium.errors import StoreError
from florilegium.retrieve import Explanation
from florilegium.serialize import answer_to_json, explanation_to_json, hits_to_json
from florilegium.server.connection import while_connected
from florilegium.server.rest.answers import AnswerBody, SearchAnswer
from florilegium.server.rest.requests import AskBody, SearchBody
from florilegium.server.rest.routes import (
    ERRORS,
    LibraryName,
    Responses,
    TheService,
    TheUser,
    picture_of,
    read_images,
)
from florilegium.server.served import Asked
from florilegium.server.service import Service
from florilegium.server.sse import event_stream
from florilegium.server.users import User

router = APIRouter(prefix="/api/libraries/{library}", tags=["search and ask"], responses=ERRORS)

_GONE: Responses = {
    410: {"model": ERRORS[422]["model"], "description": "The file of `like` is gone, or another."}
}
_STREAM = {
    "description": "The answer; as a stream, the events `retrieved`, `token` by `token`, `failed` "
    "where a chat model failed, and `finished`, or `error`.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
            },
            "example": 'event: token\ndata: {"text": "A daisy"}\n\n',
        }
    },
}


@router.post(
    "/search",
    response_model_exclude_none=True,
    response_description="What was found, best first.",
    responses=_GONE,
)
async def search(
    library: LibraryName, body: SearchBody, request: Request, service: TheService, user: TheUser
) -> SearchAnswer:
    """Find pictures and texts by a text, by pictures, or by both at once."""
    found = await while_connected(request, _search(service, user, library, body))
    data = explanation_to_json(found) if body.explain else {"hits": hits_to_json(found.hits)}
    return SearchAnswer.model_validate(data)


@router.post("/ask", response_model=AnswerBody, responses={200: _STREAM})
async def ask(
    library: LibraryName, body: AskBody, request: Request, service: TheService, user: TheUser
) -> Response | AnswerBody:
    """Answer a question from the library, with numbered citations."""
    asked = await while_connected(request, _read(service, user, library, body))
    answer = service.answer(user, library, asked)
    if body.stream:
        return await event_stream(request, answer, config=service.config)
    return await while_connected(request, _whole(service, user, library, asked))


async def _search(service: Service, user: User, library: str, body: SearchBody) -> Explanation:
    since = monotonic()
    service.served(library, user)  # before the work of reading pictures
    service.check_question(body.text)
    where = body.where.to_filter() if body.where else None
    images = await read_images(service, body.images, since=since)
    if body.like is not None:
        images.append(await picture_of(service, user, library, body.like, since=since))
    return await service.search(
        user,
        library,
        body.text,
        images=images,
        modality=body.modality,
        top_k=body.top_k,
        where=where,
        since=since,
    )


async def _whole(service: Service, user: User, library: str, asked: Asked) -> AnswerBody:
    async with service.answer(user, library, asked) as events:
        async for event in events:
            if isinstance(event, Finished):
                return AnswerBody.model_validate(answer_to_json(event.answer))
    raise StoreError("The answer ended without its last event.", hint="Report this defect.")


async def _read(service: Service, user: User, library: str, body: AskBody) -> Asked:
    asked = Asked(
        question=body.question,
        history=tuple(turn.to_turn() for turn in body.history),
        where=body.where.to_filter() if body.where else None,
        quote=body.quote,
        options=body.to_options(),
    )
    # Before the work of reading pictures, of which only the newest stays in play.
    service.served(library, user)
    service.check(asked)
    if body.image is not None:
        [picture] = await read_images(service, [body.image], since=asked.since)
        return replace(asked, image=picture)
    for place in reversed(range(len(body.history))):
        image = body.history[place].image
        if image is not None:
            [picture] = await read_images(service, [image], since=asked.since)
            turns = list(asked.history)
            turns[place] = replace(
                turns[place], image=picture.image, image_hash=picture.content_hash
            )
            return replace(asked, history=tuple(turns))
    return asked
