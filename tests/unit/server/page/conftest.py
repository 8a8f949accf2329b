"""An opened page without a browser, to put elements on and look at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nicegui import Client, ui
from nicegui.element import Element

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.chats import Chats
from florilegium.server.page.texts import Say
from florilegium.server.page.visit import Door, Visit
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER


@pytest.fixture
def canvas() -> Iterator[Client]:
    """Return an opened page that no browser is connected to."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with Client(ui.page("")) as client:
        yield client
    client.delete()
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def visit(tiny_library: Library, tmp_path: Path) -> Iterator[Visit]:
    """Return a visit of the tiny library."""
    service = Service({"tiny": tiny_library}, config=ServerConfig())
    chats = Chats(tmp_path / "chats.sqlite", max_chats=5)
    chats.open()
    door = Door(service=service, chats=chats, log_out_token=lambda _: None)
    yield Visit(door=door, user=LOCAL_USER, library="tiny", say=Say(language="en"), theme="auto")
    chats.close()
    service.close()


@pytest.fixture
def shown(canvas: Client) -> Callable[[], list[str]]:
    """Return what gives the texts of all elements, in the order of their making."""

    def texts() -> list[str]:
        elements: list[Element] = list(canvas.elements.values())
        return [element._text for element in elements if element._text]

    return texts
