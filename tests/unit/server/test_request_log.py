"""One line for each request, and what must not stand in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import pytest
from fastapi import FastAPI, Request, WebSocket
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from florilegium.server.request_log import FinishedRequest, RequestLog
from florilegium.server.request_notes import current_request, note_request


def _app(told: list[FinishedRequest]) -> FastAPI:
    app = FastAPI()

    @app.post("/libraries/{library}/search")
    async def search(library: str, request: Request) -> dict[str, str]:
        await request.body()
        note_request(user="anna", library=library)
        seen = await anyio.to_thread.run_sync(current_request)
        assert seen is not None
        return {"id": seen.id}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingResponse(pieces(), headers={"X-Request-Id": "of the route"})

    @app.get("/broken")
    async def broken() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            raise ZeroDivisionError

        return StreamingResponse(pieces())

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("häh")
        await socket.close()

    app.add_middleware(RequestLog, told=[told.append])
    return app


@pytest.fixture
def told() -> list[FinishedRequest]:
    return []


@pytest.fixture
def client(told: list[FinishedRequest]) -> TestClient:
    return TestClient(_app(told), raise_server_exceptions=False)


def test_a_request_is_told_of_when_it_is_over(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    response = client.post("/libraries/flowers/search", content=b"{}")

    [one] = told
    assert (one.method, one.route) == ("POST", "/libraries/{library}/search")
    assert (one.status, one.size, one.whole) == (200, len(response.content), True)
    assert (one.user, one.library) == ("anna", "flowers")
    assert 0 < one.seconds < 60


def test_the_id_goes_to_the_client_and_into_threads(client: TestClient) -> None:
    response = client.post("/libraries/flowers/search", headers={"X-Request-ID": "mine-1"})

    assert response.headers["x-request-id"] == "mine-1"
    assert response.json() == {"id": "mine-1"}


def test_an_id_that_is_none_is_replaced(client: TestClient) -> None:
    response = client.post("/libraries/flowers/search", headers={"X-Request-ID": "a b; c" * 99})

    assert len(response.headers["x-request-id"]) == 16


def test_there_is_one_header_even_where_a_route_sets_it(client: TestClient) -> None:
    response = client.get("/stream", headers={"X-Request-ID": "mine"})

    assert response.headers.get_list("x-request-id") == ["mine"]


def test_a_stream_is_over_with_its_last_piece(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    client.get("/stream")

    assert (told[0].size, told[0].whole) == (6, True)


def test_a_stream_that_breaks_off_is_not_whole(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    client.get("/broken")

    assert (told[0].status, told[0].size, told[0].whole) == (200, 3, False)


def test_an_error_that_nobody_handles_is_500(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    client.get("/fails")

    assert (told[0].status, told[0].route) == (500, "/fails")


def test_an_address_without_a_route_has_no_name_of_its_own(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    client.get("/secret/path")

    assert (told[0].status, told[0].route) == (404, "(unknown)")


def test_a_socket_is_told_of_when_it_is_closed(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    with client.websocket_connect("/socket") as socket:
        socket.receive_text()

    [one] = told
    assert (one.method, one.route, one.status, one.size) == ("WEBSOCKET", "/socket", 101, 4)


def test_a_socket_that_is_not_accepted_is_403(
    client: TestClient, told: list[FinishedRequest]
) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/no"):
        pass

    assert told[0].status == 403


def test_a_client_that_leaves_before_the_answer_is_499(told: list[FinishedRequest]) -> None:
    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async def leave() -> None:
        scope = {"type": "http", "method": "GET", "headers": [], "path": "/"}
        task = asyncio.create_task(RequestLog(hangs, told=[told.append])(scope, None, None))  # type: ignore[arg-type]  # never called
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())

    assert (told[0].status, told[0].whole) == (499, False)


def test_the_log_has_no_addresses_queries_bodies_headers_or_cookies(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="florilegium.access"):
        client.post(
            "/libraries/flowers/search?q=secret",
            content=b'{"text": "secret"}',
            headers={"Authorization": "Bearer secret", "Cookie": "session=secret"},
        )
        client.get("/secret")

    lines = [record for record in caplog.records if record.name == "florilegium.access"]
    assert len(lines) == 2
    assert {key: value for key, value in lines[0].fields.items() if key != "seconds"} == {  # type: ignore[attr-defined]  # put there by the log
        "method": "POST",
        "route": "/libraries/{library}/search",
        "status": 200,
        "bytes": 25,
        "user": "anna",
        "library": "flowers",
    }
    assert "secret" not in str([record.__dict__ for record in lines])
