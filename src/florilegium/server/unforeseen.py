"""Answers errors that nobody foresaw within the request's log, id and headers.

The framework would answer them outside of all middleware. Never tells the address of a request.
"""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from florilegium.server.error_answers import internal_answer
from florilegium.server.routes import method_of, route_of

logger = logging.getLogger(__name__)


class UnforeseenErrors:
    """ASGI middleware: logs an error with its traceback, and answers with 500 without it.

    The error goes on, so that the server closes the connection: what was sent may be half.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app, root_path, begun = scope.get("app"), scope.get("root_path", ""), False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            route = route_of(scope, routes=getattr(app, "routes", ()), root_path=root_path)
            logger.exception("%s %s failed", method_of(scope), route)
            if not begun:
                await internal_answer(scope)(scope, receive, send)
            raise
