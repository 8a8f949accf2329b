"""Which bodies are let in: of so many bytes and values, told or not, and not compressed.

Reads no body itself. Who sends few bytes that become many would get around the limit.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from florilegium.errors import RequestTooLargeError, UnsupportedBodyError
from florilegium.server.error_answers import error_answer

MOST_SEPARATORS: Final = 250_000
"""Commas and opening brackets that a body may have, but a form, whose files are not parsed.

Parsing JSON holds up everything else, by the number of its values and not by its bytes. Those
within texts count too, since only parsing tells them apart.
"""

TOO_MANY: Final = f"The body of the request has more than {MOST_SEPARATORS} commas and brackets"


class BodyLimit:
    """ASGI middleware: refuses bodies of more than `max_bytes`, and compressed ones, unread.

    So it does with those of more values than a server can parse beside its other work.

    Starlette has such a limit too, but answers in plain text.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        encoding = Headers(scope=scope).get("content-encoding", "")
        if encoding.strip().lower() not in {"", "identity"}:
            await error_answer(_compressed(encoding), scope)(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > self._max_bytes:
            await error_answer(too_large(self._max_bytes), scope)(scope, receive, send)
            return
        is_form = Headers(scope=scope).get("content-type", "").lower().startswith("multipart/")
        size = separators = 0

        async def counted() -> Message:
            nonlocal size, separators
            message = await receive()
            body = message.get("body", b"")
            size += len(body)
            if size > self._max_bytes:
                # What reads the body lets this kind of error through, and no other.
                raise HTTPException(status_code=413)
            if not is_form:
                separators += sum(map(body.count, (b",", b"[", b"{")))
                if separators > MOST_SEPARATORS:
                    raise HTTPException(status_code=400, detail=f"{TOO_MANY}.")
            return message

        await self._app(scope, counted, send)


def too_large(max_bytes: float) -> RequestTooLargeError:
    """Return the error of a body that is over the limit."""
    return RequestTooLargeError(
        f"The body of the request has more than {max_bytes / 1e6:g} MB, which is all that the "
        "server takes.",
        hint="Send less, or raise server.max_body_megabytes.",
    )


def _compressed(encoding: str) -> UnsupportedBodyError:
    return UnsupportedBodyError(
        f"The body is encoded as {encoding[:50]!r}; the server takes plain ones only.",
        hint="Leave out the header Content-Encoding, and do not compress the body.",
    )
