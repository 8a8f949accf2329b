"""Lets a socket speak for the page that it was opened for, and for no other.

NiceGUI takes the page that a message is for from the message. The gate in front of the page has
looked at the one in the socket's address alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import isawaitable
from typing import Any, Final
from urllib.parse import parse_qs

from socketio import AsyncServer

_log: Final = logging.getLogger(__name__)


def bind_sockets(server: AsyncServer) -> None:
    """Drop every message that names another page than its socket's address does."""
    handlers = server.handlers["/"]
    for name in sorted(handlers.keys() - {"connect", "disconnect"}):
        server.on(name, _bound(server, handlers[name]))


def _bound(server: AsyncServer, handler: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    @wraps(handler)
    async def bound(socket: str, message: Any) -> Any:
        page = message.get("client_id") if isinstance(message, Mapping) else None
        query = parse_qs(str(server.get_environ(socket).get("QUERY_STRING", "")))
        if [page] != query.get("client_id"):
            _log.warning("A message over a socket of the page named another page, and was dropped.")
            return False
        # Nothing is waited for before this, so that messages keep their order.
        result = handler(socket, message)
        return await result if isawaitable(result) else result

    return bound
