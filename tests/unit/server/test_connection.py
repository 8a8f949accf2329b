"""Work for a client that may go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from florilegium.server.connection import while_connected


def request(*messages: dict[str, Any], then_wait: bool = False) -> Request:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left and then_wait:
            await asyncio.Event().wait()
        return left.pop(0)

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_work_for_a_client_who_stays_is_returned() -> None:
    async def work() -> str:
        return "done"

    asked = request({"type": "http.request", "body": b"{}"}, then_wait=True)

    assert asyncio.run(while_connected(asked, work())) == "done"


def test_a_body_that_still_comes_is_no_leaving() -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    asked = request(part, part, {"type": "http.request", "body": b"}"}, then_wait=True)

    assert asyncio.run(while_connected(asked, asyncio.sleep(0.02, "done"))) == "done"


def test_work_for_a_client_who_goes_is_cancelled() -> None:
    cancelled: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    asked = request({"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"})

    with pytest.raises(ClientDisconnect):
        asyncio.run(while_connected(asked, work()))
    assert cancelled == [True]


def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(while_connected(request(then_wait=True), work()))
