"""What a server says is found in its words, bounded, and without the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from florilegium.server_refusals import read_refusal, read_retry_after


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "m", "type": "t", "code": 400}}, "m (t)"),
        ({"error": {"message": "m", "type": "t", "code": "c"}}, "m (t c)"),
        ({"error": "model runner stopped"}, "model runner stopped"),
        ({"object": "error", "message": "m", "type": "NotFoundError"}, "m (NotFoundError)"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"msg": "field required"}]}, "[{'msg': 'field required'}]"),
        ({"odd": 1}, '{"odd": 1}'),
        (["odd"], "['odd']"),
        ({"error": {"message": " two\n lines "}}, "two lines"),
    ],
)
def test_the_words_of_each_kind_of_server_are_found(body: object, words: str) -> None:
    assert read_refusal(json.dumps(body), secrets=()).words == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("404 page not found", "404 page not found"),
        (" <!doctype html><title>Bad Gateway</title>", "an HTML page"),
        ("", "it did not say why"),
        ("[" * 10_000, "[" * 300 + "…"),
    ],
)
def test_what_is_no_json_is_told_too(body: str, words: str) -> None:
    assert read_refusal(body, secrets=()).words == words


def test_words_are_bounded_and_hold_no_key() -> None:
    body = json.dumps({"error": {"message": "Incorrect key sk-123. " + "x" * 5000}})

    words = read_refusal(body, secrets=("", "sk-1", "sk-123")).words

    assert len(words) < 310
    assert words.startswith("Incorrect key …. x")


def test_the_field_that_a_server_does_not_know_is_named() -> None:
    error = {"message": "m", "param": "max_tokens", "code": "unsupported_parameter"}
    other = {"message": "m", "param": "messages", "code": "invalid_value"}

    assert read_refusal(json.dumps({"error": error}), secrets=()).unsupported == "max_tokens"
    assert read_refusal(json.dumps({"error": other}), secrets=()).unsupported == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, now=datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_an_address_in_the_words_is_told_without_its_query() -> None:
    body = json.dumps({"detail": "Cannot POST /v1/rerank?api-key=s3cr3t of http://a:b@h?c=d"})

    words = read_refusal(body, secrets=()).words

    assert words == "Cannot POST /v1/rerank?api-key=*** of http://***@h?c=***"


@pytest.mark.parametrize(
    ("body", "unsupported"),
    [
        ({"error": {"message": "Unknown field: stream_options"}}, "stream_options"),
        ({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra"}]}, "stream_options"),
        ({"error": {"message": "The model is loading."}}, ""),
    ],
)
def test_an_optional_field_is_not_known_where_the_refusal_names_it_in_any_way(
    body: object, unsupported: str
) -> None:
    read = read_refusal(json.dumps(body), secrets=(), optional="stream_options")

    assert read.unsupported == unsupported
    assert read_refusal(json.dumps(body), secrets=()).unsupported == ""
