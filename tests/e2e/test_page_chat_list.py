"""The history of chats in a real browser, each user's own."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import (
    answered,
    ask,
)
from tests.e2e.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_a_chat_is_there_again_after_loading_the_page_anew(open_page: OpenPage) -> None:
    page = open_page(user="berta")
    ask(page, "How many sides has the red square?")
    answered(page)
    expect(page.locator(".fl-chat")).to_have_count(1)

    page.reload()
    answered(page)
    page.locator(".fl-cite").first.click()

    expect(page.locator(".fl-panel-title")).to_have_text("red square")
    page.keyboard.press("Escape")
    ask(page, "And which colour?")
    answered(page, 2)
    expect(page.locator(".fl-chat")).to_have_count(1)


def test_a_chat_of_one_user_is_not_there_for_another(open_page: OpenPage) -> None:
    page = open_page(user="carl")
    ask(page, "How many sides has the red square?")
    answered(page)
    page.wait_for_url(re.compile("chat="))

    other = open_page("?" + page.url.split("?")[1], user="dora")

    expect(other.locator(".q-notification")).to_contain_text("There is no such chat")
    expect(other.locator(".fl-exchange")).to_have_count(0)
    expect(other.locator(".fl-chat")).to_have_count(0)


def test_a_chat_can_be_renamed_and_deleted(open_page: OpenPage) -> None:
    page = open_page(user="emil")
    ask(page, "How many sides has the red square?")
    answered(page)

    page.click("[aria-label='Rename this chat']")
    page.fill(".fl-dialog input", "Squares")
    page.click(".fl-dialog button:has-text('Save')")
    expect(page.locator(".fl-chat-title")).to_have_text("Squares")
    page.click("[aria-label='Delete this chat']")
    page.click(".fl-dialog button:has-text('Delete')")

    expect(page.locator(".fl-chat")).to_have_count(0)
    expect(page.locator(".fl-greeting")).to_be_visible()


def test_a_new_chat_begins_without_what_was_said(open_page: OpenPage) -> None:
    page = open_page(user="fritz")
    ask(page, "How many sides has the red square?")
    answered(page)

    page.click("text=New chat")
    expect(page.locator(".fl-greeting")).to_be_visible()
    ask(page, "Has the green circle corners?")
    answered(page)

    expect(page.locator(".fl-chat")).to_have_count(2)
    page.locator(".fl-chat-title").nth(1).click()
    expect(page.locator(".fl-question-words")).to_contain_text("red square")


def test_an_answer_goes_to_its_own_chat_when_another_is_opened_meanwhile(
    open_page: OpenPage,
) -> None:
    page = open_page(user="gerd")
    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word2")

    page.click("text=New chat")
    expect(page.locator(".fl-greeting")).to_be_visible()
    expect(page.locator(".fl-chat")).to_have_count(1)
    page.locator(".fl-chat-title").click()

    expect(page.locator(".fl-stopped")).to_be_visible()
    expect(page.locator(".fl-reply")).to_contain_text("word2")
