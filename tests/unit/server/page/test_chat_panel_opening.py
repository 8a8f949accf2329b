"""What is asked while a chat opens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from florilegium.server.page import chat_panel
from florilegium.server.page.chat_panel import ChatPanel
from florilegium.server.page.visit import Visit
from tests.unit.server.page.test_chat_panel import LONG, kept, on_page


def on_its_page(panel: ChatPanel, act: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Begin something as an event of the page would."""

    async def run() -> None:
        with panel._client:
            await act

    return asyncio.ensure_future(run())


def is_busy(panel: ChatPanel) -> bool:
    return panel._task is not None


def test_what_is_asked_while_a_chat_opens_is_asked_once_when_it_is_open(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask_at_once(panel: ChatPanel) -> None:
        greets, go_on = asyncio.Event(), asyncio.Event()

        async def slow(*_: object, **__: object) -> None:
            greets.set()
            await go_on.wait()

        monkeypatch.setattr(chat_panel, "greet", slow)
        opening = on_its_page(panel, panel.open(None))
        await greets.wait()
        asking = [on_its_page(panel, panel.ask("What is red?")) for _ in range(2)]
        await asyncio.sleep(0)
        assert not is_busy(panel)
        go_on.set()
        await asyncio.wait_for(asyncio.gather(opening, *asking), LONG)
        task = panel._task
        assert task is not None
        await asyncio.wait_for(asyncio.wait([task]), LONG)

    on_page(visit, ask_at_once)

    assert [exchange.question for exchange in kept(visit)] == ["What is red?"]


def test_what_is_asked_is_not_asked_in_another_chat_that_is_chosen_meanwhile(visit: Visit) -> None:
    async def choose_another(panel: ChatPanel) -> None:
        panel._is_open.clear()
        asking = on_its_page(panel, panel.ask("What is red?"))
        await asyncio.sleep(0)
        await panel.open(None)
        await asyncio.wait_for(asking, LONG)
        assert not is_busy(panel)

    on_page(visit, choose_another)

    assert kept(visit) == []
