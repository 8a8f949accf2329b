"""An error that nobody foresaw is answered as all others are: with an id, and with its headers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import StreamingResponse

from florilegium import Library
from florilegium.server.app import create_app
from florilegium.server.request_notes import current_request
from florilegium.server.unforeseen import UnforeseenErrors
from tests.unit.server.samples import HERE, assert_error


def test_its_answer_has_the_id_of_the_request_and_the_headers_of_all_answers(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def fail(_: str) -> None:
        request = current_request()
        seen.append("" if request is None else request.id)
        raise ValueError("secret detail")

    monkeypatch.setattr(tiny_library, "item", fail)
    app = create_app(tiny_library)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        answer = client.get("/api/libraries/tiny/items/0123456789abcdef0123456789abcdef")

    assert_error(answer, 500, "internal")
    assert [answer.headers["x-request-id"]] == seen
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "content-security-policy" in answer.headers
    [told] = [one for one in caplog.records if one.name == "florilegium.server.unforeseen"]
    assert told.getMessage() == "GET /api/libraries/{library}/items/{id_} failed"
    assert told.exc_info is not None
    assert "0123456789abcdef" not in caplog.text


def test_an_answer_that_has_begun_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    app.add_middleware(UnforeseenErrors)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            raise ZeroDivisionError

        return StreamingResponse(pieces())

    with pytest.raises(ZeroDivisionError):
        TestClient(app).get("/stream")

    assert "GET /stream failed" in caplog.text
