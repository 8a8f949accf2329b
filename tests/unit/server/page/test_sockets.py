"""A socket that was opened for one page says nothing for another, whatever it sends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from socketio import AsyncServer

from florilegium.server.page.sockets import bind_sockets


def server_with(heard: list[tuple[str, Any]], *, query: str) -> AsyncServer:
    server = AsyncServer(async_mode="asgi")
    server.get_environ = lambda sid, namespace=None: {"QUERY_STRING": query}

    async def on_handshake(sid: str, message: Any) -> bool:
        await asyncio.sleep(0)
        heard.append(("handshake", message["client_id"]))
        return True

    def on_event(sid: str, message: Any) -> str:
        heard.append(("event", message["client_id"]))
        return "done"

    def on_connect(sid: str, environ: Any) -> None:
        heard.append(("connect", None))

    server.on("handshake", on_handshake)
    server.on("event", on_event)
    server.on("connect", on_connect)
    bind_sockets(server)
    return server


def send(server: AsyncServer, name: str, *values: Any) -> Any:
    return asyncio.run(server._trigger_event(name, "/", "a socket", *values))


def test_messages_for_the_page_of_the_socket_arrive_with_their_answers() -> None:
    heard: list[tuple[str, Any]] = []
    server = server_with(heard, query="EIO=4&client_id=mine")

    assert send(server, "handshake", {"client_id": "mine"}) is True
    assert send(server, "event", {"client_id": "mine"}) == "done"
    assert send(server, "connect", {}) is None
    assert heard == [("handshake", "mine"), ("event", "mine"), ("connect", None)]


@pytest.mark.parametrize("message", [{"client_id": "hers"}, {}, None, "mine", ["mine"], {"a": 1}])
@pytest.mark.parametrize("name", ["handshake", "event"])
def test_other_messages_are_dropped_and_told(
    name: str, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, Any]] = []
    server = server_with(heard, query="EIO=4&client_id=mine")

    assert send(server, name, message) is False
    assert heard == []
    assert "named another page" in caplog.text
    assert "hers" not in caplog.text


@pytest.mark.parametrize("query", ["", "client_id=", "client_id=hers&client_id=mine"])
def test_a_socket_without_one_page_says_nothing(query: str) -> None:
    heard: list[tuple[str, Any]] = []

    assert send(server_with(heard, query=query), "event", {"client_id": "mine"}) is False
    assert heard == []
