"""Answers in a real browser: refusals, errors, and how they came about."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    answered,
    ask,
)
from tests.e2e.conftest import OpenPage, Served

pytestmark = pytest.mark.slow


def test_what_the_library_does_not_know_is_refused_quietly(
    open_page: OpenPage, served: Served
) -> None:
    page = open_page()
    before = served.notes.count("begun")

    ask(page, "Wie heisst der Fluss?")
    answered(page)

    expect(page.locator(".fl-refused")).to_contain_text("Nothing in this library answers that")
    expect(page.locator(".fl-cite")).to_have_count(0)
    page.click("text=How this came about")
    meter = page.locator("[role=meter]")
    expect(meter).to_be_visible()
    assert int(meter.get_attribute("aria-valuenow") or "100") < 60  # which would have been enough
    assert served.notes.count("begun") == before


def test_an_error_of_the_chat_model_is_told_where_the_answer_would_stand(
    open_page: OpenPage,
) -> None:
    page = open_page()

    ask(page, "Why does the red square fail?")
    answered(page)

    expect(page.locator(".fl-failed[role=alert]")).to_contain_text("The provider refused.")
    expect(page.locator(".fl-failed")).to_contain_text("Ask for something else.")


def test_how_an_answer_came_about_can_be_unfolded(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "How many sides has the red square?")
    answered(page)

    page.click("text=How this came about")

    meter = page.locator("[role=meter]")
    expect(meter).to_be_visible()
    assert 0 <= int(meter.get_attribute("aria-valuenow") or "-1") <= 100
    expect(page.locator(".fl-table")).to_contain_text("red square.txt")
