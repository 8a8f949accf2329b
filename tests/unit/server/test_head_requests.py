"""HEAD is answered as GET is, without a body."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from florilegium.config_sections import ServerConfig
from florilegium.server.head_requests import HeadRequests
from tests.unit.server.samples import find


@pytest.fixture
def config() -> ServerConfig:
    return ServerConfig(metrics=True)


@pytest.mark.parametrize(
    "path", ["/", "/api/health", "/api/libraries/tiny", "/metrics", "/openapi.json", "/v1/models"]
)
def test_what_answers_get_answers_head(client: TestClient, path: str) -> None:
    head = client.head(path)

    assert head.status_code == 200
    assert head.headers["content-type"] == client.get(path).headers["content-type"]
    assert head.content == b""


def test_a_picture_and_the_page_of_its_item_have_a_head(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]

    for path in (f"/api/libraries/tiny/items/{id_}/picture", f"/items/tiny/{id_}"):
        whole = client.get(path)
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))


def test_what_has_no_get_has_no_head(client: TestClient) -> None:
    assert client.head("/api/libraries/tiny/search").status_code == 405
    assert client.head("/nothing").status_code == 404


def test_the_log_knows_head_and_its_route(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="florilegium.access"):
        client.head("/api/libraries/tiny")

    fields = caplog.records[-1].fields  # type: ignore[attr-defined]  # an extra of the log
    assert (fields["method"], fields["route"]) == ("HEAD", "/api/libraries/{library}")
    assert fields["bytes"] == 0


async def asked_method(path: str) -> str:
    """Return the method that an app is asked for when a HEAD comes."""
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def nowhere(_: Message) -> None:
        pass

    scope = {"type": "http", "method": "HEAD", "path": path, "headers": []}
    await HeadRequests(app)(scope, nothing, nowhere)
    return str(seen[0])


def test_a_stream_is_not_opened_for_a_head() -> None:
    for path, method in {"/mcp": "HEAD", "/_nicegui_ws/socket.io/": "HEAD", "/": "GET"}.items():
        assert asyncio.run(asked_method(path)) == method
