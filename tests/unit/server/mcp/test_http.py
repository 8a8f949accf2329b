"""MCP over HTTP: users, sessions without growth, guards, and clients that go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.error_answers import add_error_answers
from florilegium.server.mcp import http
from florilegium.server.mcp.http import McpDoor, add_mcp
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User
from tests.unit.server.samples import HERE

ANA = User(name="ana", libraries=frozenset({"tiny"}))
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "Host": "localhost:8000",
}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
LIST = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "list_libraries", "arguments": {}},
}


class ByHeader:
    """Takes who asks from a header, in the place of the guard of the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = dict(scope.get("headers", ()))
        user = ANA if names.get(b"authorization") == b"Bearer ana" else LOCAL_USER
        scope.setdefault("state", {})["user"] = user
        await self._app(scope, receive, send)


@contextmanager
def standing(library: Library, config: ServerConfig) -> Iterator[tuple[FastAPI, McpDoor]]:
    """Give an app with two libraries, of which Ana sees one, and its door."""
    service = Service({"tiny": library, "other": library}, config=config)
    app = FastAPI()
    add_error_answers(app)
    door = add_mcp(app, service)
    app.router.lifespan_context = lambda _: door.running()
    app.add_middleware(ByHeader)
    yield app, door
    service.close()


@pytest.fixture
def door(tiny_library: Library) -> Iterator[tuple[FastAPI, McpDoor]]:
    with standing(tiny_library, ServerConfig()) as door:
        yield door


@pytest.fixture
def client(door: tuple[FastAPI, McpDoor]) -> Iterator[TestClient]:
    with TestClient(door[0], headers=HEADERS) as client:
        yield client


def open_session(client: TestClient, **headers: str) -> dict[str, str]:
    """Open a session, and return the headers of its requests."""
    answer = client.post("/mcp", json=INITIALIZE, headers=headers)
    assert answer.status_code == 200, answer.text
    known = {**headers, "Mcp-Session-Id": answer.headers["mcp-session-id"]}
    client.post(
        "/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=known
    )
    return known


def open_sessions(door: McpDoor) -> int:
    assert door._manager is not None
    return len(door._manager._server_instances)


def test_the_user_of_the_request_reaches_the_tools(client: TestClient) -> None:
    mine = client.post("/mcp", json=LIST, headers=open_session(client))
    hers = {"Authorization": "Bearer ana"}
    hers_answer = client.post("/mcp", json=LIST, headers=open_session(client, **hers))

    assert '"name":"other"' in mine.text.replace(" ", "")
    assert '"name":"tiny"' in hers_answer.text.replace(" ", "")
    assert '"name":"other"' not in hers_answer.text.replace(" ", "")


def test_nobody_uses_the_session_of_somebody_else(client: TestClient) -> None:
    session = open_session(client, Authorization="Bearer ana")
    session["Authorization"] = "Bearer somebody"

    assert client.post("/mcp", json=LIST, headers=session).status_code == 404


def test_sessions_do_not_grow_without_bound(
    door: tuple[FastAPI, McpDoor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_SESSIONS", 3)
    with TestClient(door[0], headers=HEADERS) as client:
        sessions = [open_session(client) for _ in range(3)]

        refused = client.post("/mcp", json=INITIALIZE)

        assert refused.status_code == 503
        assert open_sessions(door[1]) == 3
        assert client.delete("/mcp", headers=sessions[0]).status_code == 200
        assert open_sessions(door[1]) == 2
        open_session(client)


def test_a_further_session_of_a_user_ends_the_least_recently_used(
    door: tuple[FastAPI, McpDoor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_PER_USER", 2)
    with TestClient(door[0], headers=HEADERS) as client:
        hers = open_session(client, Authorization="Bearer ana")
        first, second = open_session(client), open_session(client)
        assert client.post("/mcp", json=LIST, headers=first).status_code == 200

        third = open_session(client)

        statuses = [
            client.post("/mcp", json=LIST, headers=session).status_code
            for session in (first, second, third, hers)
        ]
        assert statuses == [200, 404, 200, 200]
        for _ in range(10):
            open_session(client)
        assert open_sessions(door[1]) == 3


def test_a_session_that_is_not_used_ends(
    door: tuple[FastAPI, McpDoor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.05)
    with TestClient(door[0], headers=HEADERS) as client:
        session = open_session(client)
        for _ in range(100):
            if not open_sessions(door[1]):
                break
            client.get("/nothing")

        assert open_sessions(door[1]) == 0
        assert client.post("/mcp", json=LIST, headers=session).status_code == 404


def test_the_newer_protocol_leaves_no_session(
    door: tuple[FastAPI, McpDoor], client: TestClient
) -> None:
    headers = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover"}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}

    answers = [client.post("/mcp", json=body, headers=headers) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    assert open_sessions(door[1]) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:8000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://elsewhere.example", "Authorization": "Bearer key"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
def test_pages_of_others_do_not_reach_it(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/mcp", json=INITIALIZE, headers=headers).status_code == status


def test_pages_of_an_origin_that_is_allowed_reach_it(tiny_library: Library) -> None:
    config = ServerConfig(cors_origins=("https://friend.example",))
    headers = {**HEADERS, "Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}
    with standing(tiny_library, config) as (app, _), TestClient(app, headers=headers) as client:
        assert client.post("/mcp", json=LIST, headers=open_session(client)).status_code == 200
        other = {"Origin": "https://evil.example"}
        assert client.post("/mcp", json=INITIALIZE, headers=other).status_code == 403


def test_a_name_of_the_settings_is_let_in(tiny_library: Library) -> None:
    config = ServerConfig(allowed_hosts=("garden.example",))
    headers = {**HEADERS, "Host": "garden.example"}
    with standing(tiny_library, config) as (app, _), TestClient(app, headers=headers) as client:
        assert client.post("/mcp", json=INITIALIZE).status_code == 200


def test_a_body_over_the_limit_is_refused(tiny_library: Library) -> None:
    config = ServerConfig(max_body_megabytes=0.001)
    with TestClient(
        create_app(tiny_library, config=config), base_url=HERE, headers=HEADERS
    ) as client:
        body: dict[str, Any] = {**INITIALIZE, "id": "x" * 2000}

        assert client.post("/mcp", json=body).status_code == 413


def test_before_it_runs_nobody_is_served(door: tuple[FastAPI, McpDoor]) -> None:
    answer = TestClient(door[0], headers=HEADERS).post("/mcp", json=INITIALIZE)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "server_busy"


def test_it_can_run_again(door: tuple[FastAPI, McpDoor]) -> None:
    for _ in range(2):
        with TestClient(door[0], headers=HEADERS) as client:
            open_session(client)
