"""The routes below /v1, as clients of OpenAI's API call them."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Path, Request, Response

from florilegium.server.connection import while_connected
from florilegium.server.openai import catalogue
from florilegium.server.openai.answering import answer_in_pieces, answer_whole, read_asking
from florilegium.server.openai.answers import (
    CompletionBody,
    EmbeddingsBody,
    ModelBody,
    ModelListBody,
)
from florilegium.server.openai.embedding import answer_embeddings
from florilegium.server.openai.errors import OpenAiRoute
from florilegium.server.openai.replies import JsonStream, json_reply
from florilegium.server.openai.schema import ChatRequest, EmbeddingsRequest
from florilegium.server.rest.routes import ERRORS, Responses, TheService, TheUser

_CHUNKS = (
    'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, '
    '"model": "flowers", "choices": [{"index": 0, "delta": {"content": "Water"}, '
    '"logprobs": null, "finish_reason": null}]}\n\ndata: [DONE]\n\n'
)
ModelId = Annotated[str, Path(description="The id of a model.", examples=["flowers"])]
_MODELS: Responses = {200: {"model": ModelListBody, "description": "The models."}}
_MODEL: Responses = {200: {"model": ModelBody, "description": "The model."}}
_EMBEDDINGS: Responses = {200: {"model": EmbeddingsBody, "description": "The vectors."}}
_CHAT: Responses = {
    200: {
        "model": CompletionBody,
        "description": "The completion; as a stream, chunks and then `[DONE]`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _CHUNKS}},
    }
}


def add_openai(app: FastAPI) -> None:
    """Add the routes to an app; they use its service, and its guards stand before them."""
    app.include_router(_router(created=int(time.time())))


def _router(*, created: int) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAiRoute, responses=ERRORS)

    @router.get("/models", response_class=Response, responses=_MODELS)
    async def models(service: TheService, user: TheUser) -> Response:
        """List the libraries that the user sees as models, and their encoders."""
        return json_reply(catalogue.list_models(service.libraries(user), created=created))

    @router.get("/models/{id_}", response_class=Response, responses=_MODEL)
    async def model(id_: ModelId, service: TheService, user: TheUser) -> Response:
        """Return one model."""
        catalogue.check_model(id_)
        service.served(catalogue.library_of(id_), user)
        return json_reply(catalogue.describe_model(id_, created=created))

    @router.post("/chat/completions", response_class=Response, responses=_CHAT)
    async def chat_completions(
        body: ChatRequest, request: Request, service: TheService, user: TheUser
    ) -> Response:
        """Answer the last message of the user from a library, with citations."""
        base = str(request.base_url).rstrip("/")

        def address(id_: str) -> str:
            return f"{base}/items/{quote(body.model)}/{quote(id_)}"

        asking = await read_asking(body, service=service, user=user, address=address)
        if not body.stream:
            return json_reply(await while_connected(request, answer_whole(asking)))
        pieces = answer_in_pieces(asking)
        first = await while_connected(request, anext(pieces))
        return JsonStream(pieces, first=first, config=service.config)

    @router.post("/embeddings", response_class=Response, responses=_EMBEDDINGS)
    async def embeddings(
        body: EmbeddingsRequest, request: Request, service: TheService, user: TheUser
    ) -> Response:
        """Embed texts and pictures by an encoder of a library."""
        work = answer_embeddings(body, service=service, user=user)
        return json_reply(await while_connected(request, work))

    return router
