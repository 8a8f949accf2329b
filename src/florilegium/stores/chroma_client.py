"""Clients of embedded Chroma that have a folder open, each with a memory of its own."""

from __future__ import annotations

from itertools import count
from typing import cast

import chromadb
from chromadb.api.client import Client
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings

_OPENED = count(1)


def open_client(folder: str) -> Client:
    """Return a client that shares nothing with others. Raises what Chroma raises.

    Clients of one path share what Chroma has in memory: one that is opened to see what another
    process has written would see what was there before, as long as an older one is open.
    """
    place = folder + _spelling(next(_OPENED))
    settings = Settings(
        # Explicit, since Chroma would read these from the environment and from `.env`.
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
        anonymized_telemetry=False,
        allow_reset=False,
    )
    try:
        # Typed as an interface that lacks close().
        return cast(Client, chromadb.PersistentClient(path=place, settings=settings))
    except BaseException:
        # Clients of one path share a system, and Chroma 1.5.9 keeps one that failed to start:
        # opening the mended folder again in this process would meet the broken one.
        if place not in SharedSystemClient._identifier_to_refcount:
            SharedSystemClient._identifier_to_system.pop(place, None)
        raise


def _spelling(number: int) -> str:
    """Return an end that no other number has, and that makes a path no other path."""
    return "".join("/." if bit == "1" else "/" for bit in f"{number:b}")
