"""Mounts the page in the server's app, behind a gate that lets nobody at another's opened page.

NiceGUI keeps one app for the whole process. What a request belongs to is therefore put into its
scope, and one server with a page runs in a process at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI
from nicegui import Client, core, ui
from nicegui import __version__ as nicegui_version
from nicegui import app as nicegui_app
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from florilegium.errors import ConfigError, ForbiddenError
from florilegium.server.chats import Chats
from florilegium.server.error_answers import add_error_answers
from florilegium.server.page import opening
from florilegium.server.page.sockets import bind_sockets
from florilegium.server.page.visit import PLACE, Door
from florilegium.server.page.waiting import SENT
from florilegium.server.service import Service
from florilegium.server.users import User

CHATS_FILE: Final = "chats.sqlite"

POLICY: Final = (
    # Vue compiles the templates of NiceGUI's elements in the browser, and the page's scripts and
    # styles stand in it. What the policy does keep out is everything from elsewhere.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_CLIENT = "/_nicegui/client/"
_SOCKET = "/_nicegui_ws/"
_TOOLKIT = "/_nicegui/"
_ASSETS = f"{_TOOLKIT}{nicegui_version}/"  # scripts and styles of the package itself
# Seconds that a page which lost its connection is kept, as on a phone that was locked or a busy
# machine. NiceGUI takes one for lost after 1.2 times as many without a sign of life.
_RECONNECT = 30.0
_KEPT_MESSAGES = 500


def add_page(app: FastAPI, service: Service, *, folder: Path) -> None:
    """Put the page at `/`, behind all routes.

    Args:
        app: The server's app; its middleware puts the user into `request.state`.
        service: What answers.
        folder: Where the server keeps its files; the chats go there.

    The app does not start with chats that cannot be used (StoreError), or where another one with
    a page runs in this process (ConfigError).
    """
    chats = Chats(folder / CHATS_FILE, max_chats=service.config.max_chats)
    # The guards come last, so what they know of log-ins is asked for with each page.
    door = Door(
        service=service,
        chats=chats,
        log_out_token=lambda request: app.state.access.log_out_token(request),
    )
    frame = _frame()
    # Not a mount: that would take what a route has for another method too.
    app.router.default = _Gate(frame, door)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:  # what the app itself yields
        if not nicegui_app.is_stopped:
            raise ConfigError(
                "Another server with a web page runs in this process.",
                hint="Stop it first, or give one of them server.page = false.",
            )
        chats.open()
        chats.adopt(service.identities())
        try:
            async with frame.router.lifespan_context(frame), inner(app) as state:
                yield state
        finally:
            chats.close()

    app.router.lifespan_context = lifespan


@cache
def _frame() -> FastAPI:
    frame = FastAPI(openapi_url=None)
    ui.page("/", response_timeout=20.0)(opening.open_page)
    ui.run_with(
        frame,
        title="Florilegium",
        favicon=opening.FAVICON,
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT,
        message_history_length=_KEPT_MESSAGES,
        show_welcome_message=False,
        # No secret: nothing of NiceGUI's own is stored, neither in a cookie nor on the disk.
        storage_secret=None,
    )
    bind_sockets(core.sio)
    # NiceGUI's own answer is a page that it makes and keeps for each unknown address.
    nicegui_app.exception_handlers.pop(404, None)
    add_error_answers(nicegui_app)
    return frame


class _Gate:
    def __init__(self, frame: FastAPI, door: Door) -> None:
        self._frame = frame
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == "/":
            send = _with_policy(send, scope)
        elif path.startswith((_CLIENT, _SOCKET)):
            if not _may_reach(scope, path):
                await _refuse(scope, send)
                return
        elif not path.startswith(_ASSETS) and path != "/favicon.ico":
            raise HTTPException(404)
        scope["route"] = _Route(path=_name(path))
        # NiceGUI would believe anybody of a path before all addresses, which no other page has.
        headers = [header for header in scope["headers"] if header[0] != b"x-forwarded-prefix"]
        await self._frame({**scope, "headers": headers, PLACE: self._door}, receive, send)


@dataclass(frozen=True, slots=True)
class _Route:
    """What requests to the page are counted under."""

    path: str


def _name(path: str) -> str:
    for prefix in (_CLIENT, _SOCKET, _TOOLKIT):
        if path.startswith(prefix):
            return f"{prefix}*"
    return path


def _with_policy(send: Send, scope: Scope) -> Send:
    async def send_with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            scope["state"][SENT] = True
        await send(message)

    return send_with_policy


def _user(scope: Scope) -> User | None:
    user = scope.get("state", {}).get("user")
    return user if isinstance(user, User) else None


def _may_reach(scope: Scope, path: str) -> bool:
    """Return whether an opened page is that of the user who makes a request, with the same rights.

    Its id cannot be guessed, so this matters only where one leaked, or somebody logged out.
    """
    if path.startswith(_CLIENT):
        id_ = path.removeprefix(_CLIENT).split("/")[0]
    else:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if "client_id" not in query:
            return False  # it could name any page later
        id_ = query["client_id"][0]
    client = Client.instances.get(id_)
    if client is None:
        return True  # nothing to reach: NiceGUI tells the browser to load the page again
    user = _user(scope)
    owner = HTTPConnection(client.request.scope).state.user
    return user is not None and isinstance(owner, User) and owner == user


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    raise ForbiddenError(
        "This page was opened by somebody else.", hint="Load the page again, and log in."
    )
