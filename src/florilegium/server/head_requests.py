"""HEAD wherever there is GET: the same answer without its body, for monitors and `curl -I`.

FastAPI's routes, and those of the page's toolkit, know GET alone.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from florilegium.server.request_paths import path_of

# There, GET opens a stream that does not end, or waits for what a page has to say.
_STREAMS: Final = re.compile(r"/(mcp|_nicegui_ws)(/.*)?")


class HeadRequests:
    """ASGI middleware: lets an app answer HEAD as it answers GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the app for GET, and keep back the body."""
        if (
            scope["type"] != "http"
            or scope["method"] != "HEAD"
            or _STREAMS.fullmatch(path_of(scope))
        ):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # Not the scope itself: the server looks there whether a body is to come.
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send_head)
        finally:
            scope.update(asked, method="HEAD")  # which route it was, for the log
