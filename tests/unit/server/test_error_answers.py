"""Every error is answered in one shape."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.errors import ChatTimeoutError, TooBusyError, UnauthenticatedError
from florilegium.server.app import create_app
from florilegium.server.error_answers import error_answer
from tests.unit.server.samples import HERE, assert_error

_SCOPE = {"type": "http", "path": "/api/libraries"}


def test_an_unknown_address_is_not_found(client: TestClient) -> None:
    assert "'/nothing'" in assert_error(client.get("/nothing"), 404, "not_found")["message"]


def test_a_wrong_method_says_which_are_right(client: TestClient) -> None:
    answer = client.put("/api/health")

    assert_error(answer, 405, "request_refused")
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_wrong_body_is_told_by_its_places(client: TestClient) -> None:
    body = {"text": 1, "top_k": 0, "wrong": True, "images": "x"}
    answer = client.post("/api/libraries/tiny/search", json=body)

    error = assert_error(answer, 422, "request_invalid")

    assert "body.text" in error["message"]
    assert "and 1 more" in error["message"]


@pytest.mark.parametrize(
    ("address", "body", "told"),
    [
        ("ask", {"text": "roses"}, "body.text: there is no such field; did you mean 'question'?"),
        ("search", {"query": "roses"}, "body.query: there is no such field; did you mean 'text'?"),
        ("search", {"text": "roses", "zoom": 1}, "body.zoom: there is no such field"),
        (
            "search",
            {"text": "roses", "where": {"text": ["a"]}},
            "body.where.text: there is no such field",
        ),
    ],
)
def test_a_field_that_is_not_known_is_taken_for_one_that_is(
    client: TestClient, address: str, body: dict[str, object], told: str
) -> None:
    answer = client.post(f"/api/libraries/tiny/{address}", json=body)

    message = assert_error(answer, 422, "request_invalid")["message"]
    assert told in message
    assert not message.endswith("?.")
    assert ("did you mean" in message) is ("did you mean" in told)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b"null"])
def test_a_body_that_is_no_json_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post(
        "/api/libraries/tiny/search", content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code in {400, 422}
    assert set(answer.json()["error"]) == {"code", "message", "hint"}


def test_an_unforeseen_error_is_logged_and_not_told(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Library) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(Library, "statistics", fail)
    with TestClient(
        create_app(tiny_library), base_url=HERE, raise_server_exceptions=False
    ) as client:
        answer = client.get("/api/libraries/tiny")

    assert_error(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


def test_who_is_turned_away_learns_when_to_try_again() -> None:
    answer = error_answer(TooBusyError("Full."), _SCOPE)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_who_is_not_known_learns_how_to_say_who_they_are() -> None:
    answer = error_answer(UnauthenticatedError("Who?"), _SCOPE)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_late_chat_model_is_a_gateway_that_timed_out() -> None:
    assert error_answer(ChatTimeoutError("Late."), _SCOPE).status_code == 504


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_said_to_be_json_is_told_so(
    client: TestClient, kind: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}

    answer = client.post("/api/libraries/tiny/search", content=b'{"text": "a"}', headers=headers)

    error = assert_error(answer, 415, "body_unsupported")
    assert "application/json" in error["hint"]


@pytest.mark.parametrize("content", [b'{"text": "\xff"}', b"[" * 100_000])
def test_a_body_that_cannot_be_read_is_told_what_to_send(
    client: TestClient, content: bytes
) -> None:
    answer = client.post(
        "/api/libraries/tiny/search", content=content, headers={"content-type": "application/json"}
    )

    assert "UTF-8" in assert_error(answer, 400, "request_refused")["hint"]


@pytest.mark.parametrize("path", ["/api/libraries", "/v1/models"])
def test_an_error_may_repeat_a_name_that_no_encoding_can_write(path: str) -> None:
    answer = error_answer(TooBusyError("\udc80.txt"), {"path": path})

    assert json.loads(bytes(answer.body))["error"]["message"] == "\udc80.txt"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/libraries/tiny/ingest", "GET, HEAD, POST"),
        ("/api/libraries/tiny/ingest/x", "DELETE, GET, HEAD"),
        ("/api/libraries/tiny/search", "POST"),
        ("/v1/models", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_those_of_all_routes_of_its_address(
    client: TestClient, path: str, allowed: str
) -> None:
    for method in ("PUT", "OPTIONS"):
        answer = client.request(method, path)

        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
