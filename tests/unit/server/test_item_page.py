"""The plain page of one item."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from tests.unit.server.samples import assert_error, find

HOSTILE = "<script>alert(1)</script>{{ 7*7 }}"


@pytest.fixture
def tiny_library(tiny_library: Library, tiny_folder: Path) -> Library:
    text = f"First words.\n\n{HOSTILE} pentagon\n\nLast words.\n"
    (tiny_folder / "<img src=x onerror=alert(1)>.txt").write_text(text, encoding="utf-8")
    tiny_library.ingest()
    return tiny_library


def test_a_picture_is_shown_large(client: TestClient) -> None:
    hit = find(client, "circle", "image")

    page = client.get(f"/items/tiny/{hit['id']}").text

    [address] = re.findall(r'<img src="([^"]*)"', page)
    assert client.get(address).headers["content-type"] == "image/jpeg"


def test_a_passage_is_marked_in_its_text(client: TestClient) -> None:
    hit = find(client, "roses", "text")

    page = client.get(f"/items/tiny/{hit['id']}?start=16&end=58").text

    assert '<mark id="passage">The roses want water twice a week in June.</mark>' in page
    assert "# Garden notes" in page


@pytest.mark.parametrize("query", ["?start=5", "?start=9&end=3", "?start=0&end=100000"])
def test_a_span_outside_the_item_marks_all_of_it(client: TestClient, query: str) -> None:
    hit = find(client, "roses", "text")

    page = client.get(f"/items/tiny/{hit['id']}{query}").text

    assert '<mark id="passage"># Garden notes' in page


def test_what_a_library_holds_is_never_markup(client: TestClient, tiny_library: Library) -> None:
    hit = find(client, "pentagon", "text")

    answer = client.get(f"/items/tiny/{hit['id']}")

    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_path_is_no_id(client: TestClient) -> None:
    assert_error(client.get("/items/tiny/..%2f..%2fetc%2fpasswd"), 404, "not_found")
    assert_error(client.get("/items/tiny/passwd"), 404, "item_not_found")


@pytest.mark.parametrize("place", ["tiny/nothing", "none/nothing"])
def test_a_browser_is_told_in_words_that_there_is_nothing(client: TestClient, place: str) -> None:
    answer = client.get(f"/items/{place}", headers={"Accept": "text/html,*/*"})

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>There is no" in answer.text
    assert "[0-9a-f]" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_asked_for_is_never_markup(client: TestClient) -> None:
    place = "tiny/%3Cscript%3Ealert(1)"

    assert "<script" not in client.get(f"/items/{place}", headers={"Accept": "text/html"}).text
