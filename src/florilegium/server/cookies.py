"""The cookies of the log-in: no script reads them, and over https no other host sets them."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

SESSION: Final = "florilegium_session"
FORM: Final = "florilegium_form"
DEVICE: Final = "florilegium_device"

_PLAIN: Final = frozenset({"http", "ws"})


def is_secure(scope: Scope) -> bool:
    """Return whether the browser came by https, be it to a proxy that is trusted to say so."""
    return scope.get("scheme", "http") not in _PLAIN


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return the value of a cookie; None if the request has none."""
    found: dict[str, str] = {}
    for header in Headers(scope=scope).getlist("cookie"):
        found.update(cookie_parser(header))
    return found.get(_full_name(scope, name))


def cookie_header(scope: Scope, name: str, value: str, *, seconds: float) -> str:
    """Return the value of the header Set-Cookie; with 0 seconds it removes the cookie."""
    full = _full_name(scope, name)
    cookie: SimpleCookie = SimpleCookie()
    cookie[full] = value
    morsel = cookie[full]
    morsel["path"] = "/"
    morsel["max-age"] = int(seconds)
    morsel["httponly"] = True
    morsel["samesite"] = "Lax"
    if is_secure(scope):
        morsel["secure"] = True
    return morsel.OutputString()


def _full_name(scope: Scope, name: str) -> str:
    # Browsers take a cookie with this prefix only over https, and only from this very host.
    return f"__Host-{name}" if is_secure(scope) else name
