"""Errors below /v1: our one shape, with the type and the parameter that clients read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from florilegium import errors
from florilegium.server.openai.errors import (
    ParameterError,
    about,
    error_reply,
    error_to_json,
    internal_error_to_json,
    read_refusal,
)
from florilegium.server.openai.schema import ChatRequest


def problems(body: dict[str, Any]) -> list[Any]:
    """Return what FastAPI hands over for a body that is refused."""
    with pytest.raises(ValidationError) as raised:
        ChatRequest.model_validate(body)
    return [{**error, "loc": ("body", *error["loc"])} for error in raised.value.errors()]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidRequestError("x"), 400, "invalid_request_error"),
        (errors.InvalidQueryError("x"), 400, "invalid_request_error"),
        (errors.UnauthenticatedError("x"), 401, "authentication_error"),
        (errors.ForbiddenError("x"), 403, "permission_error"),
        (errors.NotFoundError("x"), 404, "invalid_request_error"),
        (errors.TooBusyError("x"), 429, "rate_limit_error"),
        (errors.ChatUnavailableError("x"), 503, "server_error"),
        (errors.TooSlowError("x"), 504, "server_error"),
    ],
)
def test_each_error_has_a_status_and_a_type(
    error: errors.FlorilegiumError, status: int, kind: str
) -> None:
    reply = error_reply(error, "model")

    assert reply.status_code == status
    assert json.loads(bytes(reply.body)) == {
        "error": {
            "code": error.code,
            "message": "x",
            "hint": None,
            "type": kind,
            "param": "model",
        }
    }


def test_who_is_turned_away_hears_when_to_come_again() -> None:
    assert error_reply(errors.TooBusyError("x")).headers["retry-after"] == "1"
    assert error_reply(errors.UnauthenticatedError("x")).headers["www-authenticate"] == "Bearer"


def test_errors_in_a_stream_have_the_same_shape() -> None:
    for body in (error_to_json(errors.ChatError("x", hint="y")), internal_error_to_json()):
        assert set(body["error"]) == {"code", "message", "hint", "type", "param"}  # type: ignore[call-overload]  # a JSON object


def test_the_hint_is_in_the_message_too_since_clients_show_nothing_else() -> None:
    error = errors.InvalidRequestError("It is wrong.", hint="Do better.")
    streamed: Any = error_to_json(error)

    for body in (streamed, json.loads(bytes(error_reply(error).body))):
        assert body["error"]["message"] == "It is wrong. Do better."
        assert body["error"]["hint"] == "Do better."


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"n": 2}, "n", "One answer is given, not 2."),
        ({"foo": 1}, "foo", "This server knows no such parameter."),
        ({"messages": 5}, "messages", "Input should be a valid list."),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0]",
            "A part of the type 'text' has no 'text'.",
        ),
    ],
)
def test_a_refusal_names_the_parameter(fields: dict[str, Any], param: str, message: str) -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": "x"}], **fields}

    refused, found = read_refusal(problems(body))

    assert found == param
    assert refused.message == f"{param!r}: {message}"


def test_a_body_that_is_no_json_is_about_no_parameter() -> None:
    refused, param = read_refusal([{"type": "json_invalid", "loc": ("body", 3), "msg": "x"}])

    assert refused.message == "The body is no JSON."
    assert param is None


def test_a_block_can_be_about_a_parameter() -> None:
    with pytest.raises(ParameterError, match="gone") as raised, about("model"):
        raise errors.NotFoundError("gone")

    assert raised.value.param == "model"
    assert isinstance(raised.value.error, errors.NotFoundError)
