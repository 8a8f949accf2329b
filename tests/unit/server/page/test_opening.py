"""The page is opened for whoever asks, at what the address says."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fastapi.testclient import TestClient
from nicegui import Client
from nicegui.client import ClientConnectionTimeout

from florilegium import Library
from florilegium.server.app import create_app
from florilegium.server.authentication import Authentication
from florilegium.server.page.shell import Shell
from florilegium.server.users import User
from tests.unit.server.samples import HERE


def test_the_page_is_in_the_language_that_the_browser_wants(client: TestClient) -> None:
    english = client.get("/", headers={"accept-language": "en"}).text
    chinese = client.get("/", headers={"accept-language": "zh-CN"}).text

    assert "Ask a question" in english
    assert "输入问题" in chinese


def test_a_lost_connection_is_told_in_the_language_of_the_page(client: TestClient) -> None:
    chinese = client.get("/", headers={"accept-language": "zh-CN"}).text
    english = client.get("/", headers={"accept-language": "en"}).text

    assert '<html lang="zh-CN"' in chinese
    assert "正在尝试重新连接" in chinese
    assert '<html lang="en-US"' in english
    assert "Trying to reconnect" in english


def test_the_first_colour_is_that_of_the_chosen_appearance(client: TestClient) -> None:
    client.cookies.set("florilegium_theme", "dark")

    assert "html{background:#161a17}" in client.get("/").text


def test_what_the_address_says_never_stands_in_the_page(client: TestClient) -> None:
    hostile = "<script>alert(1)</script>"

    html = client.get("/", params={"tab": hostile, "library": hostile, "chat": hostile}).text

    assert hostile not in html


def test_a_user_without_a_library_is_told_so(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = User(name="nobody", libraries=frozenset())
    monkeypatch.setattr(Authentication, "user", lambda *_: nobody)

    with TestClient(create_app(tiny_library), base_url=HERE) as client:
        assert "There is no library here for you." in client.get("/").text


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return the chats of the pages that were filled."""
    chats: list[str | None] = []

    async def start(_: Shell, chat: str | None, **_address: object) -> None:
        chats.append(chat)

    monkeypatch.setattr(Shell, "start", start)
    return chats


def test_a_page_that_nobody_came_for_is_not_filled(
    client: TestClient, started: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected, over = Client.connected, threading.Event()

    async def noting(page: Client, *seconds: float) -> None:
        await connected(page, *seconds)
        if seconds:  # else a timer of NiceGUI's
            over.set()

    monkeypatch.setattr(Client, "connected", noting)
    before = set(Client.instances)
    client.get("/")
    [id_] = set(Client.instances) - before
    assert client.portal is not None

    client.portal.call(Client.instances[id_].delete)
    assert over.wait(60)
    client.portal.call(asyncio.sleep, 0)  # the page has gone on by then

    assert started == []


def test_a_page_waits_for_its_browser_for_so_long_and_no_longer(
    client: TestClient,
    started: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits: list[float] = []

    async def connected(page: Client, *seconds: float) -> None:
        if not seconds:  # a timer of NiceGUI's
            await asyncio.sleep(60)
        waits.extend(seconds)
        raise ClientConnectionTimeout(page)

    monkeypatch.setattr(Client, "connected", connected)
    client.get("/")  # returns when the page is done or begins to wait

    assert waits == [90.0]
    assert started == []
    assert "ClientConnectionTimeout" not in caplog.text
