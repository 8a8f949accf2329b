"""A source that is gone says so, and shows what a chat kept of it.

How one that is there looks is tested with a browser, in tests/e2e/test_page_source_panel.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from nicegui import Client

from florilegium import Library
from florilegium.server.page.controls import block
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.visit import Visit
from florilegium.types import Modality
from tests.unit.server.page.running import on_client, texts_on


def texts_of(visit: Visit, act: Callable[[SourcePanel], Awaitable[None]]) -> list[str]:
    """Do something with a panel, and return the texts that the page then shows."""

    async def run(client: Client) -> list[str]:
        await act(SourcePanel(visit))
        return texts_on(client)

    return on_client(run)


def test_a_source_that_is_gone_is_named_by_its_path_and_quoted(visit: Visit) -> None:
    kept = {"path": "roses/rose.md", "quote": "Roses have thorns."}

    texts = texts_of(visit, lambda panel: panel.open("roses/rose.md#0", None, kept))

    assert "roses/rose.md" in texts
    assert "Roses have thorns." in texts
    assert any("not in the library any more" in text for text in texts)
    assert not any("#0" in text for text in texts)


def test_a_picture_whose_file_is_gone_says_so(visit: Visit, tiny_library: Library) -> None:
    item = next(one for one, _ in tiny_library.index.catalog.all_items(Modality.IMAGE))
    (tiny_library.root / item.source.path).unlink()

    async def fail(panel: SourcePanel) -> None:
        await panel.open(item.id)
        await panel._explain(item, block("place"))

    texts = texts_of(visit, fail)

    assert "This cannot be shown" in texts
    assert any(item.source.path in text and "not there" in text for text in texts), texts


def test_of_two_that_are_opened_at_once_the_last_is_shown(
    visit: Visit, tiny_library: Library
) -> None:
    texts = tiny_library.index.catalog.all_items(Modality.TEXT)
    first, last = (item for item, _ in islice(texts, 2))

    async def open_both(panel: SourcePanel) -> None:
        gone = panel.open("no such item", None, {"path": "gone.md"})
        await asyncio.gather(panel.open(first.id), gone, panel.open(last.id))

    shown = texts_of(visit, open_both)

    assert last.source.path in shown
    assert first.source.path not in shown
    assert "gone.md" not in shown
