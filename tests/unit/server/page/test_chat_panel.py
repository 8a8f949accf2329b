"""The chat leaves its busy state however an answer ends, and keeps what was said.

How it looks and is used is tested with a browser, in tests/e2e/test_page_chat_panel.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from nicegui import Client, ui
from PIL import Image

from florilegium.answers import Event, Token
from florilegium.errors import InvalidQueryError, NotFoundError
from florilegium.server.chats import Chats, Exchange
from florilegium.server.page import chat_panel
from florilegium.server.page.chat_panel import ChatPanel
from florilegium.server.page.source_panel import SourcePanel
from florilegium.server.page.turns import jpeg, unfinished_reply
from florilegium.server.page.visit import Visit
from florilegium.server.service import Service
from florilegium.server.users import User
from tests.unit.server.page.running import on_client, texts_on

LONG = 60.0


def on_page(visit: Visit, act: Callable[[ChatPanel], Awaitable[None]]) -> list[str]:
    """Do something with a chat panel, and return the texts that it then shows."""

    async def nothing(_: str | None) -> None: ...

    async def run(client: Client) -> list[str]:
        panel = ChatPanel(visit, SourcePanel(visit), on_kept=nothing)
        await panel.open(None)
        await act(panel)
        return texts_on(client)

    return on_client(run)


async def writes(panel: ChatPanel) -> None:
    """Wait for the words of an endless answer."""
    for _ in range(round(LONG / 0.01)):
        if panel._answering is not None and panel._answering._text:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no word came")


async def asked(panel: ChatPanel, question: str, *, stops: int = 0) -> None:
    await panel.ask(question)
    task = panel._task
    if stops:
        await writes(panel)
    for _ in range(stops):
        panel.stop()
        await asyncio.sleep(0.15)
    if task is not None:
        await asyncio.wait_for(asyncio.wait([task]), LONG)
        assert task.exception() is None
    assert panel._task is None
    assert not panel._composer.is_busy()


def kept(visit: Visit) -> list[Exchange]:
    chats = visit.chats.all_of(visit.user.owner, visit.identity)
    return visit.chats.exchanges(visit.user.owner, visit.identity, chats[0].id) if chats else []


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers begin and never end."""

    async def events() -> AsyncIterator[Event]:
        yield Token(text="so far")
        await asyncio.sleep(60)

    @asynccontextmanager
    async def answer(*_: object) -> AsyncIterator[AsyncIterator[Event]]:
        yield events()
        await asyncio.sleep(0)

    monkeypatch.setattr(Service, "answer", answer)


