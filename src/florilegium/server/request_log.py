"""One line in the log for each request when it is over, and an id that all its lines share.

Says which route was asked by whom and how that went: never addresses, queries, bodies or keys.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from florilegium.server.request_notes import RequestNotes, noting
from florilegium.server.routes import method_of, route_of

logger = logging.getLogger("florilegium.access")

HEADER: Final = "x-request-id"

_GONE: Final = 499  # what a request is said to have got whose client left before there was anything
_FAILED: Final = 500
_SWITCHED: Final = 101
_REFUSED: Final = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRequest:
    """What became of a request. `size` is that of its body in bytes; it is `whole` if all went out.

    `status` is 499 where the client left before the answer began, and 101 for a WebSocket.
    """

    method: str
    route: str
    status: int
    seconds: float
    size: int
    whole: bool
    user: str
    library: str


Told: TypeAlias = Callable[[FinishedRequest], None]


class RequestLog:
    """The middleware, which is to stand outside of all others.

    Args:
        app: What answers.
        told: Who else is told of each request, besides the log.
    """

    def __init__(self, app: ASGIApp, *, told: Sequence[Told] = ()) -> None:
        self._app = app
        self._told = (log_request, *told)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        app, root_path = scope.get("app"), scope.get("root_path", "")
        began = time.perf_counter()
        with noting(_header(scope, HEADER)) as notes:
            answer = _Answer(send, notes)
            status = _GONE
            try:
                await self._app(scope, receive, answer.send)
            except Exception:
                status = _FAILED
                raise
            finally:
                finished = FinishedRequest(
                    method=method_of(scope),
                    route=route_of(scope, routes=getattr(app, "routes", ()), root_path=root_path),
                    status=answer.status or status,
                    seconds=time.perf_counter() - began,
                    size=answer.size,
                    whole=answer.whole,
                    user=notes.user,
                    library=notes.library,
                )
                for told in self._told:
                    told(finished)


class _Answer:
    """Passes on what is sent, and looks at it."""

    def __init__(self, send: Send, notes: RequestNotes) -> None:
        self._send = send
        self._notes = notes
        self.status = 0
        self.size = 0
        self.whole = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._with_id(message.get("headers", ()))}
        elif kind == "websocket.accept":
            self.status = _SWITCHED
        elif kind == "websocket.close":
            self.status = self.status or _REFUSED
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        await self._send(message)
        if kind in {"http.response.body", "websocket.http.response.body"}:
            self.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        elif kind == "websocket.send":
            self.size += len(message.get("bytes") or (message.get("text") or "").encode())
        elif kind in {"http.response.pathsend", "websocket.close"}:
            self.whole = True

    def _with_id(self, headers: Any) -> list[tuple[bytes, bytes]]:
        name = HEADER.encode()
        return [
            *(pair for pair in headers if pair[0].lower() != name),
            (name, self._notes.id.encode()),
        ]


def log_request(finished: FinishedRequest) -> None:
    """Write the line of a request."""
    fields: dict[str, object] = {
        "method": finished.method,
        "route": finished.route,
        "status": finished.status,
        "seconds": round(finished.seconds, 4),
        "bytes": finished.size,
    }
    if finished.user:
        fields["user"] = finished.user
    if finished.library:
        fields["library"] = finished.library
    if not finished.whole:
        fields["whole"] = False
    logger.info("request", extra={"fields": fields})


def _header(scope: Scope, name: str) -> str:
    for key, value in scope["headers"]:
        if key == name.encode():
            return bytes(value).decode("latin-1")
    return ""
