"""Replies in JSON, whole or as a stream of events that ends with its client.

Names of files need not be UTF-8, so all JSON is ASCII here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Mapping

import anyio
from fastapi import Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from florilegium.config_sections import ServerConfig
from florilegium.serialize import Json

logger = logging.getLogger(__name__)

DONE = "[DONE]"
_PING_SECONDS = 15


def json_reply(
    data: Json, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a reply with JSON."""
    return Response(
        json.dumps(data), status_code=status, headers=headers, media_type="application/json"
    )


class JsonStream(EventSourceResponse):
    """A stream of JSON objects, and `[DONE]` at its end.

    However it ends, the generator is closed, which is what frees the place of an answer.

    Args:
        pieces: Gives the objects; it was begun, so that what is wrong at once is no stream.
        first: What it gave.
        config: How long a client may take nothing, and how long it may go on at the end.
    """

    def __init__(
        self, pieces: AsyncGenerator[Json, None], *, first: Json, config: ServerConfig
    ) -> None:
        self._pieces = pieces
        super().__init__(
            self._events(first),
            ping=_PING_SECONDS,
            send_timeout=config.send_seconds,
            sep="\n",
            shutdown_event=anyio.Event(),
            shutdown_grace_period=config.stop_seconds,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            logger.info("A client took nothing for %g s and was let go", self.send_timeout)
        finally:
            with anyio.CancelScope(shield=True):
                await self._pieces.aclose()

    async def _events(self, first: Json) -> AsyncGenerator[ServerSentEvent, None]:
        yield ServerSentEvent(json.dumps(first), sep="\n")
        async for piece in self._pieces:
            yield ServerSentEvent(json.dumps(piece), sep="\n")
        yield ServerSentEvent(DONE, sep="\n")
