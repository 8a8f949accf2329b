"""The chat in a real browser: ask, stop, leave."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from florilegium.server.chats import Chats, Exchange
from florilegium.server.page.mounting import CHATS_FILE
from florilegium.server.page.turns import unfinished_reply
from florilegium.server.served import identity_of
from tests.e2e.browsing import QUESTION, answered, ask, wait_for_notes
from tests.e2e.conftest import OpenPage, Served

pytestmark = pytest.mark.slow

LOSE_CONNECTION = (
    "() => { window.socket.io.reconnection(false); window.socket.io.engine.transport.ws.close(); }"
)


def test_stop_ends_the_answer_and_frees_the_chat_model(open_page: OpenPage, served: Served) -> None:
    page = open_page()
    before = served.notes.count("ended")

    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word3")
    page.locator("[aria-label='Stop']").evaluate("(stop) => { stop.click(); stop.click(); }")
    answered(page)

    expect(page.locator(".fl-stopped")).to_contain_text("Stopped")
    assert "word3" in page.locator(".fl-reply").inner_text()
    wait_for_notes(page, served, before + 1)
    expect(page.locator("[aria-label='Send']")).to_be_visible()


def test_a_number_opens_its_source_while_the_answer_still_grows(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "Tell me slowly about the red square.")
    cite, source = page.locator(".fl-reply .fl-cite"), page.locator(".fl-panel-card h2")

    cite.click()
    expect(source).to_have_text("red square")
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    cite.focus()
    said = page.locator(".fl-reply").inner_text()
    expect(page.locator(".fl-reply")).not_to_have_text(said)
    page.keyboard.press("Enter")
    expect(source).to_have_text("red square")
    expect(page.locator(".fl-answer")).to_have_attribute("aria-busy", "true")

    page.keyboard.press("Escape")
    page.click("[aria-label='Stop']")
    answered(page)
    expect(page.locator(".fl-card .fl-number")).to_have_text("1")
    cite.click()
    expect(source).to_have_text("red square")


def test_closing_the_page_frees_the_chat_model(open_page: OpenPage, served: Served) -> None:
    page = open_page()
    before = served.notes.count("ended")

    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word1")
    other = open_page(context=page.context)
    page.close()

    wait_for_notes(other, served, before + 1)


def test_earlier_questions_of_a_long_chat_are_shown_when_asked_for(
    open_page: OpenPage, served: Served
) -> None:
    chats = Chats(served.folder / CHATS_FILE, max_chats=9)
    chats.open()
    library = identity_of(served.library)
    chat = chats.begin("heidi", library, title="Long")
    for number in range(1, 26):
        exchange = Exchange(question=f"question {number}", reply=unfinished_reply("so"))
        chats.add("heidi", library, chat.id, exchange)
    chats.close()

    page = open_page(f"?chat={chat.id}", user="heidi")
    questions = page.locator(".fl-question-words")
    expect(questions).to_have_count(20)
    expect(questions.last).to_be_in_viewport()
    page.get_by_role("button", name="Show earlier questions").press("Enter")

    expect(questions).to_have_text([f"question {number}" for number in range(1, 26)])
    expect(page.get_by_role("button", name="Show earlier questions")).to_have_count(0)
    expect(page.locator(".fl-exchange:focus")).to_contain_text("question 5")


def test_a_page_that_is_away_for_seconds_goes_on_where_it_was(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word1 ")

    page.evaluate(LOSE_CONNECTION)
    page.fill(QUESTION, "And")
    page.wait_for_timeout(500)  # what was received is shown
    known = page.locator(".fl-reply").inner_text()
    page.wait_for_timeout(6500)
    expect(page.locator(".fl-reply")).to_have_text(known)
    page.evaluate("window.socket.connect()")

    expect(page.locator(".fl-reply")).to_contain_text("word60 ")
    assert page.input_value(QUESTION) == "And"
    page.locator("[aria-label='Stop']").click()
    answered(page)


@pytest.mark.parametrize("again", ["reload", "language"])
def test_a_page_made_anew_shows_the_answer_that_is_still_written(
    open_page: OpenPage, served: Served, again: str
) -> None:
    page = open_page(user=f"ida {again}")
    before = served.notes.count("ended")
    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word1 ")
    page.wait_for_url(re.compile("chat="))

    if again == "reload":
        page.reload()
    else:
        page.click(".fl-language")
        expect(page.locator(".fl-tabs")).to_contain_text("对话")
    expect(page.locator(".fl-question-words")).to_have_text("Tell me slowly about the red square.")
    said = page.locator(".fl-reply")
    expect(said).to_contain_text("word5 ")
    assert page.input_value(QUESTION) == ""
    page.locator(".fl-strip .fl-card").first.wait_for()
    said.locator(".fl-cite").first.click()
    expect(page.locator(".fl-panel-title")).to_have_text("red square")
    page.keyboard.press("Escape")
    expect(page.locator(".fl-panel-card")).to_be_hidden()
    assert served.notes.count("ended") == before
    page.locator("[aria-label='Stop'], [aria-label='停止']").click()

    answered(page)
    expect(page.locator(".fl-stopped")).to_be_visible()
    expect(page.locator(".fl-chat")).to_have_count(1)
    wait_for_notes(page, served, before + 1)
    ask(page, "What is blue?")
    answered(page, 2)
    page.reload()
    answered(page, 2)
    assert page.input_value(QUESTION) == ""


def test_what_somebody_else_typed_is_not_given_back(open_page: OpenPage) -> None:
    page = open_page()

    page.evaluate("fl.hold('somebody else', 'What is green?', null, 1)")
    page.evaluate("fl.keep('fl.draft', { whose: 'somebody else', text: 'What is green?' })")
    page.reload()
    page.wait_for_function("sessionStorage.length && sessionStorage.getItem('fl.draft') === null")

    page.wait_for_timeout(100)
    assert page.input_value(QUESTION) == ""


def test_an_example_asks_its_question(open_page: OpenPage) -> None:
    page = open_page()

    page.locator(".fl-example").first.click()
    answered(page)

    expect(page.locator(".fl-question-words")).to_contain_text("Tell me about")
