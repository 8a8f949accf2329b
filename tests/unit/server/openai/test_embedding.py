"""Embeddings as OpenAI's clients ask for them."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.openai.embedding import check_inputs, pack
from florilegium.server.openai.errors import ParameterError
from florilegium.server.openai.schema import EmbeddingsRequest
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Modality
from tests.conftest import FAKES, write_tiny_folder
from tests.unit.server.samples import HERE, data_address

EMBEDDINGS = "/v1/embeddings"


def embed(client: TestClient, **fields: Any) -> Any:
    body = json.dumps({"model": "tiny:image", **fields})  # in ASCII, halves of characters too
    return client.post(EMBEDDINGS, content=body, headers={"Content-Type": "application/json"})


def rows(answer: Any) -> np.ndarray[Any, Any]:
    assert answer.status_code == 200, answer.text
    assert [one["index"] for one in answer.json()["data"]] == list(
        range(len(answer.json()["data"]))
    )
    return np.array([one["embedding"] for one in answer.json()["data"]], dtype=np.float32)


def test_texts_come_in_their_order_as_the_encoder_gives_them(client: TestClient) -> None:
    answer = embed(client, model="tiny:text", input=["red square", "green circle"])

    expected = FakeEncoder().encode_texts(["red square", "green circle"], purpose="document")
    np.testing.assert_allclose(rows(answer), expected, atol=1e-6)
    assert answer.json()["model"] == "tiny:text"
    assert answer.json()["florilegium"] == {"encoder": "fake:32"}
    assert answer.json()["usage"] == {"prompt_tokens": 8, "total_tokens": 8}


def test_base64_holds_the_same_numbers(client: TestClient) -> None:
    plain = rows(embed(client, input="red"))
    packed = embed(client, input="red", encoding_format="base64").json()["data"][0]["embedding"]

    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), plain[0])


def test_pictures_come_after_texts_and_in_the_same_space(client: TestClient) -> None:
    pictures = {"images": [data_address("red"), data_address("blue")]}

    found = rows(embed(client, input="blue", florilegium=pictures))

    assert found.shape == (3, 32)
    assert found[0] @ found[2] > found[0] @ found[1]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": []}, 400, "input"),
        ({"input": "  "}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input[1]"),
        ({"input": ["a"] * 257}, 400, "input"),
        ({"input": [[1, 2], [3]]}, 400, "input"),
        ({"input": None}, 400, "input"),
        ({}, 400, "input"),
        ({"input": ["a", "word " * 600]}, 400, "input[1]"),
        ({"input": ["a", "b \ud83c"]}, 400, "input[1]"),
        ({"input": [1, 2]}, 400, "input"),
        ({"input": "a", "dimensions": 16}, 400, "dimensions"),
        ({"input": "a", "dimensions": 0}, 400, "dimensions"),
        ({"input": "a", "dimensions": "32"}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "a", "model": "tiny"}, 404, "model"),
        ({"input": "a", "model": "other:text"}, 404, "model"),
        ({"florilegium": {"images": ["data:image/png;base64,AAAA"]}}, 400, "florilegium.images"),
        ({"florilegium": {"images": ["http://a.b/c.png"]}}, 400, "florilegium.images"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_its_name(
    client: TestClient, fields: dict[str, Any], status: int, param: str
) -> None:
    answer = embed(client, **fields)

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("text", "told"),
    [("\n", "The text is empty."), ("word " * 600, "has 602 tokens, more than the 512 that")],
)
def test_a_text_that_is_refused_is_told_why(client: TestClient, text: str, told: str) -> None:
    assert told in embed(client, input=text).json()["error"]["message"]


def test_the_number_of_dimensions_may_be_said(client: TestClient) -> None:
    assert rows(embed(client, input="a", dimensions=32)).shape == (1, 32)


def test_the_space_of_texts_has_no_pictures(client: TestClient) -> None:
    pictures = {"images": [data_address()]}

    answer = embed(client, model="tiny:text", input="a", florilegium=pictures)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "florilegium.images"
    assert ":image" in answer.json()["error"]["hint"]


def test_an_encoder_of_pictures_alone_reads_no_texts() -> None:
    class Pictures(FakeEncoder):
        @property
        def info(self) -> Any:
            return replace(super().info, modalities=frozenset({Modality.IMAGE}))

    request = EmbeddingsRequest.model_validate({"model": "a:image", "input": "a"})

    with pytest.raises(ParameterError, match="reads no texts"):
        check_inputs(request, Pictures(), space="image")


def test_numbers_are_packed_with_the_small_end_first() -> None:
    row = np.array([1.0, -2.0], dtype=np.float32)

    assert pack(row) == base64.b64encode(bytes.fromhex("0000803f000000c0")).decode()


def test_the_pictures_of_a_request_share_its_time_and_a_limit(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app
    pictures = {"images": [data_address()] * 5}

    with monkeypatch.context() as patched:
        patched.setattr(service, "_max_pixels", lambda: 48 * 48)
        over = embed(client, florilegium=pictures)
    limits = {"search_seconds": 1e-6}
    monkeypatch.setattr(service, "config", service.config.model_copy(update=limits))
    late = embed(client, florilegium=pictures)

    assert over.json()["error"]["param"] == "florilegium.images"
    assert "together" in over.json()["error"]["message"]
    assert (late.status_code, late.json()["error"]["code"]) == (504, "request_too_slow")


class Counting(FakeEncoder):
    """Knows whose tokens were counted."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[int] = []

    def count_tokens(self, text: str) -> int:
        self.counted.append(len(text))
        return super().count_tokens(text)


@pytest.mark.parametrize(
    ("texts", "param"),
    [
        (["a", "x" * 16385], "input[1]"),
        ("x" * 16385, "input"),
        (["x" * 16000] * 63, "input"),
    ],
    ids=["one of several", "one", "together"],
)
def test_what_has_too_many_characters_is_refused_before_its_tokens_are_counted(
    texts: str | list[str], param: str
) -> None:
    encoder = Counting()
    request = EmbeddingsRequest.model_validate({"model": "a:text", "input": texts})

    with pytest.raises(ParameterError, match="characters") as caught:
        check_inputs(request, encoder, space="text")

    assert caught.value.param == param
    assert encoder.counted == []


def test_tokens_are_counted_apart_from_searches(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def count(_: object, __: str) -> int:
        threads.append(threading.current_thread().name)
        return 1

    monkeypatch.setattr(FakeEncoder, "count_tokens", count)

    assert embed(client, input="a").status_code == 200
    assert threads
    assert all(name.startswith("florilegium-reads") for name in threads)


def test_embeddings_are_counted(tiny_library: Library) -> None:
    config = ServerConfig(page=False, metrics=True)
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        embed(client, input="a")
        embed(client, input="")

        told = client.get("/metrics").text

    assert 'florilegium_embeddings_total{code="ok"} 1.0' in told
    assert "florilegium_embedding_seconds_count 1.0" in told


def test_errors_tell_no_path_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "secret" / "tiny"
    write_tiny_folder(folder)
    with (
        Library.create(folder, overrides=FAKES) as library,
        TestClient(create_app(library, config=ServerConfig(page=False)), base_url=HERE) as client,
    ):
        answer = embed(client, input="a")

    assert "Nothing was ingested" in answer.json()["error"]["message"]
    assert "secret" not in answer.text
