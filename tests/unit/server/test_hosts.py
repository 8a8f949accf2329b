"""Only names of this server are answered, so that nobody else's name opens it (DNS rebinding)."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from florilegium.config_sections import ServerConfig
from florilegium.server.hosts import HostCheck
from tests.unit.server.access_samples import SERVER_KEY, SOCKET, client_of, guarded, with_key
from tests.unit.server.samples import assert_error

KEY = {"Authorization": f"Bearer {SERVER_KEY}"}


@pytest.mark.parametrize(
    ("host", "config", "is_ours"),
    [
        ("localhost", {}, True),
        ("localhost:8000", {}, True),
        ("LOCALHOST:9000", {}, True),
        ("127.0.0.1:8000", {}, True),
        ("127.1.2.3", {}, True),
        ("[::1]:8000", {}, True),
        ("evil.example", {}, False),
        ("evil.example:8000", {}, False),
        ("localhost.evil.example", {}, False),
        ("127.0.0.1.evil.example", {}, False),
        ("localhost:8000.evil.example", {}, False),
        ("localhost:", {}, False),
        ("[::1]evil", {}, False),
        ("evil@localhost", {}, False),
        ("", {}, False),
        (":8000", {}, False),
        ("192.0.2.1:8000", {}, False),
        ("flowers.example.org", {"allowed_hosts": ("Flowers.example.org",)}, True),
        ("flowers.example.org:444", {"allowed_hosts": ("flowers.example.org",)}, True),
        ("x.flowers.example.org", {"allowed_hosts": ("flowers.example.org",)}, False),
        ("flowers.lan:8000", {"host": "flowers.lan"}, True),
        ("evil.example", {"host": "flowers.lan"}, False),
        ("192.0.2.1:8000", {"host": "0.0.0.0"}, True),
        ("[2001:db8::1]:8000", {"host": "::"}, True),
        ("0.0.0.0:8000", {"host": "0.0.0.0"}, True),
        ("evil.example", {"host": "0.0.0.0"}, False),
        ("192.0.2.9", {"host": "192.0.2.1"}, False),
    ],
)
def test_a_host_is_ours_or_not(host: str, config: dict[str, object], is_ours: bool) -> None:
    client = client_of(guarded(with_key(ServerConfig.model_validate(config))))

    answer = client.get("/api/me", headers={**KEY, "Host": host})

    if is_ours:
        assert answer.json() == "key"
    else:
        assert_error(answer, 403, "request_forbidden")
        assert "allowed_hosts" in answer.text


def test_no_or_two_hosts_are_refused() -> None:
    client = client_of(guarded(with_key(ServerConfig())))

    twice = [("Authorization", KEY["Authorization"]), ("Host", "localhost"), ("Host", "localhost")]
    assert "2 headers Host" in client.get("/api/me", headers=twice).json()["error"]["message"]

    async def ask_without() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await HostCheck(client.app, config=ServerConfig())(scope, receive, send)
        return sent

    start, body = asyncio.run(ask_without())
    assert start["status"] == 403
    assert b"no header Host" in body["body"]


def test_public_addresses_and_websockets_are_not_for_other_names_either() -> None:
    client = client_of(guarded(with_key(ServerConfig())))

    for path in ("/api/health", "/login"):
        assert client.get(path, headers={"Host": "evil.example"}).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(SOCKET, headers={**KEY, "Host": "evil.example"}),
    ):
        pass
