"""Refusals of the usual servers become the right errors."""

from __future__ import annotations

import pytest

from florilegium.chat_models.openai.refusals import explain_refusal, is_passing
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatUnavailableError,
    ContextExceededError,
    UnsupportedInputError,
)


def _explain(status: int, words: str, variable: str = "") -> ChatError:
    return explain_refusal(status, words, server="http://s/v1", key_variable=variable)


@pytest.mark.parametrize(
    "words",
    [
        "request (1631 tokens) exceeds the available context size (512 tokens)",
        "too much (exceed_context_size_error)",
        "This model's maximum context length is 1024 tokens. However, you requested 1029 tokens",
        "The decoder prompt (length 90) is longer than the maximum model length of 64.",
        "too long (invalid_request_error context_length_exceeded)",
        "the input length exceeds the context length",
        "prompt is too long: 2000 tokens > 1000 maximum",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "max_tokens must be at least 1, got -186.",
        "Trying to keep the first 9 tokens when context overflows.",
    ],
)
@pytest.mark.parametrize("status", [400, 413, 500])
def test_messages_that_do_not_fit_are_an_error_of_their_own(status: int, words: str) -> None:
    error = _explain(status, words)

    assert isinstance(error, ContextExceededError)
    assert "chat.max_sources" in str(error.hint)


@pytest.mark.parametrize(
    "words",
    [
        "image input is not supported - hint: you may need to provide the mmproj (server_error)",
        "Model does not support images. Please use a model that does.",
        "qwen2.5 is not a multimodal model",
        "this model is missing data required for image input",
        "Invalid content type. image_url is only supported by certain models.",
        "At most 1 image(s) may be provided in one prompt.",
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_picture_that_is_not_taken_is_unsupported_input(status: int, words: str) -> None:
    error = _explain(status, words)

    assert isinstance(error, UnsupportedInputError)
    assert not is_passing(status, error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_names_the_variable_to_look_at(status: int) -> None:
    error = _explain(status, "Invalid API Key", variable="MY_KEY")

    assert isinstance(error, ChatRejectedError)
    assert "'MY_KEY', which chat.api_key_env names" in str(error.hint)


def test_a_missing_key_names_the_setting() -> None:
    assert "Set chat.api_key_env" in str(_explain(401, "no key").hint)


@pytest.mark.parametrize(
    ("status", "kind", "passing"),
    [
        (429, ChatUnavailableError, True),
        (500, ChatUnavailableError, True),
        (503, ChatUnavailableError, True),
        (400, ChatRejectedError, False),
        (404, ChatRejectedError, False),
        (418, ChatRejectedError, False),
        (302, ChatRejectedError, False),
    ],
)
def test_other_statuses_are_what_they_are(
    status: int, kind: type[ChatError], passing: bool
) -> None:
    error = _explain(status, "words of the server")

    assert type(error) is kind
    assert "words of the server" in error.message
    assert str(status) in error.message
    assert is_passing(status, error) is passing


def test_a_busy_server_is_called_busy() -> None:
    assert "is busy" in _explain(429, "Too many tokens per minute, context size").message
