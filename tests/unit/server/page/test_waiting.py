"""Pages that no browser comes for stay few, each user's and each address's for themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from nicegui import Client

from florilegium.server.authentication import Authentication
from florilegium.server.page.waiting import MOST_WAITING, SENT
from florilegium.server.users import User


@pytest.fixture
def asking(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[User]]:
    """Return who asks; afterwards all pages are cleared away, since NiceGUI has one app."""
    users = [User(name="anna", id="a")]
    monkeypatch.setattr(Authentication, "user", lambda *_: users[0])
    Client.instances.clear()
    yield users
    Client.instances.clear()


def open_page(client: TestClient) -> str:
    found = re.search(r"client_id[^0-9a-f]+([0-9a-f-]{36})", client.get("/").text)
    assert found is not None
    return found[1]


@pytest.mark.usefixtures("asking")
def test_of_many_pages_without_a_browser_the_newest_stay(client: TestClient) -> None:
    opened = [open_page(client) for _ in range(MOST_WAITING + 8)]

    assert list(Client.instances) == opened[8:]


@pytest.mark.usefixtures("asking")
def test_a_page_whose_browser_came_is_not_dropped(client: TestClient) -> None:
    first = open_page(client)
    for come in Client.instances[first].connect_handlers:
        come(Client.instances[first])

    opened = [open_page(client) for _ in range(MOST_WAITING + 8)]

    assert list(Client.instances) == [first, *opened[8:]]


@pytest.mark.usefixtures("asking")
def test_a_page_that_is_not_sent_yet_is_not_dropped(client: TestClient) -> None:
    first = open_page(client)
    setattr(Client.instances[first].request.state, SENT, False)

    opened = [open_page(client) for _ in range(MOST_WAITING + 8)]

    assert list(Client.instances) == [first, *opened[8:]]


def test_nobody_drops_the_pages_of_another_account(client: TestClient, asking: list[User]) -> None:
    first = open_page(client)
    asking[0] = User(name="berta", id="b")

    opened = [open_page(client) for _ in range(MOST_WAITING + 8)]

    assert list(Client.instances) == [first, *opened[8:]]


def test_where_a_key_is_shared_nobody_drops_the_pages_of_another_address(
    client: TestClient, asking: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking[0] = User(name="key")
    addresses = ["192.0.2.1"]
    ips: dict[str, str] = {}
    ip = property(lambda page: ips.setdefault(page.id, addresses[0]))
    monkeypatch.setattr(Client, "ip", ip)
    first = open_page(client)
    addresses[0] = "192.0.2.2"

    opened = [open_page(client) for _ in range(MOST_WAITING + 8)]

    assert list(Client.instances) == [first, *opened[8:]]
