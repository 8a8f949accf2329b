"""What never reaches a route below /v1 is told in OpenAI's form, read by its official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import openai
import pytest
from pydantic import SecretStr

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.attempts import WRONG_KEYS_OF_ADDRESS
from florilegium.server.cookies import SESSION
from tests.e2e.serving import serving

KEY = "s3cret key of the server"
LIMIT = 20_000
Call: TypeAlias = Callable[[openai.OpenAI], object]


@pytest.fixture
def address(tiny_library: Library, tmp_path: Path) -> Iterator[str]:
    config = ServerConfig(
        page=False, folder=str(tmp_path / "server"), max_body_megabytes=LIMIT / 1e6
    )
    with serving(create_app(tiny_library, config=config.with_api_key(SecretStr(KEY)))) as address:
        yield address


def refusal(address: str, call: Call, *, key: str = KEY) -> openai.APIStatusError:
    """Return what the client raises."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as raised:
            call(client)
        return raised.value


def _with_headers(**headers: str) -> Call:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.models.list(extra_headers=given)


def _large(client: openai.OpenAI) -> object:
    return client.embeddings.create(model="tiny:text", input="x" * LIMIT)


def _large_in_pieces(client: openai.OpenAI) -> object:
    def pieces() -> Iterator[bytes]:
        yield b'{"model": "tiny:text", "input": "'
        yield b"x" * LIMIT

    json = {"Content-Type": "application/json"}
    return client.post(
        "/embeddings", cast_to=httpx.Response, content=pieces(), options={"headers": json}
    )


@pytest.mark.parametrize(
    ("call", "raised", "code", "told"),
    [
        (lambda client: client.files.list(), openai.NotFoundError, "not_found", "'/v1/files'"),
        (
            lambda client: client.models.delete("tiny"),
            openai.APIStatusError,
            "request_refused",
            "The method 'DELETE' is not for '/v1/models/tiny'.",
        ),
        (
            _with_headers(Host="flowers.example.org"),
            openai.PermissionDeniedError,
            "request_forbidden",
            "server.allowed_hosts",
        ),
        (
            _with_headers(Origin="https://elsewhere.example.org", Cookie=f"{SESSION}=x"),
            openai.PermissionDeniedError,
            "request_forbidden",
            "server.cors_origins",
        ),
        (_large, openai.APIStatusError, "request_too_large", "0.02 MB"),
        (_large_in_pieces, openai.APIStatusError, "request_too_large", "more bytes"),
        (
            _with_headers(Content_Encoding="gzip"),
            openai.APIStatusError,
            "body_unsupported",
            "do not compress the body",
        ),
    ],
)
def test_a_refusal_is_raised_with_its_words(
    address: str, call: Call, raised: type[openai.APIStatusError], code: str, told: str
) -> None:
    error = refusal(address, call)

    assert type(error) is raised
    assert told in error.message
    assert (error.code, error.param, error.type) == (code, None, expected_type(raised))


def expected_type(raised: type[openai.APIStatusError]) -> str:
    is_forbidden = raised is openai.PermissionDeniedError
    return "permission_error" if is_forbidden else "invalid_request_error"


def test_a_missing_key_and_a_wrong_one_are_told(address: str) -> None:
    wrong = refusal(address, lambda client: client.models.list(), key="wrong")
    missing = refusal(address, _without_key)

    for error, told in ((wrong, "not one of this server"), (missing, "has no key")):
        assert type(error) is openai.AuthenticationError
        assert told in error.message
        assert (error.code, error.type) == ("request_unauthenticated", "authentication_error")


def _without_key(client: openai.OpenAI) -> object:
    return client.models.list(extra_headers={"Authorization": openai.Omit()})


def test_who_tries_too_many_keys_is_told_when_to_come_again(address: str) -> None:
    for _ in range(WRONG_KEYS_OF_ADDRESS):
        refusal(address, lambda client: client.models.list(), key="wrong")

    error = refusal(address, lambda client: client.models.list(), key="wrong")

    assert type(error) is openai.RateLimitError
    assert "Try again in" in error.message
    assert (error.code, error.type) == ("server_busy", "rate_limit_error")
    assert int(error.response.headers["retry-after"]) > 0


def test_what_was_not_foreseen_is_raised_as_a_failure_of_the_server(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr("florilegium.server.service.Service.libraries", fail)

    error = refusal(address, lambda client: client.models.list())

    assert type(error) is openai.InternalServerError
    assert "not foreseen" in error.message
    assert (error.code, error.type) == ("internal", "server_error")
