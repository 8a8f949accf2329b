"""Closing what streams deltas, whatever kind of iterator it is. Knows no chat model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from florilegium.types import Delta


@contextmanager
def closing_stream(stream: Iterator[Delta]) -> Iterator[Iterator[Delta]]:
    """Give the stream, and close it at the end of the block, which stops the chat model."""
    try:
        yield stream
    finally:
        # The protocol promises an iterator that can be closed; a plain list iterator has no
        # `close`.
        close = getattr(stream, "close", None)
        if close is not None:
            close()
