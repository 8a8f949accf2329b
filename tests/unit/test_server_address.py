"""Addresses of servers: what is accepted, and which are on this machine."""

from __future__ import annotations

import logging

import pytest

from florilegium.errors import ConfigError
from florilegium.server_address import is_loopback, join, parse_address, show


def test_without_an_address_the_usual_ones_are_named() -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url is empty") as caught:
        parse_address("  ")

    for name in ("Ollama", "llama-server", "LM Studio"):
        assert name in str(caught.value.hint)


@pytest.mark.parametrize("text", ["http://localhost:8080/v1", "http://localhost:8080/v1///"])
def test_slashes_at_the_end_do_not_matter(text: str) -> None:
    url = join(parse_address(text), "/models")

    assert str(url) == "http://localhost:8080/v1/models"


def test_the_query_of_an_address_stays_and_is_not_shown() -> None:
    base_url = parse_address("https://models.example/v1?api-version=7")

    assert str(join(base_url, "/models")) == "https://models.example/v1/models?api-version=7"
    assert show(base_url) == "https://models.example/v1"


@pytest.mark.parametrize(
    "text", ["localhost:11434/v1", "ftp://localhost/v1", "http://", "http://[::1/v1", "/v1"]
)
def test_what_is_no_http_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url"):
        parse_address(text)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("https://anna:hunter2@models.example/v1")

    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:1234/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://models.localhost/v1", True),
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://0.0.0.0:11434/v1", True),
        ("http://192.168.1.4/v1", False),
        ("https://localhost.example/v1", False),
        ("https://models.example/v1", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(text: str, expected: bool) -> None:
    assert is_loopback(parse_address(text)) is expected


def test_messages_name_the_section_that_asks() -> None:
    with pytest.raises(ConfigError, match=r"needs a server, and rerank\.base_url is empty"):
        parse_address("", section="rerank", backend="A reranker", examples="")

    with pytest.raises(ConfigError, match=r"rerank\.base_url") as caught:
        parse_address("http://anna:hunter2@h/v1", section="rerank")

    assert "rerank.api_key_env" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["localhost:1/v1?key=s3cr3t", "ftp://h/v1?key=s3cr3t"])
def test_a_wrong_address_is_told_without_its_query(text: str) -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url") as caught:
        parse_address(text)

    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"
    assert "key=***" in caught.value.message


def test_what_httpx_logs_of_an_address_with_a_query_has_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    url = parse_address("https://models.example/v1?key=s3cr3t")

    logging.getLogger("httpx").info("HTTP Request: %s %s", "GET", url)

    assert caplog.messages == ["HTTP Request: GET https://models.example/v1?key=***"]
