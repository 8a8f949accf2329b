"""Turning a request away before it reaches a route, be it HTTP or a WebSocket."""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from florilegium.errors import FlorilegiumError
from florilegium.server.error_answers import error_answer

_POLICY_VIOLATION: Final = 1008


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    error: FlorilegiumError,
    *,
    seconds: int | None = None,
) -> None:
    """Answer with an error, which for a WebSocket means that it is not opened.

    Args:
        scope: The request.
        receive: Where its body would come from.
        send: Where the answer goes.
        error: Why.
        seconds: When the client may try again.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    answer = error_answer(error, scope)
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    await answer(scope, receive, send)
