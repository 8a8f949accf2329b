"""The check where a request comes from: pages of others may not act for the user of a browser.

Goes by Sec-Fetch-Site and Origin, which browsers set and pages cannot.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium.errors import ConfigError, ForbiddenError
from florilegium.redaction import show_address
from florilegium.server.authentication import CROSS_ORIGIN, bearer
from florilegium.server.cookies import SESSION, read_cookie
from florilegium.server.refusing import refuse
from florilegium.server.request_paths import path_of

_SHARED: Final = ("/api/", "/v1/")
_MCP: Final = "/mcp"
_METHODS: Final = ("GET", "POST", "DELETE")
_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "X-Request-Id",
    # What clients of MCP send, of the older protocol and of the newer.
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Protocol-Version",
    "Mcp-Session-Id",
)
_READ: Final = ("Mcp-Protocol-Version", "Mcp-Session-Id", "Retry-After", "X-Request-Id")
_HERE: Final = frozenset({"same-origin", "none"})


class OriginCheck:
    """ASGI middleware: refuses what a page of another origin makes a browser ask for.

    Programs send neither header, and pass. So does who brings a key and no cookie: no page can
    make a browser send a key that it does not know. Links from elsewhere may lead here.

    Args:
        app: What answers.
        allowed: Origins whose pages may use the API, though without the user's cookie.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = _as_browsers_send(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from here, from a program, or from an origin that is allowed."""
        if scope["type"] not in {"http", "websocket"} or _is_from_here(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_allowed = (
            scope["type"] == "http" and headers.get("origin") in self._allowed and _is_shared(scope)
        )
        has_key = bearer(scope) is not None and read_cookie(scope, SESSION) is None
        if is_allowed or has_key or _is_link(scope, headers):
            if not _is_link(scope, headers):
                scope.setdefault("state", {})[CROSS_ORIGIN] = True
            await self._app(scope, receive, send)
            return
        error = ForbiddenError(
            "The request comes from a page of another origin.",
            hint="Put the origin into server.cors_origins if its pages may use the API.",
        )
        await refuse(scope, receive, send, error)


class Sharing:
    """ASGI middleware: tells browsers which origins' pages may read the API (CORS), never cookies.

    Args:
        app: What answers.
        allowed: Those origins.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = _as_browsers_send(allowed)
        self._sharing = CORSMiddleware(
            app,
            allow_origins=tuple(self._allowed),
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=_READ,
            allow_credentials=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests, and answer those that ask what is allowed."""
        is_shared = (
            scope["type"] == "http"
            and _is_shared(scope)
            and Headers(scope=scope).get("origin") in self._allowed
        )
        await (self._sharing if is_shared else self._app)(scope, receive, send)


def check_origins(origins: Collection[str]) -> None:
    """Raise ConfigError unless each can be the origin of a page."""
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
            raise ConfigError(
                f"{show_address(origin)[:200]!r} in server.cors_origins is no origin.",
                hint="Write each as https://flowers.example.org, with the port if it has one, and "
                "no path; there is no sign for all of them.",
            )


def _as_browsers_send(origins: Collection[str]) -> frozenset[str]:
    return frozenset(origin.lower() for origin in origins)


def _is_shared(scope: Scope) -> bool:
    path = path_of(scope)
    return path == _MCP or path.startswith(_SHARED)


def _is_from_here(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if scope["type"] == "websocket":
        return origin is None or _is_same(origin, headers.get("host", ""))
    if site is not None:
        return site in _HERE
    return origin is None or _is_same(origin, headers.get("host", ""))


def _is_same(origin: str, host: str) -> bool:
    # The scheme is not compared: behind a proxy that ends TLS, it may be known to the browser only.
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc.lower() == host.lower()


def _is_link(scope: Scope, headers: Headers) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in {"GET", "HEAD"}
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
