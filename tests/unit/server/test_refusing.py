"""A request is turned away in the one shape, and a WebSocket is not opened."""

from __future__ import annotations

import asyncio
from typing import Any

from florilegium.errors import ForbiddenError, TooBusyError
from florilegium.server.refusing import refuse


def refused(scope: dict[str, Any], error: Any, seconds: int | None = None) -> list[Any]:
    """Return what was sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    asyncio.run(refuse(scope, receive, send, error, seconds=seconds))
    return sent


def test_http_gets_the_error() -> None:
    start, body = refused({"type": "http", "path": "/"}, ForbiddenError("No."))

    assert start["status"] == 403
    assert body["body"] == b'{"error":{"code":"request_forbidden","message":"No.","hint":null}}'


def test_who_may_try_again_is_told_when() -> None:
    start, _ = refused({"type": "http", "path": "/"}, TooBusyError("Wait."), seconds=42)

    assert start["status"] == 429
    assert [value for name, value in start["headers"] if name == b"retry-after"] == [b"42"]


def test_a_websocket_is_closed_before_it_is_open() -> None:
    assert refused({"type": "websocket"}, ForbiddenError("No.")) == [
        {"type": "websocket.close", "code": 1008}
    ]
