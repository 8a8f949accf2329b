"""From the bytes of an event stream to the data of its events. Knows nothing of what they mean.

Strict where a text decoder for responses is not: bytes that are no UTF-8 are an error, never a
replacement character.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from florilegium.errors import ChatError, ChatTimeoutError

LONGEST_LINE: Final = 1 << 20
"""Bytes. A piece of a reply is a few hundred; this much without a line's end is no event."""

# A carriage return at the very end may be the first half of a line end.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


def read_events(
    pieces: Iterable[bytes],
    *,
    server: str,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Yield the data of each event, however the bytes are cut.

    Args:
        pieces: The body as it comes in.
        server: Whose it is, for messages.
        timeout: Longest time in seconds between two events; lines that only keep the connection
            alive do not count as one.
        clock: What to read the time from.

    Raises:
        ChatError: A line is too long or no UTF-8.
        ChatTimeoutError: The connection is alive, but no event came for `timeout` seconds.
    """
    data: list[str] = []
    last = clock()
    for line in _lines(pieces, server):
        if not line:
            if data:
                yield "\n".join(data)
                data = []
                last = clock()
            continue
        field, _, value = line.partition(":")
        if field in {"data", "error"}:  # some servers write errors in a field of that name
            data.append(value.removeprefix(" "))
        elif clock() - last > timeout:
            raise ChatTimeoutError(
                f"The server at {server!r} keeps the connection open, but sent no piece of the "
                f"reply for {timeout:g} s.",
                hint="Raise chat.timeout, or ask for less.",
            )
    if data:  # the last event need not end in an empty line
        yield "\n".join(data)


def _lines(pieces: Iterable[bytes], server: str) -> Iterator[str]:
    pending = b""
    for piece in pieces:
        # Lines are cut as bytes, so no character is ever cut: no byte of a longer one is a line
        # end in UTF-8.
        *lines, pending = _LINE_END.split(pending + piece)
        for line in lines:
            yield _decode(line, server)
        if len(pending) > LONGEST_LINE:
            raise ChatError(
                f"The server at {server!r} sent a line of more than {LONGEST_LINE} bytes, which "
                "is no piece of a reply.",
                hint="Check that chat.base_url is an OpenAI-compatible server.",
            )
    if pending:
        yield _decode(pending.removesuffix(b"\r"), server)


def _decode(line: bytes, server: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ChatError(
            f"The server at {server!r} sent bytes that are no UTF-8, or broke off within a "
            f"character: {line[max(0, error.start - 20) : error.end]!r}.",
            hint="Ask again; if it happens each time, the server is broken.",
        ) from error
