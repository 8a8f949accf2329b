"""A server that is told to stop in the midst of answers: each door tells its reader so."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.running import run
from tests.e2e.serving import SlowChatModel, wait_until
from tests.unit.server.samples import speak_by

QUESTION = {"question": "How many sides has a red square?"}
CHAT = {
    "model": "tiny",
    "stream": True,
    "messages": [{"role": "user", "content": QUESTION["question"]}],
}
LONG = 30.0
STOPPING = "The server is about to stop."


@pytest.fixture
def model(tiny_library: Library) -> SlowChatModel:
    """Return the chat model of the tiny library, which speaks without end."""
    model = SlowChatModel()
    speak_by(tiny_library, model)
    return model


@pytest.fixture(autouse=True)
def _as_in_the_foreground() -> Iterator[None]:
    # Where the tests run in the background, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def data_of(address: str, path: str, body: dict[str, Any]) -> list[Any]:
    """Return the data of a stream that ends as streams do."""
    with httpx.stream("POST", address + path, json=body, timeout=LONG) as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def over_sse(address: str) -> str:
    return str(data_of(address, "/api/libraries/tiny/ask", QUESTION)[-1]["error"])


def over_openai(address: str) -> str:
    return str(data_of(address, "/v1/chat/completions", CHAT)[-1]["error"])


def over_mcp(address: str) -> str:
    async def call() -> str:
        async with Client(streamable_http_client(f"{address}/mcp")) as client:
            result = await client.call_tool("ask", QUESTION)
        assert result.is_error
        return str(result.content)

    return asyncio.run(call())


def stop(
    library: Library,
    model: SlowChatModel,
    *signals: signal.Signals,
    stop_seconds: float,
    doors: Sequence[Callable[[str], str]],
) -> tuple[list[str], float]:
    """Stop a server while it answers at some doors; return what they told, and its last seconds."""
    config = ServerConfig(port=0, page=False, stop_seconds=stop_seconds)
    app = create_app({"tiny": library}, config=config)
    told: list[Future[str]] = []
    began: list[float] = []

    def visit(address: str) -> None:
        try:
            told.extend(pool.submit(door, address) for door in doors)
            wait_until(lambda: model.open_streams == len(doors))
        finally:
            began.append(time.monotonic())
            for number in signals:
                signal.raise_signal(number)  # Python runs its handler in the main thread
                # Two that come before it has run are one.
                wait_until(lambda: app.state.service.stopping.begun)

    def tell(address: str) -> None:
        pool.submit(visit, address)

    with ThreadPoolExecutor() as pool:
        run(app, config=config, tell=tell, drain=app.state.service.drain)
        took = time.monotonic() - began[0]
        return [one.result(LONG) for one in told], took


def test_at_the_end_of_its_time_an_answer_ends_with_an_error_at_each_door(
    tiny_library: Library, model: SlowChatModel
) -> None:
    doors = [over_sse, over_openai, over_mcp]

    told, took = stop(tiny_library, model, signal.SIGTERM, stop_seconds=0.5, doors=doors)

    assert all(STOPPING in one for one in told), told
    assert "server_busy" in told[0]
    assert took < LONG
    assert model.open_streams == 0


def test_a_second_ctrl_c_takes_their_time_from_answers_and_ends_in_order(
    tiny_library: Library, model: SlowChatModel, caplog: pytest.LogCaptureFixture
) -> None:
    told, took = stop(
        tiny_library, model, signal.SIGINT, signal.SIGINT, stop_seconds=60.0, doors=[over_sse]
    )

    assert STOPPING in told[0]
    assert took < LONG
    assert [one for one in caplog.records if one.exc_info or one.levelno >= logging.ERROR] == []
