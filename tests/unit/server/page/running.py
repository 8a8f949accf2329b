"""A page with a running loop, for what waits and what is made later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import Client, core, ui

_T = TypeVar("_T")


def on_client(act: Callable[[Client], Awaitable[_T]]) -> _T:
    """Do something on an opened page that no browser is connected to, and return what it gives."""

    async def run() -> _T:
        core.loop = asyncio.get_running_loop()
        with Client(ui.page("")) as client:
            found = await act(client)
        client.delete()
        return found

    try:
        return asyncio.run(run())
    finally:
        core.loop = None


def texts_on(client: Client) -> list[str]:
    """Return the texts that a page shows."""
    return [one._text for one in client.elements.values() if one._text]
