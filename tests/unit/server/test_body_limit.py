"""Bodies that are too large, with and without a length that says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from florilegium.config_sections import ServerConfig
from florilegium.server.body_limit import MOST_SEPARATORS
from tests.unit.server.samples import assert_error

SEARCH = "/api/libraries/tiny/search"


@pytest.fixture
def config() -> ServerConfig:
    return ServerConfig(max_body_megabytes=0.001)


def test_a_body_that_says_it_is_too_large_is_refused(client: TestClient) -> None:
    assert_error(client.post(SEARCH, content=b"x" * 1001), 413, "request_too_large")


def test_a_body_without_a_length_is_counted(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"text": "'
        yield b"x" * 1001

    answer = client.post(SEARCH, content=pieces(), headers={"content-type": "application/json"})

    assert_error(answer, 413, "request_too_large")


def test_a_body_within_the_limit_passes(client: TestClient) -> None:
    assert client.post(SEARCH, json={"text": "x" * 900}).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate, gzip"])
def test_a_compressed_body_is_refused(client: TestClient, encoding: str) -> None:
    answer = client.post(SEARCH, content=b"x", headers={"content-encoding": encoding})

    assert repr(encoding) in assert_error(answer, 415, "body_unsupported")["message"]


def test_a_body_that_is_told_to_be_plain_passes(client: TestClient) -> None:
    headers = {"content-encoding": "identity"}

    assert client.post(SEARCH, json={"text": "x"}, headers=headers).status_code == 200


class TestManyValues:
    """Bodies within their bytes that hold more values than can be parsed beside other work."""

    @pytest.fixture
    def config(self) -> ServerConfig:
        return ServerConfig(page=False)

    @pytest.mark.parametrize("value", ["[]", "{}", "1"])
    @pytest.mark.parametrize("path", [SEARCH, "/v1/embeddings"])
    def test_are_refused_before_they_are_parsed(
        self, client: TestClient, path: str, value: str
    ) -> None:
        body = f"[{','.join([value] * (MOST_SEPARATORS + 1))}]"

        answer = client.post(path, content=body, headers={"content-type": "application/json"})

        assert answer.status_code == 400
        assert "more than 250000 commas and brackets" in answer.json()["error"]["message"]

    def test_are_taken_where_texts_have_as_many_as_texts_have(self, client: TestClient) -> None:
        text = "a, b; " * 100

        assert client.post(SEARCH, json={"text": text}).status_code == 200

    def test_of_a_file_in_a_form_are_not_counted(self, client: TestClient) -> None:
        files = {"file": ("a.csv", b"," * (MOST_SEPARATORS + 1))}

        answer = client.post("/api/libraries/tiny/files", files=files)

        assert "commas and brackets" not in answer.text
