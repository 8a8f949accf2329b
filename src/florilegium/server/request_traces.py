"""A span for each request, in the trace of its caller if that sends one (W3C Trace Context)."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium import tracing
from florilegium.server.request_log import FinishedRequest
from florilegium.server.routes import method_of

_HEADERS: Final = ("traceparent", "tracestate")
_FAILED: Final = 500


class RequestTraces:
    """The middleware, which is to stand outside of RequestLog; does nothing while tracing is off.

    A WebSocket has none: it may last for days, and spans are sent when they end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or tracing.tracer() is None:
            await self._app(scope, receive, send)
            return
        sent = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        headers = {name: sent[name] for name in _HEADERS if name in sent}
        with tracing.request_span(method_of(scope), headers):
            await self._app(scope, receive, send)


def trace_request(finished: FinishedRequest) -> None:
    """Put what became of a request into its span."""
    attributes: dict[str, str | int] = {
        "http.request.method": finished.method,
        "http.route": finished.route,
        "http.response.status_code": finished.status,
    }
    if finished.status >= _FAILED:
        attributes["error.type"] = str(finished.status)
    if finished.method != "WEBSOCKET":
        tracing.rename(f"{finished.method} {finished.route}", attributes)
