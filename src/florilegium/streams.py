"""Closing what streams, whatever kind of iterator it is. Knows no chat model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


@contextmanager
def closing_stream(stream: Iterator[_T]) -> Iterator[Iterator[_T]]:
    """Give the stream, and close it at the end of the block, which stops what it streams from."""
    try:
        yield stream
    finally:
        # The protocol promises an iterator that can be closed; a plain list iterator has no
        # `close`.
        close = getattr(stream, "close", None)
        if close is not None:
            close()
