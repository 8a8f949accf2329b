"""What stands below a hit of the search, and what the page's address says of it.

How it is used is tested with a browser, in tests/e2e/test_page_search_panel.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from nicegui import Client

from florilegium.server.page.search_panel import SearchPanel
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.visit import Visit
from tests.unit.server.page.running import on_client, texts_on


@pytest.mark.parametrize(
    ("score", "told"),
    [(0.0, []), (0.294, ["similarity 0.29"]), (-0.001, ["similarity 0.00"])],
)
def test_only_what_a_vector_list_had_has_a_similarity(
    canvas: Client,
    visit: Visit,
    shown: Callable[[], list[str]],
    score: float,
    told: list[str],
) -> None:
    panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda: None)
    before = len(shown())

    panel._foot({"id": "rose", "score": score, "modality": "text", "duplicates": []})

    assert shown()[before:] == told


def test_an_address_fills_the_form_with_what_it_can_mean(canvas: Client, visit: Visit) -> None:
    panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda: None)

    panel.put("red", "sound")
    assert (panel._field.value, panel._modality.value) == ("red", "")
    panel.put("red", "image")
    assert panel._modality.value == "image"
    assert panel.address == {}


def test_an_earlier_search_that_takes_longer_does_not_replace_a_later_one(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, later_is_shown = visit.service.search, asyncio.Event()

    async def slow_for_squares(*args: Any, **options: Any) -> Any:
        found = await find(*args, **options)
        if "square" in args:
            await later_is_shown.wait()
        return found

    monkeypatch.setattr(visit.service, "search", slow_for_squares)

    async def search_twice(client: Client) -> None:
        panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda: None)
        panel._field.set_value("square")
        earlier = asyncio.ensure_future(panel.search())
        await asyncio.sleep(0)
        panel._field.set_value("circle")
        await panel.search()
        shown = texts_on(client)
        later_is_shown.set()
        await earlier
        assert texts_on(client) == shown

    on_client(search_twice)
