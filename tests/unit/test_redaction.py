"""Nothing secret is left of an address, and what helps to find a mistake is."""

from __future__ import annotations

import logging

import pytest

from florilegium.redaction import hide_in_record, hide_secrets, secrets_of, show_address

KEY = "s3cr3t-key"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", ""),
        ("http://localhost:8080/v1", "http://localhost:8080/v1"),
        (f"https://h/v1?api-key={KEY}", "https://h/v1?api-key=***"),
        (f"https://h/v1?a={KEY}&b={KEY}", "https://h/v1?a=***&b=***"),
        (f"https://h/v1?{KEY}", "https://h/v1?***"),
        (f"https://h/v1?{KEY}==", "https://h/v1?***"),
        (f"https://h/v1?a={KEY}?{KEY}", "https://h/v1?a=***"),
        (f"https://h/v1?a={KEY}'\"{KEY}", "https://h/v1?a=***"),
        (f"https://h?a={KEY}", "https://h?a=***"),
        (f"h:8080?a={KEY}", "h:8080?a=***"),
        (f"/v1/models?a={KEY}", "/v1/models?a=***"),
        (f"https://h/v1#{KEY}", "https://h/v1#***"),
        (f"https://{KEY}@h:1/v1", "https://***@h:1/v1"),
        (f"https://anna:{KEY}@h/v1?a={KEY}", "https://***@h/v1?a=***"),
        (f"https://anna:{KEY}/?{KEY}@h/v1", "https://***@h/v1"),
        (f"https://anna:{KEY}@{KEY}@h/v1", "https://***@h/v1"),
        (f"anna:{KEY}@h/v1", "***@h/v1"),
        (f"chroma_server:http://anna:{KEY}@h", "chroma_server:http://***@h"),
        (f"https://[::1/v1?a={KEY}", "https://[::1/v1?a=***"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    assert show_address(address) == shown
    assert show_address(shown) == shown
    assert KEY not in shown


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("What is a rose? A flower.", "What is a rose? A flower."),
        ("anna@example.org asks: which?", "anna@example.org asks: which?"),
        ("the file /flowers/what?.jpg", "the file /flowers/what?.jpg"),
        (f"'https://h/v1?a={KEY}' moved.", "'https://h/v1?a=***' moved."),
        (f'GET "https://u:{KEY}@h/v1" failed', 'GET "https://***@h/v1" failed'),
        (f"Cannot POST /v1/chat?a={KEY} (404)", "Cannot POST /v1/chat?a=*** (404)"),
        (f"two: http://h?a={KEY}\nhttp://h?b={KEY}", "two: http://h?a=***\nhttp://h?b=***"),
    ],
)
def test_addresses_within_a_text_are_shown_so_and_the_rest_stays(text: str, hidden: str) -> None:
    assert hide_secrets(text) == hidden


def test_the_values_of_a_query_are_secrets_as_they_stand_and_decoded() -> None:
    found = secrets_of("https://h/v1?api-version=7&key=12%2F34567&other+key%21+alone")

    assert found == ("12%2F34567", "12/34567", "other key! alone", "other+key%21+alone")
    assert secrets_of("https://h/v1") == ()
    assert secrets_of("https://[h?key=123456789") == ()


@pytest.mark.parametrize("arguments", [(f"http://h?a={KEY}",), ("http://h",)])
def test_a_record_of_a_log_is_kept_without_secrets(arguments: tuple[str, ...]) -> None:
    record = logging.LogRecord("httpx", logging.INFO, "", 0, "HTTP Request: %s", arguments, None)

    assert hide_in_record(record)
    assert KEY not in record.getMessage()
    assert record.getMessage().startswith("HTTP Request: http://h")
