"""A server that goes away and comes back: nothing that was typed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import QUESTION, answered
from tests.e2e.conftest import serving_page

pytestmark = pytest.mark.slow

_BACK = 120_000  # milliseconds: the browser tries again every few seconds


def nothing_lies_over_the_field(page: Page) -> None:
    told = page.locator(".nicegui-error-popup").first
    expect(told).to_be_visible(timeout=_BACK)
    field, popup = page.locator(QUESTION).bounding_box(), told.bounding_box()
    assert field is not None
    assert popup is not None
    assert popup["y"] + popup["height"] < field["y"]


def test_what_was_typed_is_back_when_the_server_is(browser: Browser, tmp_path: Path) -> None:
    with serving_page(tmp_path) as served:
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        field = page.locator(QUESTION)

        def made_anew() -> None:
            page.wait_for_function("window.old !== true", timeout=_BACK)
            expect(field).to_have_value("How many sides has the red square?", timeout=_BACK)
            page.evaluate("window.old = true")

        page.goto(served.address)
        page.locator(".fl-greeting").wait_for()
        page.evaluate("window.old = true")
        field.fill("How many sides has the red square?")
        served.restart(lambda: nothing_lies_over_the_field(page))
        made_anew()
        served.restart(lambda: field.press("Enter"))
        made_anew()

        page.locator(".fl-greeting").wait_for()
        field.press("Enter")
        answered(page)
        expect(field).to_have_value("")
        page.reload()
        answered(page)
        page.wait_for_timeout(300)
        expect(field).to_have_value("")
        context.close()
