"""The check of the header Host: a name that somebody points at this machine opens nothing here."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium.config_sections import ServerConfig
from florilegium.errors import ForbiddenError
from florilegium.server.authentication import is_loopback
from florilegium.server.refusing import refuse


class HostCheck:
    """ASGI middleware: refuses requests to a name that is not one of this server.

    A page of somebody else may have its own name point at 127.0.0.1, and then be of one origin
    with this server (DNS rebinding). Only the name gives it away. Addresses give nothing away and
    cannot be rebound: where the server listens at all of its machine's, it is reached by each.

    Args:
        app: What answers.
        config: Where the server listens, and by which names it is reached.
    """

    def __init__(self, app: ASGIApp, *, config: ServerConfig) -> None:
        self._app = app
        self._names: Final = {name.lower() for name in (config.host, *config.allowed_hosts)}
        self._any_address: Final = _is_unspecified(config.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is meant for this server."""
        if scope["type"] in {"http", "websocket"}:
            given = [bytes(value) for name, value in scope["headers"] if name == b"host"]
            host = given[0].decode("latin-1") if len(given) == 1 else ""
            if not self._is_ours(host.lower()):
                await refuse(scope, receive, send, _refused(host, given=len(given)))
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host)
        if name in self._names or host in self._names or is_loopback(name):
            return bool(name)
        return self._any_address and _is_address(name)


def _refused(host: str, *, given: int) -> ForbiddenError:
    if given != 1:
        return ForbiddenError(
            f"The request has {f'{given} headers' if given else 'no header'} Host, which says whom "
            "it is meant for.",
            hint="Send one, as HTTP/1.1 asks for.",
        )
    return ForbiddenError(
        f"{host[:100]!r} is no name of this server.",
        hint="Put the name into server.allowed_hosts.",
    )


def _without_port(host: str) -> str:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name if not rest or _is_port(rest) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_unspecified(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_unspecified
