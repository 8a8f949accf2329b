"""MCP over HTTP at /mcp: who asks reaches the tools, sessions are bounded, and who goes ends work.

Knows the guards of the app only by what they leave behind: the user of the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from fastapi import FastAPI
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from florilegium.errors import TooBusyError
from florilegium.server.hosts import HostCheck
from florilegium.server.mcp.mcp_server import make_server
from florilegium.server.mcp.sessions import Sessions
from florilegium.server.origins import OriginCheck
from florilegium.server.service import Service
from florilegium.server.users import User

logger = logging.getLogger(__name__)

PATH: Final = "/mcp"
MOST_SESSIONS: Final = 1024
"""Sessions of clients that speak the older protocol, about 45 kB each; the newer one has none."""
MOST_PER_USER: Final = 64
"""Sessions of one user; a further one ends that which was not used for longest."""
IDLE_SECONDS: Final = 600.0

_GONE = "mcp_client_gone"
_OK: Final = 200
_CANCELLED: Final = -32800  # the number that the older protocol borrowed from language servers


class McpDoor:
    """The ASGI application at /mcp. It serves between entering and leaving `running`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._manager: StreamableHTTPSessionManager | None = None
        self._sessions = Sessions(most_per_user=MOST_PER_USER)
        config = service.config
        # The app has these before all routes. They stand here too, since a page that reached the
        # tools could read all that their user may read. What an origin that is allowed may read
        # of an answer, only the app tells.
        origins = OriginCheck(self._serve, allowed=config.cors_origins)
        self._guarded = HostCheck(origins, config=config)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs; its end ends all sessions. May be entered again."""
        server = make_server(self._service, user_of=user_of_call)
        server.middleware.append(_until_gone)
        config = self._service.config
        server.streamable_http_app(
            # Our own checks stand before it, and know more: addresses, keys, Sec-Fetch-Site.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            max_request_body_size=int(config.max_body_megabytes * 1_000_000),
            session_idle_timeout=IDLE_SECONDS,
            max_sessions=MOST_SESSIONS,
        )
        async with server.session_manager.run():
            self._manager = server.session_manager
            self._sessions = Sessions(most_per_user=MOST_PER_USER)
            try:
                yield
            finally:
                self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the user that the guards of the app have found."""
        await self._guarded(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._manager is None:
            raise TooBusyError("MCP is not up.", hint="Try again in a moment.")
        user = cast(User, scope["state"]["user"])
        gone = asyncio.Event()
        opened: list[str] = []

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _OK:
                opened.extend(Headers(raw=message["headers"]).getlist(MCP_SESSION_ID_HEADER))
            await send(message)

        known = _known(scope, user, gone)
        await self._manager.handle_request(known, watched, noted)
        used = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if used is not None and scope["method"] == "DELETE":
            self._sessions.forget(user.name, used)
        elif opened:
            for session in self._sessions.use(user.name, opened[-1]):
                await self._end(known, session)

    async def _end(self, scope: Scope, session: str) -> None:
        """End a session of the user of a request, as its client could have done."""
        if self._manager is None:
            return
        kept = [(name, value) for name, value in scope["headers"] if name == b"host"]
        named = (MCP_SESSION_ID_HEADER.encode(), session.encode())
        ending = {**scope, "method": "DELETE", "headers": [*kept, named]}
        logger.info("A user has %d sessions; the least recently used is ended", MOST_PER_USER)
        await self._manager.handle_request(ending, _nothing_more, _to_nobody)


def add_mcp(app: FastAPI, service: Service) -> McpDoor:
    """Add the route to an app, and return the door, whose `running` the app's lifespan enters."""
    door = McpDoor(service)
    app.router.add_route(PATH, cast(Any, door), include_in_schema=False)
    return door


def user_of_call(ctx: Context[Any, Any]) -> User:
    """Return who calls a tool over HTTP."""
    request = cast(Request, ctx.request_context.request)
    return cast(User, request.state.user)


def _known(scope: Scope, user: User, gone: asyncio.Event) -> Scope:
    """Return a request as the manager takes it, with what the tools have to know."""
    # By this the manager refuses a session to everybody but the user who opened it.
    token = AccessToken(token="", client_id=user.name, scopes=[])
    state = {**scope["state"], _GONE: gone}
    return {**scope, "state": state, "user": AuthenticatedUser(token)}


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _to_nobody(_: Message) -> None:
    """Take a reply that no client waits for."""


async def _until_gone(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Serve a request until its client closes the connection.

    The older protocol lets a client come back for a reply, which needs replies to be kept. None is
    kept here, so work for a client that has gone would be for nobody.
    """
    gone = None if ctx.request is None else ctx.request.scope["state"].get(_GONE)
    if gone is None or ctx.request_id is None:
        return await call_next(ctx)
    work = asyncio.ensure_future(call_next(ctx))
    leaving = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise MCPError(code=_CANCELLED, message="The client has gone.")
    finally:
        for task in (work, leaving):
            task.cancel()
        await asyncio.gather(work, leaving, return_exceptions=True)
