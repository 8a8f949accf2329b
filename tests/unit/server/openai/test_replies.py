"""JSON replies, and streams that end with their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from florilegium.config_sections import ServerConfig
from florilegium.serialize import Json
from florilegium.server.openai.replies import JsonStream, json_reply

SCOPE = {"type": "http", "method": "POST", "headers": []}


class Pieces:
    """A generator that says whether it was closed."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.closed = False

    async def run(self) -> AsyncGenerator[Json, None]:
        try:
            for number in range(self.count):
                yield {"number": number}
                await asyncio.sleep(0)
        finally:
            self.closed = True


async def serve(
    pieces: Pieces, *, leave_after: int | None = None, hang: bool = False
) -> list[bytes]:
    """Return the bodies that a client gets that leaves, or takes nothing, after some of them."""
    sent: list[bytes] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
        if leave_after is not None and len(sent) > leave_after:
            if hang:
                await asyncio.Event().wait()
            gone.set()
            await asyncio.sleep(0.01)

    generator = pieces.run()
    first = await anext(generator)
    stream = JsonStream(generator, first=first, config=ServerConfig(send_seconds=0.05))
    await stream(SCOPE, receive, send)
    return sent


def test_json_is_ascii_whatever_names_files_have() -> None:
    assert json_reply({"path": "茶\udcff"}).body == b'{"path": "\\u8336\\udcff"}'


def test_a_stream_is_lines_of_data_and_done() -> None:
    pieces = Pieces(2)

    sent = asyncio.run(serve(pieces))

    assert sent == [
        b'data: {"number": 0}\n\n',
        b'data: {"number": 1}\n\n',
        b"data: [DONE]\n\n",
        b"",
    ]
    assert pieces.closed


@pytest.mark.parametrize("hang", [False, True])
def test_a_client_that_leaves_or_takes_nothing_ends_the_stream(hang: bool) -> None:
    pieces = Pieces(10_000)

    sent = asyncio.run(serve(pieces, leave_after=3, hang=hang))

    assert len(sent) < 10
    assert pieces.closed


def test_a_stream_that_no_client_waits_for_is_closed_too() -> None:
    pieces = Pieces(5)

    async def gone_at_once() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            raise OSError("the connection is closed")

        generator = pieces.run()
        stream = JsonStream(generator, first=await anext(generator), config=ServerConfig())
        await stream(SCOPE, receive, send)

    with pytest.raises(OSError, match="closed"):
        asyncio.run(gone_at_once())
    assert pieces.closed
