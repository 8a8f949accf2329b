"""Many tabs at once all come to life, whatever else asks for pages without a browser."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from florilegium.server.page.waiting import MOST_WAITING
from tests.e2e.browsing import SEARCH, search
from tests.e2e.conftest import OpenPage, Served

pytestmark = pytest.mark.slow

TABS = 14


def flood(served: Served) -> None:
    for _ in range(MOST_WAITING + 8):
        assert httpx.get(served.address + "/").status_code == 200


def how_it_came(page: Page) -> str:
    return str(page.evaluate("performance.getEntriesByType('navigation')[0].type"))


def test_a_dozen_tabs_open_at_once_and_stay_through_a_flood(
    open_page: OpenPage, served: Served
) -> None:
    first = open_page("?tab=search")
    tabs = [first.context.new_page() for _ in range(TABS)]
    for tab in tabs:
        tab.goto(served.address + "/?tab=search", wait_until="commit")
    for tab in tabs:
        tab.locator(".fl-tab-search .fl-example").first.wait_for()
    first.fill(SEARCH, "still here")

    flood(served)

    expect(first.locator(SEARCH)).to_have_value("still here")
    assert [how_it_came(tab) for tab in tabs] == ["navigate"] * TABS
    for tab in (first, tabs[0], tabs[-1]):
        search(tab, "rose")


def test_a_tab_whose_page_was_dropped_while_it_loaded_comes_to_life_all_the_same(
    open_page: OpenPage, served: Served
) -> None:
    page = open_page().context.new_page()
    held: list[Route] = []
    page.route("**/static/nicegui.js", lambda route: held.append(route), times=1)
    page.goto(served.address + "/?tab=search", wait_until="commit")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)

    flood(served)
    held[0].continue_()

    page.locator(".fl-tab-search .fl-example").first.wait_for()
    assert how_it_came(page) == "reload"
    search(page, "rose")
