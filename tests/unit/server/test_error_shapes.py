"""Below /v1 every error has what clients of OpenAI's API read, wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import InvalidRequestError
from florilegium.server.app import create_app
from florilegium.server.error_shapes import error_to_json, for_openai, openai_status
from tests.unit.server.access_samples import SERVER_KEY, with_key
from tests.unit.server.samples import HERE, Response

KEY: Final = {"Authorization": f"Bearer {SERVER_KEY}"}


@pytest.fixture
def config() -> ServerConfig:
    """Return the settings of a server with a key that takes small bodies."""
    return with_key(ServerConfig(page=False, max_body_megabytes=0.01))


Call = Callable[[TestClient], Response]


@pytest.mark.parametrize(
    ("call", "status", "code", "kind"),
    [
        (lambda c: c.get("/v1/nothing", headers=KEY), 404, "not_found", "invalid_request_error"),
        (lambda c: c.get("/v1", headers=KEY), 404, "not_found", "invalid_request_error"),
        (
            lambda c: c.put("/v1/models", headers=KEY),
            405,
            "request_refused",
            "invalid_request_error",
        ),
        (lambda c: c.get("/v1/models"), 401, "request_unauthenticated", "authentication_error"),
        (
            lambda c: c.get("/v1/models", headers={**KEY, "Host": "elsewhere.example"}),
            403,
            "request_forbidden",
            "permission_error",
        ),
        (
            lambda c: c.post(
                "/v1/embeddings", headers={"Origin": "https://elsewhere.example", "Cookie": "a=b"}
            ),
            403,
            "request_forbidden",
            "permission_error",
        ),
        (
            lambda c: c.post("/v1/embeddings", headers=KEY, content=b"[" * 20_000),
            413,
            "request_too_large",
            "invalid_request_error",
        ),
        (
            lambda c: c.post(
                "/v1/embeddings", headers={**KEY, "Content-Encoding": "gzip"}, content=b"x"
            ),
            415,
            "body_unsupported",
            "invalid_request_error",
        ),
    ],
    ids=["unknown", "root", "method", "key", "host", "origin", "large", "compressed"],
)
def test_what_reaches_no_route_is_told_in_the_shape_of_the_others(
    tiny_library: Library, config: ServerConfig, call: Call, status: int, code: str, kind: str
) -> None:
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        answer = call(client)

    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["type"], error["param"]) == (code, kind, None)
    assert error["hint"]
    assert error["message"].endswith(error["hint"])


def test_so_is_what_nobody_foresaw(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch, config: ServerConfig
) -> None:
    def fail(_: object) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr("florilegium.server.openai.catalogue.check_model", fail)
    app = create_app(tiny_library, config=config)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        answer = client.get("/v1/models/tiny", headers=KEY)

    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["code"], error["type"], error["param"]) == ("internal", "server_error", None)
    assert "secret" not in answer.text


def test_an_error_keeps_its_own_words_beside_those_of_openai() -> None:
    error = InvalidRequestError("It is wrong.", hint="Do better.")

    body: Any = for_openai(error_to_json(error), 400, "n")

    assert body == {
        "error": {
            "code": "request_invalid",
            "message": "It is wrong. Do better.",
            "hint": "Do better.",
            "type": "invalid_request_error",
            "param": "n",
        }
    }


@pytest.mark.parametrize(("status", "known"), [(422, 400), (404, 404), (500, 500)])
def test_clients_of_openai_get_a_status_that_they_know(status: int, known: int) -> None:
    assert openai_status(status) == known
