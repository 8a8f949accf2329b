"""The search in a real browser: four directions, filters, more like this."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    PASTE,
    SEARCH,
    drawn,
    paths,
    search,
)
from tests.e2e.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_words_find_pictures_and_texts_or_one_kind_alone(open_page: OpenPage) -> None:
    page = open_page("?tab=search")

    search(page, "green circle")
    expect(page.locator(".fl-grid .fl-card-picture").first).to_be_visible()
    expect(page.locator(".fl-grid .fl-card-text").first).to_be_visible()
    expect(page.locator(".fl-found-foot").first).to_have_text(
        re.compile(r"similarity -?[01]\.\d\d")
    )
    page.click(".fl-choices button:has-text('Pictures')")
    expect(page.locator(".fl-grid .fl-card-text")).to_have_count(0)

    expect(page.locator(".fl-grid .fl-path").first).to_have_text("circle.png")


def test_a_pasted_picture_finds_texts(open_page: OpenPage) -> None:
    page = open_page("?tab=search")

    page.evaluate(PASTE, [SEARCH, drawn("green", "circle")])
    expect(page.locator(".fl-tab-search .fl-chip")).to_be_visible()
    page.click(".fl-choices button:has-text('Texts')")

    expect(page.locator(".fl-grid .fl-path").first).to_have_text("circle.md")


def test_filters_offer_what_there_is_and_take_it_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("?tab=search")
    search(page, "triangle")
    page.click("text=Filters")
    folder = page.get_by_role("combobox", name="Folder")

    folder.click()
    expect(page.get_by_role("option")).to_have_text(["notes"])
    folder.press_sequentially("OTE")
    expect(page.locator(".q-item.q-manual-focusable--focused")).to_have_text("notes")
    folder.press("Enter")
    expect(page.locator(".fl-grid .fl-path", has_text="circle.md")).to_have_count(0)
    assert all(path.startswith("notes/") for path in paths(page))
    folder.press("Escape")

    page.get_by_label("From", exact=True).fill("2020-01-02")
    expect(page.get_by_text("Filters (2)")).to_be_visible()
    page.get_by_label("To", exact=True).fill("2020-01-01")
    expect(page.locator(".fl-failed")).to_contain_text("is after the last")
    page.click("text=Clear the filters")
    expect(page.locator(".fl-grid .fl-path", has_text="circle.md")).to_have_count(1)


def test_more_like_a_picture_searches_with_it_and_does_not_find_it_again(
    open_page: OpenPage,
) -> None:
    page = open_page("?tab=search")
    search(page, "red square")
    page.click(".fl-choices button:has-text('Pictures')")
    expect(page.locator(".fl-grid .fl-card-text")).to_have_count(0)

    page.locator(".fl-found", has_text="red square.png").locator(
        "[aria-label='More like this']"
    ).click()
    expect(page.locator(".fl-tab-search .fl-chip")).to_be_visible()
    expect(page.locator(".fl-grid .fl-path", has_text="red square.png")).to_have_count(0)

    for name in ("circle.png", "notes/triangle.png"):
        expect(page.locator(".fl-grid .fl-path", has_text=name)).to_have_count(1)


def test_the_address_shows_the_same_search_to_others_after_a_reload_and_on_the_way_back(
    open_page: OpenPage,
) -> None:
    page = open_page("?tab=search")
    search(page, "triangle")
    circle = page.locator(".fl-grid .fl-path", has_text="circle.md")
    expect(circle).to_have_count(1)
    page.click("text=Filters")
    folder = page.get_by_role("combobox", name="Folder")
    folder.click()
    page.get_by_role("option", name="notes").click()
    folder.press("Escape")
    expect(circle).to_have_count(0)
    page.wait_for_url(re.compile("folder=notes"))

    page.reload()
    page.locator(".fl-grid").wait_for()
    expect(page.get_by_text("Filters (1)")).to_be_visible()
    assert all(path.startswith("notes/") for path in paths(page))
    other = open_page(page.url.partition("/?")[2].join(["?", ""]), user="berta")
    other.locator(".fl-grid").wait_for()
    assert paths(other) == paths(page)

    page.go_back()
    expect(circle).to_have_count(1)
    expect(page.get_by_text("Filters (1)")).to_have_count(0)
    page.go_forward()
    expect(circle).to_have_count(0)
    expect(page.get_by_text("Filters (1)")).to_be_visible()


def test_back_from_a_picture_shows_the_words_before_it(open_page: OpenPage) -> None:
    page = open_page("?tab=search")
    search(page, "red square")

    page.locator(".fl-found", has_text="red square.png").locator(
        "[aria-label='More like this']"
    ).click()
    expect(page.locator(".fl-tab-search .fl-chip")).to_be_visible()
    page.click(".fl-choices button:has-text('Texts')")
    expect(page.locator(".fl-grid .fl-card-picture")).to_have_count(0)
    page.wait_for_url(re.compile("find=text"))
    page.go_back()

    expect(page.locator(SEARCH)).to_have_value("red square")
    expect(page.locator(".fl-tab-search .fl-chip")).to_have_count(0)
    expect(page.locator(".fl-grid .fl-path", has_text="red square.png")).to_have_count(1)
