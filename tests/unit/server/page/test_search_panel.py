"""What stands below a hit of the search, and what the page's address says of it.

How it is used is tested with a browser, in tests/e2e/test_page_search_panel.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from nicegui import Client

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter
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
    panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda *, push: None)
    before = len(shown())

    panel._foot({"id": "rose", "score": score, "modality": "text", "duplicates": []})

    assert shown()[before:] == told


def put(visit: Visit, address: str) -> tuple[SearchPanel, Filter | None]:
    """Return a search panel whose form an address has filled, and its filter."""

    async def act(_: Client) -> tuple[SearchPanel, Filter | None]:
        panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda *, push: None)
        await panel.put(parse_qs(address))
        return panel, panel._filters.filter()

    return on_client(act)


def test_an_address_fills_the_form_and_says_the_same_of_it(visit: Visit) -> None:
    address = (
        "q=red&find=image&most=32&folder=notes&folder=other&suffix=.png&label=rose"
        "&fields=creator%3DAna&since=2020-01-02&until=2021-01-02"
    )

    panel, where = put(visit, address)

    assert (panel._field.value, panel._modality.value, panel._most.value) == ("red", "image", 32)
    assert where == Filter(
        folders=("notes", "other"),
        suffixes=(".png",),
        labels=("rose",),
        fields=(("creator", "Ana"),),
        since=date(2020, 1, 2),
        until=date(2021, 1, 2),
    )
    assert urlencode(panel.address) == address


def test_what_an_address_says_that_there_is_none_of_is_not_taken(visit: Visit) -> None:
    panel, where = put(visit, "q=red&find=sound&most=1000000&since=&nothing=1")

    assert (panel._field.value, panel._modality.value, panel._most.value) == ("red", "", 16)
    assert where is None
    assert panel.address == [("q", "red")]


@pytest.mark.parametrize("wrong", ["folder=../../etc", "since=never", "fields=x", "suffix=../x"])
def test_a_wrong_filter_of_an_address_is_an_error(visit: Visit, wrong: str) -> None:
    with pytest.raises(InvalidQueryError):
        put(visit, f"q=red&{wrong}")


def test_a_second_address_leaves_nothing_of_the_first(visit: Visit) -> None:
    async def act(_: Client) -> list[tuple[str, str]]:
        panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda *, push: None)
        await panel.put(parse_qs("q=red&find=image&folder=notes&since=2020-01-02"))
        await panel.put(parse_qs("q=blue"))
        return panel.address

    assert on_client(act) == [("q", "blue")]


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
        panel = SearchPanel(visit, SourcePanel(visit), on_search=lambda *, push: None)
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
