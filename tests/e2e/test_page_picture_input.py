"""Pictures that are dropped, pasted or chosen in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    DROP,
    PASTE,
    QUESTION,
    answered,
    ask,
    drawn,
)
from tests.e2e.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_a_dropped_picture_is_asked_about_and_stays_in_play(open_page: OpenPage) -> None:
    page = open_page()

    page.evaluate(DROP, ["body", drawn("green", "circle")])
    expect(page.locator(".fl-chip")).to_be_visible()
    ask(page, "What is this?")
    answered(page)
    ask(page, "How many corners has it?")
    answered(page, 2)

    expect(page.locator(".fl-question-picture")).to_have_count(1)
    expect(page.locator(".fl-identified").first).to_contain_text("circle")
    expect(page.locator(".fl-in-play")).to_be_visible()
    assert "circle" in page.locator(".fl-exchange").nth(1).locator(".fl-strip").inner_text()


def test_a_pasted_picture_can_be_taken_away_again_or_asked_about_alone(
    open_page: OpenPage,
) -> None:
    page = open_page()

    page.evaluate(PASTE, [QUESTION, drawn("red", "square")])
    page.click("[aria-label='Remove the picture']")
    expect(page.locator(".fl-chip")).to_have_count(0)
    page.evaluate(PASTE, [QUESTION, drawn("red", "square")])
    expect(page.locator(".fl-chip")).to_be_visible()
    page.press(QUESTION, "Enter")
    answered(page)

    expect(page.locator(".fl-identified")).to_contain_text("square")


def test_a_file_that_is_no_picture_is_named_as_such(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no picture at all")

    large, text = tmp_path / "large.png", tmp_path / "text.md"
    large.write_bytes(b"x" * 4_000_000)
    text.write_bytes(b"no picture")
    told = page.locator(".q-notification")

    page.set_input_files(".fl-tab-chat input[type=file]", wrong)
    expect(told).to_contain_text("'wrong.png' is not a picture")
    field, toast = page.locator(QUESTION).bounding_box(), told.bounding_box()
    assert field is not None
    assert toast is not None
    assert toast["y"] + toast["height"] < field["y"]
    page.set_input_files(".fl-tab-chat input[type=file]", large)
    expect(told.last).to_contain_text("large.png has more than 4 MB.")
    page.set_input_files(".fl-tab-chat input[type=file]", text)
    expect(told.last).to_contain_text("text.md is no picture.")
    expect(page.locator(".fl-chip")).to_have_count(0)
