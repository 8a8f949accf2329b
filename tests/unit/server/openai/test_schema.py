"""Bodies of clients: what is taken, what has no effect, and what is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from florilegium.answers import AnswerOptions
from florilegium.server.openai.schema import (
    WITHOUT_EFFECT,
    ChatMessage,
    ChatRequest,
    EmbeddingsRequest,
)

USER = [{"role": "user", "content": "How?"}]
SOMETHING = {"store": True, "user": "ana", "metadata": {"a": "b"}, "logit_bias": {"5": 1}}


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "flowers", "messages": USER, **fields})


def test_parameters_without_effect_are_taken_and_named() -> None:
    assert chat(**SOMETHING).ignored == ["logit_bias", "metadata", "store", "user"]


def test_each_parameter_without_effect_is_known() -> None:
    assert set(WITHOUT_EFFECT) <= set(ChatRequest.model_fields)
    assert chat().ignored == []


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, AnswerOptions()),
        ({"max_tokens": 5, "temperature": 2, "seed": -1},
         AnswerOptions(max_tokens=5, temperature=2.0, seed=2**31 - 1)),
        ({"top_p": 1, "stop": "end"}, AnswerOptions(top_p=1.0, stop=("end",))),
        ({"top_p": 0, "stop": ["\n", "x"]}, AnswerOptions(top_p=0.0, stop=("\n", "x"))),
        ({"stop": []}, AnswerOptions()),
        ({"max_completion_tokens": 5, "max_tokens": None}, AnswerOptions(max_tokens=5)),
        ({"temperature": 0, "seed": 2**63 - 1}, AnswerOptions(temperature=0.0, seed=2**31 - 1)),
    ],
)  # fmt: skip
def test_what_chat_models_take_is_an_option_of_the_answer(
    fields: dict[str, Any], options: AnswerOptions
) -> None:
    request = chat(**fields)

    assert request.options == options
    assert request.ignored == []


def test_an_option_has_the_name_that_it_came_by() -> None:
    assert chat(max_tokens=5).name_of("max_tokens") == "max_tokens"
    assert chat(max_completion_tokens=5).name_of("max_tokens") == "max_completion_tokens"
    assert chat(max_completion_tokens=5).name_of("seed") == "seed"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": -5}, "greater than or equal to 1"),
        ({"max_tokens": "5"}, "valid integer"),
        ({"max_tokens": 5.5}, "valid integer"),
        ({"max_tokens": True}, "valid integer"),
        ({"max_completion_tokens": 0}, "greater than or equal to 1"),
        ({"max_completion_tokens": 5, "max_tokens": 5}, "what max_tokens says too"),
        ({"temperature": 2.5}, "less than or equal to 2"),
        ({"temperature": -0.1}, "greater than or equal to 0"),
        ({"temperature": "hot"}, "valid number"),
        ({"temperature": float("nan")}, "or equal to"),
        ({"temperature": True}, "valid number"),
        ({"seed": 1.5}, "valid integer"),
        ({"seed": 2**63}, "less than 9223372036854775808"),
    ],
)
def test_an_option_that_is_none_is_refused_by_its_name(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as raised:
        chat(**fields)

    assert [error["loc"] for error in raised.value.errors()] == [(next(iter(fields)),)]


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1},
        {"tools": [], "tool_choice": "none"},
        {"tools": None, "stop": None, "response_format": {"type": "text"}},
        {"logprobs": False, "top_logprobs": 0, "modalities": ["text"], "stop": []},
        {"stream": None, "stream_options": None},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    ],
)
def test_what_asks_for_nothing_special_is_taken(fields: dict[str, Any]) -> None:
    chat(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"n": 0},
        {"tools": [{"type": "function"}]},
        {"functions": [{"name": "f"}]},
        {"tool_choice": {"type": "function"}},
        {"tool_choice": "required"},
        {"function_call": {"name": "f"}},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"stop": ""},
        {"stop": ["end", ""]},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"stop": "x" * 201},
        {"top_p": 1.1},
        {"top_p": "0.5"},
        {"modalities": ["text", "audio"]},
        {"prediction": {"type": "content", "content": "x"}},
        {"web_search_options": {"user_location": {}}},
        {"keep_alive": 5},
        {"messages": []},
        {"florilegium": {"citations": False}},
        {"florilegium": {"where": {"folders": [".."]}}},
    ],
)
def test_what_a_library_cannot_do_is_refused_by_its_name(fields: dict[str, Any]) -> None:
    [name] = fields

    with pytest.raises(ValidationError) as raised:
        chat(**fields)

    assert {error["loc"][0] for error in raised.value.errors()} == {name}


@pytest.mark.parametrize(
    ("messages", "place", "told"),
    [
        (USER * 501, ("messages",), "501 messages are more than the 500"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}] * 65}],
            ("messages", 0, "content"),
            "65 parts are more than the 64",
        ),
        (
            [{"role": "assistant", "content": "x" * 100_000}] * 4 + USER,
            ("messages",),
            "400004 characters, more than the 400000",
        ),
    ],
)
def test_longer_conversations_than_anybody_reads_are_refused(
    messages: list[dict[str, Any]], place: tuple[str | int, ...], told: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        chat(messages=messages)

    [error] = raised.value.errors()
    assert error["loc"] == place
    assert told in error["msg"]
    assert error["ctx"]["hint"]


def test_a_long_conversation_is_taken() -> None:
    turn = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "x" * 1500}]

    assert len(chat(messages=[*turn * 249, *USER]).messages) == 499


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.png", "https://a.b/c.png", "file:///etc/passwd", "/a.png", ""]
)
def test_an_address_of_a_picture_is_refused(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}

    with pytest.raises(ValidationError, match="the server fetches nothing"):
        chat(messages=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    "part", [{"type": "input_audio"}, {"type": "text"}, {"type": "image_url"}, {"text": "x"}]
)
def test_a_part_that_is_neither_text_nor_picture_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        chat(messages=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ],
)
def test_messages_about_tools_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        chat(messages=[*USER, message])


def test_a_message_has_the_words_and_the_pictures_of_its_parts() -> None:
    message = ChatMessage.model_validate(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "This"},
                {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}},
                {"type": "text", "text": "here"},
            ],
        }
    )

    assert message.text == "This\nhere"
    assert message.pictures == ["data:,x"]


def test_a_message_that_a_client_kept_may_say_more() -> None:
    message = ChatMessage.model_validate(
        {"role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None}
    )

    assert (message.text, message.pictures) == ("", [])


def test_one_text_is_a_list_of_one() -> None:
    request = EmbeddingsRequest.model_validate({"model": "flowers:text", "input": "rose"})

    assert request.texts == ["rose"]
    assert request.florilegium.purpose == "document"


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], ["a", 5]])
def test_tokens_are_refused_with_a_hint(given: list[Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        EmbeddingsRequest.model_validate({"model": "flowers:text", "input": given})

    assert "check_embedding_ctx_length" in raised.value.errors()[0]["ctx"]["hint"]


@pytest.mark.parametrize(
    "fields",
    [
        {"input": ["a"] * 257},
        {"florilegium": {"images": ["data:,x"] * 17}},
        {"florilegium": {"images": ["http://a.b/c.png"]}},
        {"florilegium": {"purpose": "other"}},
        {"encoding_format": "hex"},
        {"truncate": True},
    ],
)
def test_other_bodies_for_embeddings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmbeddingsRequest.model_validate({"model": "flowers:text", **fields})


WRONG = dict.fromkeys(map(str, range(5000)))
PART = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    "fields",
    [
        WRONG,
        {"modalities": [1] * 5000},
        {"modalities": ["text"] * 5000},
        {"stop": [1] * 5000},
        {"tools": [1] * 5000},
        {"functions": [1] * 5000},
        {"messages": [1] * 500},
        {"messages": [{"role": "user", "content": [1] * 64}] * 500},
        {"messages": [{"role": "user", "content": [{**PART, "image_url": WRONG}] * 64}] * 500},
        {"messages": [{"role": "user", "tool_calls": [1] * 5000}]},
        {"florilegium": WRONG},
        {"florilegium": {"where": {"fields": WRONG}}},
        {"response_format": WRONG},
        {"stream_options": {"include_usage": WRONG}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_however_much_is_wrong_few_errors_are_told(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        chat(**fields)

    assert caught.value.error_count() <= 8


@pytest.mark.parametrize(
    "fields",
    [
        WRONG,
        {"input": [None] * 5000},
        {"input": [None] * 256},
        {"input": [1] * 5000},
        {"florilegium": WRONG},
        {"florilegium": {"images": [1] * 5000}},
        {"florilegium": {"images": ["x"] * 5000}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_however_much_is_wrong_with_inputs_few_errors_are_told(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        EmbeddingsRequest.model_validate({"model": "flowers:text", **fields})

    assert caught.value.error_count() <= 8
