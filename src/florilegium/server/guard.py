"""The guard before the whole app: without a user nothing is reached but the log-in and the health.

Knows which few addresses are for everybody; every other route is guarded, also one made later.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from florilegium.errors import ConfigError, TooBusyError, UnauthenticatedError
from florilegium.server.authentication import Authentication, TooManyKeysError
from florilegium.server.refusing import refuse
from florilegium.server.request_notes import note_request
from florilegium.server.request_paths import path_of
from florilegium.server.users import User

PUBLIC: Final = frozenset({"/login", "/logout", "/api/health", "/favicon.ico"})
"""Addresses for everybody."""

# Scripts and styles of the page's toolkit, of the version that is installed and of no other.
_ASSETS: Final = re.compile(
    rf"/_nicegui/{re.escape(version('nicegui'))}/(static|libraries|components|resources|esm)/.+"
)
_FOR_PROGRAMS: Final = re.compile(r"/(api|v1|mcp|metrics|openapi\.json|_nicegui\w*)(/.*)?")
_POLICY_VIOLATION: Final = 1008


class Guard:
    """ASGI middleware: puts the user into the state of the request, or turns it away.

    People who open a page are sent to the log-in; programs get an error. A WebSocket is closed
    when its user has logged out, or their account has changed.

    Args:
        app: What answers.
        authentication: Finds out who it is.
    """

    def __init__(self, app: ASGIApp, *, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has a user, or needs none."""
        if scope["type"] not in {"http", "websocket"} or is_public(scope):
            await self._app(scope, receive, send)
            return
        try:
            user = self._authentication.user(scope)
        except UnauthenticatedError as error:
            if _is_page(scope) and not self._authentication.is_open:
                await _to_log_in(scope)(scope, receive, send)
            else:
                await refuse(scope, receive, send, error)
            return
        except TooManyKeysError as error:
            await refuse(scope, receive, send, too_many(error.seconds), seconds=error.seconds)
            return
        except ConfigError:
            # Where the file is and what is wrong in it is for the log, not for whoever asks.
            await refuse(scope, receive, send, _closed())
            return
        scope.setdefault("state", {})["user"] = user
        note_request(user=user.name)
        if scope["type"] == "websocket":
            await self._app(scope, self._while_known(user, scope, receive, send), send)
        else:
            await self._app(scope, receive, send)

    def _while_known(self, user: User, scope: Scope, receive: Receive, send: Send) -> Receive:
        async def receive_while_known() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not self._is_still(user, scope):
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
                return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
            return message

        return receive_while_known

    def _is_still(self, user: User, scope: Scope) -> bool:
        try:
            return self._authentication.user(scope) == user
        except (UnauthenticatedError, ConfigError, TooManyKeysError):
            return False


def is_public(scope: Scope) -> bool:
    """Return whether a request needs no user."""
    path = path_of(scope)
    return scope["type"] == "http" and (path in PUBLIC or _ASSETS.fullmatch(path) is not None)


def too_many(seconds: int) -> TooBusyError:
    """Return the error of somebody who tried too often."""
    return TooBusyError(
        "There were too many attempts to log in, or with a wrong key.",
        hint=f"Try again in {seconds} seconds.",
    )


def _is_page(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in {"GET", "HEAD"}
        and "text/html" in Headers(scope=scope).get("accept", "")
        and _FOR_PROGRAMS.fullmatch(path_of(scope)) is None
    )


def _to_log_in(scope: Scope) -> RedirectResponse:
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    wanted = str(scope["path"]) + (f"?{query}" if query else "")
    address = f"{scope.get('root_path', '')}/login?next={quote(wanted, safe='')}"
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def _closed() -> ConfigError:
    return ConfigError(
        "The accounts of this server cannot be read, so it lets nobody in.",
        hint="Its log says what is wrong.",
    )
