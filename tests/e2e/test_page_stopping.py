"""A server that is told to stop in the midst of an answer on the page."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from florilegium.server.chats import Chats
from florilegium.server.page.mounting import CHATS_FILE
from florilegium.server.served import identity_of
from tests.e2e.browsing import ask
from tests.e2e.conftest import OpenPage, Served, serving_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server that the tests here stop."""
    with serving_page(tmp_path_factory.mktemp("stopped")) as served:
        yield served


def test_the_answer_gets_its_time_and_is_kept_with_what_was_written(
    open_page: OpenPage, served: Served
) -> None:
    page = open_page()
    ask(page, "Tell me slowly about the red square.")
    expect(page.locator(".fl-reply")).to_contain_text("word1 ")

    page.evaluate("window.socket.io.reconnection(false)")  # the browser would tell of errors
    os.kill(served.process, signal.SIGTERM)

    expect(page.locator(".fl-reply")).to_contain_text("word5 ")  # well after the signal
    expect(page.locator(".fl-failed")).to_contain_text("about to stop")
    chats = Chats(served.folder / CHATS_FILE, max_chats=5)
    chats.open()
    library = identity_of(served.library)
    [chat] = chats.all_of("anna", library)
    [exchange] = chats.exchanges("anna", library, chat.id)
    chats.close()
    assert "word5 " in str(exchange.reply["answer"])
    assert exchange.reply["error"]
