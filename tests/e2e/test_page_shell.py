"""The page for different people: languages, dark mode, keyboards, phones."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    QUESTION,
    SEARCH,
    answered,
    ask,
    search,
    width_of,
)
from tests.e2e.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_the_page_speaks_the_browsers_language_and_remembers_another(open_page: OpenPage) -> None:
    page = open_page(language="zh-CN")
    expect(page.locator(".fl-tabs")).to_contain_text("对话")

    ask(page, "蓝色的三角形有几个角？")
    answered(page)
    expect(page.locator(".fl-key").first).to_have_text("来源")
    page.click(".fl-language")
    expect(page.locator(".fl-tabs")).to_contain_text("Chat")
    answered(page)

    expect(page.locator("html")).to_have_attribute("lang", "en-US")
    other = open_page(context=page.context)
    expect(other.locator(".fl-tabs")).to_contain_text("Chat")


def test_dark_mode_follows_the_system_and_can_be_chosen(open_page: OpenPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    dark = open_page(dark=True)
    light = open_page()

    dark.wait_for_function(f"{background} === 'rgb(22, 26, 23)'")
    light.wait_for_function(f"{background} === 'rgb(250, 248, 243)'")
    light.click("[aria-label='Appearance']")
    light.click(".q-menu .q-item:has-text('Dark')")
    light.wait_for_function(f"{background} === 'rgb(22, 26, 23)'")
    light.reload()
    light.wait_for_function(f"{background} === 'rgb(22, 26, 23)'")


def test_everything_of_a_chat_is_reached_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator(QUESTION)).to_be_focused()

    page.keyboard.type("How many sides")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("has the red square?")
    page.keyboard.press("Enter")
    answered(page)
    assert page.locator(".fl-question-words").inner_text() == "How many sides\nhas the red square?"
    page.locator(".fl-cite").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".fl-mark")
    page.keyboard.press("Escape")

    expect(page.locator(".fl-panel-card")).to_be_hidden()
    expect(page.locator(".fl-cite").first).to_be_focused()


def test_every_button_has_a_name(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "How many sides has the red square?")
    answered(page)

    nameless = page.evaluate(
        "[...document.querySelectorAll('button, [role=button], input, textarea')]"
        ".filter((e) => e.offsetParent && !e.ariaLabel && !e.innerText.trim()"
        " && !e.closest('[aria-label]') && e.type !== 'file').map((e) => e.outerHTML)"
    )

    assert nameless == []


@pytest.mark.parametrize("tab", ["chat", "search", "library"])
def test_a_phone_never_scrolls_sideways(open_page: OpenPage, tab: str) -> None:
    page = open_page(f"?tab={tab}", width=390, height=844, user="phone")

    assert width_of(page) == 390
    if tab == "chat":
        ask(page, "How many sides has the red square?")
        answered(page)
        page.click("text=How this came about")
        page.locator(".fl-table").wait_for()
        assert width_of(page) == 390
        page.locator(".fl-cite").first.click()
        page.wait_for_selector(".fl-mark")
        assert width_of(page) == 390


def test_several_libraries_do_not_give_a_phone_a_third_row_of_the_header(
    open_page: OpenPage,
) -> None:
    page = open_page(width=390, height=844, user="collector")

    expect(page.locator(".fl-libraries")).to_be_visible()
    tops = [page.locator(one).bounding_box() for one in (".fl-menu", ".fl-settings")]
    assert all(box is not None and box["y"] < 20 for box in tops)


def test_an_address_of_a_library_that_is_not_there_says_which_is_shown(
    open_page: OpenPage,
) -> None:
    page = open_page("?library=other")

    expect(page.locator(".q-notification")).to_have_text(
        "The library of this address is not here for you. This is tiny."
    )


def test_back_goes_through_tabs_and_chats_and_closes_a_source(open_page: OpenPage) -> None:
    page = open_page(user="karla")
    asked = page.locator(".fl-question-words")
    for question in ("How many sides has the red square?", "What is blue?"):
        page.click("text=New chat")
        expect(asked).to_have_count(0)
        ask(page, question)
        answered(page)
    page.locator(".fl-chat-title", has_text="red square").click()
    expect(asked).to_contain_text("red square")
    page.click(".q-tab:has-text('Search')")
    search(page, "red")
    page.click(".q-tab:has-text('Library')")
    expect(page.locator(".fl-tab-library")).to_be_visible()

    page.go_back()
    expect(page.locator(".fl-grid")).to_be_visible()
    page.locator(".fl-grid .fl-card").first.click()
    source = page.locator(".fl-panel-card")
    expect(source).to_be_visible()
    page.go_back()
    expect(source).to_be_hidden()
    expect(page.locator(".fl-grid")).to_be_visible()
    page.locator(".fl-grid .fl-card").first.click()
    expect(source).to_be_visible()
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    page.reload()
    expect(page.locator(".fl-grid .fl-card").first).to_be_visible()
    expect(page.locator(SEARCH)).to_have_value("red")
    page.go_back()
    expect(page.locator(".fl-tab-search .fl-example").first).to_be_visible()
    expect(page.locator(SEARCH)).to_have_value("")
    page.go_back()
    expect(asked).to_contain_text("red square")
    page.go_back()
    expect(asked).to_contain_text("blue")
    page.go_forward()
    expect(asked).to_contain_text("red square")
