"""A source in a real browser: the cited words marked, a picture large."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    SEARCH,
    answered,
    ask,
    search,
)
from tests.e2e.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_a_question_is_answered_with_a_source_that_opens_at_the_cited_words(
    open_page: OpenPage,
) -> None:
    page = open_page()

    ask(page, "How many sides has the red square?")
    answered(page)
    page.locator(".fl-cite").first.click()

    assert "is the best source" in page.locator(".fl-reply").inner_text()
    expect(page.locator(".fl-panel-title")).to_have_text("red square")
    page.wait_for_selector(".fl-mark")
    assert "four equal sides" in page.locator(".fl-mark").inner_text()
    expect(page.locator(".fl-mark")).to_be_in_viewport()


def test_escape_closes_the_source_and_the_picture_of_another_opens_large(
    open_page: OpenPage,
) -> None:
    page = open_page()
    ask(page, "How many sides has the red square?")
    answered(page)
    page.locator(".fl-cite").first.click()
    page.wait_for_selector(".fl-mark")

    page.keyboard.press("Escape")
    expect(page.locator(".fl-panel-card")).to_be_hidden()
    page.locator(".fl-card-picture").first.click()

    picture = page.locator(".fl-large")
    picture.wait_for()
    page.wait_for_function("document.querySelector('.fl-large').naturalWidth === 64")


def test_after_a_reload_with_an_open_source_back_goes_to_what_was_before(
    open_page: OpenPage,
) -> None:
    page = open_page("?tab=search")
    search(page, "blue triangle")
    search(page, "red square")
    page.wait_for_url(re.compile("q=red"))
    page.locator(".fl-grid .fl-card").first.click()
    expect(page.locator(".fl-panel-card")).to_be_visible()
    page.wait_for_function("history.state?.isSource")

    page.reload()
    page.locator(".fl-grid").wait_for()
    expect(page.locator(SEARCH)).to_have_value("red square")
    page.go_back()

    expect(page.locator(SEARCH)).to_have_value("blue triangle")