def test_what_nobody_foresaw_leaves_the_chat_usable(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(chat_panel, "turns_of", broken)
        texts = on_page(visit, lambda panel: asked(panel, "What is red?"))

    assert "The server failed in a way that was not foreseen." in texts
    assert texts.count("This could not be answered") == 2  # shown, and announced to readers
    assert "a defect" in caplog.text


def test_a_whole_answer_is_announced(visit: Visit) -> None:
    texts = on_page(visit, lambda panel: asked(panel, "What is red?"))

    assert "The answer is complete." in texts


def test_an_unforeseen_failure_of_keeping_is_told(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Chats, "add", broken)

    texts = on_page(visit, lambda panel: asked(panel, "What is red?"))

    assert "The server failed in a way that was not foreseen." in texts


@pytest.mark.usefixtures("endless")
def test_stopping_often_stops_once_and_keeps_the_words(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Chats.add

    def slow(chats: Chats, *values: Any) -> None:
        time.sleep(0.4)
        add(chats, *values)

    monkeypatch.setattr(Chats, "add", slow)

    texts = on_page(visit, lambda panel: asked(panel, "What is red?", stops=3))

    assert texts.count("Stopped.") == 2  # shown, and announced to readers
    assert "The answer is complete." not in texts
    [exchange] = kept(visit)
    assert (exchange.reply["answer"], exchange.reply["stopped"]) == ("so far", True)


def test_one_that_is_stopped_before_it_begins_is_kept_without_words(visit: Visit) -> None:
    async def at_once(panel: ChatPanel) -> None:
        await panel.ask("What is red?")
        task = panel._task
        assert task is not None
        await asyncio.sleep(0)  # the task runs, what it writes not yet
        panel.stop()
        panel.stop()
        await asyncio.wait_for(asyncio.wait([task]), LONG)

    on_page(visit, at_once)

    [exchange] = kept(visit)
    assert exchange.reply["stopped"]


@pytest.mark.parametrize("library", ["other", "tiny"])
def test_a_chat_of_another_library_is_not_opened_whatever_its_name(
    visit: Visit, library: str
) -> None:
    assert visit.library == "tiny"
    other = visit.chats.begin(visit.user.owner, library, title="Roses")

    async def open_it(panel: ChatPanel) -> None:
        with pytest.raises(NotFoundError):
            await panel.open(other.id)

    on_page(visit, open_it)


def test_a_question_that_is_too_long_is_neither_shown_nor_kept(visit: Visit) -> None:
    question = "why " * visit.service.config.max_question_characters

    texts = on_page(visit, lambda panel: asked(panel, question))

    assert question.strip() not in texts
    assert kept(visit) == []


def test_a_question_that_the_service_calls_invalid_is_not_kept(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InvalidQueryError("It is not a question.")

    monkeypatch.setattr(Service, "answer", refuse)

    texts = on_page(visit, lambda panel: asked(panel, "?"))

    assert "It is not a question." in texts
    assert kept(visit) == []


def filled(visit: Visit, count: int, *, pictures: bool = False) -> str:
    chat = visit.chats.begin(visit.user.owner, visit.identity, title="Roses")
    for number in range(1, count + 1):
        exchange = Exchange(
            question=f"question {number}",
            reply=unfinished_reply("so far") | {"stopped": False},
            picture=jpeg(Image.new("RGB", (8, 8)), 8) if pictures else None,
            picture_hash=f"hash {number}" if pictures else None,
        )
        visit.chats.add(visit.user.owner, visit.identity, chat.id, exchange)
    return chat.id


def questions(texts: list[str]) -> list[str]:
    return [text for text in texts if text.startswith("question ")]


def test_a_full_chat_takes_no_question_and_says_so(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_panel, "MAX_EXCHANGES", 3)
    told: list[str] = []
    monkeypatch.setattr(ui, "notify", lambda text, **_: told.append(text))
    chat = filled(visit, 3)

    async def one_more(panel: ChatPanel) -> None:
        await panel.open(chat)
        await asked(panel, "question 4")

    texts = on_page(visit, one_more)

    assert questions(texts) == ["question 1", "question 2", "question 3"]
    assert told == ["This chat is full: it holds 3 questions. Begin a new one."]


def test_a_long_chat_shows_the_newest_and_earlier_ones_when_asked_for(visit: Visit) -> None:
    chat = filled(visit, 45)
    seen: list[int] = []

    async def look(panel: ChatPanel) -> None:
        await panel.open(chat)
        for before in (None, 26, 6):
            if before is not None:
                places = [
                    one
                    for one in panel._thread.descendants()
                    if "fl-earlier" in one.classes and any(one.descendants())
                ]
                twice = [panel.show_earlier(places[-1], before) for _ in range(2)]
                await asyncio.gather(*twice)
            shown = [one._text for one in panel._thread.descendants() if one._text]
            seen.append(len(questions([str(one) for one in shown])))
        order = [str(one._text) for one in panel._thread.descendants() if one._text]
        assert questions(order) == [f"question {number}" for number in range(1, 46)]

    on_page(visit, look)

    assert seen == [20, 40, 45]


def test_of_the_pictures_only_the_newest_is_held(visit: Visit) -> None:
    chat = filled(visit, 5, pictures=True)

    async def look(panel: ChatPanel) -> None:
        await panel.open(chat)
        assert [one.picture is not None for one in panel._exchanges] == [False] * 4 + [True]
        assert panel._exchanges[-1].picture_hash == "hash 5"

    on_page(visit, look)


def test_a_chat_that_cannot_be_read_leaves_the_field_usable(visit: Visit) -> None:
    async def fail_then_ask(panel: ChatPanel) -> None:
        with pytest.raises(NotFoundError):
            await panel.open("nothing")
        await asked(panel, "What is red?")

    on_page(visit, fail_then_ask)

    assert [one.question for one in kept(visit)] == ["What is red?"]


def test_a_chat_of_another_account_of_the_same_name_is_not_opened(visit: Visit) -> None:
    gone = replace(visit, user=User(name="anna", id="0" * 32))
    later = replace(visit, user=User(name="anna", id="1" * 32))
    on_page(gone, lambda panel: asked(panel, "What is red?"))
    [chat] = visit.chats.all_of(gone.user.owner, visit.identity)

    async def open_it(panel: ChatPanel) -> None:
        with pytest.raises(NotFoundError):
            await panel.open(chat.id)

    on_page(later, open_it)

    assert visit.chats.all_of(later.user.owner, visit.identity) == []


def test_a_server_that_stops_waits_until_what_was_written_is_kept(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Chats.add

    def slow(chats: Chats, *values: Any) -> None:
        time.sleep(0.2)
        add(chats, *values)

    monkeypatch.setattr(Chats, "add", slow)
    found: list[Exchange] = []

    async def stop(panel: ChatPanel) -> None:
        await panel.ask("What is red?")
        await asyncio.sleep(0)  # the answer begins
        await visit.service.drain(30.0)
        found.extend(kept(visit))

    on_page(visit, stop)

    assert [exchange.question for exchange in found] == ["What is red?"]


@pytest.mark.usefixtures("endless")
def test_another_page_of_the_same_chat_shows_and_stops_what_is_written(visit: Visit) -> None:
    async def follow(panel: ChatPanel) -> None:
        await panel.ask("What is red?")
        task = panel._task
        await writes(panel)
        [chat] = visit.door.writings

        async def nothing(_: str | None) -> None: ...

        with Client(ui.page("")) as client:
            other = ChatPanel(visit, SourcePanel(visit), on_kept=nothing)
            await other.open(chat)
            assert other._composer.is_busy()
            following = other._task
            other.stop()
            assert task is not None
            assert following is not None
            await asyncio.wait_for(asyncio.wait([task, following]), LONG)
            assert not other._composer.is_busy()
            assert (other._chat, other._count) == (chat, 1)
            texts = [one._text for one in client.elements.values() if one._text]
        client.delete()
        assert "Stopped." in texts
        assert "What is red?" in texts
        assert visit.door.writings == {}

    on_page(visit, follow)

    assert len(visit.chats.all_of(visit.user.owner, visit.identity)) == 1


def test_a_chat_begun_for_a_question_that_is_none_goes_again(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InvalidQueryError("It is not a question.")

    monkeypatch.setattr(Service, "answer", refuse)

    on_page(visit, lambda panel: asked(panel, "?"))

    assert visit.chats.all_of(visit.user.owner, visit.identity) == []
