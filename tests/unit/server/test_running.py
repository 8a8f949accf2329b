"""A real port, and a stop in the midst of things."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request
from sse_starlette import EventSourceResponse

from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.running import address, run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_runs_until_a_signal_and_then_returns(number: signal.Signals) -> None:
    app = FastAPI()
    told: list[str] = []
    got: list[int] = []

    @app.get("/")
    def root() -> str:
        return "here"

    def visit(at: str) -> None:
        got.append(httpx.get(at, timeout=30).status_code)
        signal.raise_signal(number)  # Python runs its handler in the main thread

    def tell(at: str) -> None:
        told.append(at)
        threading.Thread(target=visit, args=(at,)).start()

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        run(app, config=ServerConfig(port=0), tell=tell)
    finally:
        signal.signal(signal.SIGINT, before)

    assert got == [200]
    assert told[0].startswith("http://127.0.0.1:")


def test_a_later_server_of_the_process_streams_to_the_end() -> None:
    app = FastAPI()
    got: list[str] = []

    @app.get("/")
    def root() -> EventSourceResponse:
        return EventSourceResponse(words())

    async def words() -> AsyncIterator[str]:
        for word in ("one", "two"):
            await anyio.sleep(0.01)
            yield word

    def visit(at: str) -> None:
        try:
            got.append(httpx.get(at, timeout=30).text)
        finally:
            signal.raise_signal(signal.SIGTERM)

    def tell(at: str) -> None:
        threading.Thread(target=visit, args=(at,)).start()

    for _ in range(2):
        run(app, config=ServerConfig(port=0), tell=tell)

    assert got == ["data: one\r\n\r\ndata: two\r\n\r\n"] * 2


@pytest.mark.parametrize(
    ("trusted", "seen"), [(("127.0.0.1",), "203.0.113.9"), (("192.0.2.0/24",), "127.0.0.1")]
)
def test_what_a_proxy_says_of_its_client_counts_where_it_is_trusted(
    trusted: tuple[str, ...], seen: str
) -> None:
    app = FastAPI()
    got: list[str] = []

    @app.get("/")
    def root(request: Request) -> str:
        return request.client.host if request.client else ""

    def visit(at: str) -> None:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        got.append(httpx.get(at, headers=headers, timeout=30).json())
        signal.raise_signal(signal.SIGTERM)

    def tell(at: str) -> None:
        threading.Thread(target=visit, args=(at,)).start()

    run(app, config=ServerConfig(port=0, trusted_proxies=trusted), tell=tell)

    assert got == [seen]


def test_below_a_path_the_app_is_asked_without_it_and_knows_it() -> None:
    app = FastAPI()
    got: list[str] = []

    @app.get("/here")
    def here(request: Request) -> str:
        return str(request.url_for("here").path)

    def visit(at: str) -> None:
        got.append(httpx.get(f"{at}/here", timeout=30).json())
        signal.raise_signal(signal.SIGTERM)

    def tell(at: str) -> None:
        threading.Thread(target=visit, args=(at,)).start()

    run(app, config=ServerConfig(port=0, root_path="/library"), tell=tell)

    assert got == ["/library/here"]


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = ServerConfig(port=other.getsockname()[1])
        with pytest.raises(ConfigError, match=r"cannot listen at '127\.0\.0\.1'") as caught:
            run(FastAPI(), config=config, tell=_never)

    assert "--port 0" in str(caught.value.hint)


def test_an_address_of_version_6_is_in_brackets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert address(listener, "::1") == f"http://[::1]:{port}"


def _never(_: str) -> None:
    raise AssertionError
