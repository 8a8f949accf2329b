"""What the panel of the library shows when several things change it at once.

How it is used is tested with a browser, in tests/e2e/test_page_library_panel.py.
"""

from __future__ import annotations

import asyncio

from nicegui import Client

from florilegium.server.page.library_panel import LibraryPanel
from florilegium.server.page.visit import Visit
from tests.unit.server.page.running import on_client, texts_on


def test_what_is_refreshed_twice_at_once_is_shown_once(visit: Visit) -> None:
    async def refresh_twice(client: Client) -> list[str]:
        panel = LibraryPanel(visit)
        await asyncio.gather(panel.refresh(), panel.refresh())
        return texts_on(client)

    texts = on_client(refresh_twice)

    assert texts.count("Pictures") == 1
    assert texts.count("fake:32") == 1
