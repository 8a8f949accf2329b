"""The events of an answer as server-sent events. Knows their names and data, not the route."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from florilegium.answers import Event, Failed, Retrieved, Token
from florilegium.config_sections import ServerConfig
from florilegium.errors import FlorilegiumError
from florilegium.serialize import Json, answer_to_json, hits_to_json, identification_to_json
from florilegium.server.connection import while_connected
from florilegium.server.error_shapes import INTERNAL_ERROR, error_to_json

logger = logging.getLogger(__name__)

_PING = 15  # seconds; proxies close what is silent for longer


def event_to_json(event: Event) -> tuple[str, Json]:
    """Return the name and the data of an event."""
    if isinstance(event, Retrieved):
        return "retrieved", {
            "searched": event.searched,
            "with_image": event.with_image,
            "identification": identification_to_json(event.identification),
            "hits": hits_to_json(event.hits),
        }
    if isinstance(event, Token):
        return "token", {"text": event.text}
    if isinstance(event, Failed):
        return "failed", dict(asdict(event.failure))
    return "finished", answer_to_json(event.answer)


async def event_stream(
    request: Request,
    answer: AbstractAsyncContextManager[AsyncIterator[Event]],
    *,
    config: ServerConfig,
) -> Response:
    """Return an answer as it is made; what is wrong before its first event is raised.

    A later error is sent as the event `error`, in the one shape of errors. A client that goes, or
    takes nothing for `server.send_seconds`, ends the answer.
    """
    stack = AsyncExitStack()
    async with stack:
        events = await stack.enter_async_context(answer)
        first = await while_connected(request, anext(events))
        held = stack.pop_all()
    return _Stream(
        _events(first, events),
        held=held,
        ping=_PING,
        send_timeout=config.send_seconds,
        # When the server stops, running answers get this time to end.
        shutdown_event=anyio.Event(),
        shutdown_grace_period=config.stop_seconds,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


class _Stream(EventSourceResponse):
    """Lets go of the answer in any case, also when the client went before the first byte."""

    def __init__(
        self, content: AsyncIterator[ServerSentEvent], *, held: AsyncExitStack, **options: Any
    ) -> None:
        super().__init__(content, **options)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            try:
                await super().__call__(scope, receive, send)
            except SendTimeoutError:
                logger.info("A client took nothing for %g s and was let go", self.send_timeout)


async def _events(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    yield _event(*event_to_json(first))
    try:
        async for event in events:
            yield _event(*event_to_json(event))
    except FlorilegiumError as error:
        yield _event("error", error_to_json(error))
    except Exception:
        logger.exception("An answer failed in a way that was not foreseen")
        yield _event("error", INTERNAL_ERROR)


def _event(name: str, data: Json) -> ServerSentEvent:
    # In ASCII, so that no text of a chat model can be one that breaks off the stream.
    return ServerSentEvent(event=name, data=json.dumps(data))
