"""What is known of the request at hand, for its log: noted wherever in the server it is found out.

Follows a request into threads and tasks that are started with a copy of its context.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

SEVERAL: Final = "*"
"""Stands for the library of a request that was about more than one; no library is called so."""

_SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestNotes:
    """The id of a request, and who asked which library, as far as that is known yet."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.user = ""
        self.library = ""


_CURRENT: ContextVar[RequestNotes | None] = ContextVar("florilegium_request", default=None)


def current_request() -> RequestNotes | None:
    """Return what is known of the request at hand; None outside of requests."""
    return _CURRENT.get()


def note_request(*, user: str = "", library: str = "") -> None:
    """Add to what is known of the request at hand; outside of requests do nothing."""
    if notes := _CURRENT.get():
        notes.user = user or notes.user
        if library:
            notes.library = library if notes.library in {"", library} else SEVERAL


@contextmanager
def noting(asked_id: str) -> Iterator[RequestNotes]:
    """Give the notes of a new request, which lasts as long as the block.

    Args:
        asked_id: The id that the client wants it to have; one that is none gets another.
    """
    notes = RequestNotes(asked_id if _SANE.fullmatch(asked_id) else secrets.token_hex(8))
    token = _CURRENT.set(notes)
    try:
        yield notes
    finally:
        _CURRENT.reset(token)
