"""The routes below /v1: who sees what, bodies that are no bodies, and streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.authentication import current_user
from florilegium.server.error_answers import add_error_answers
from florilegium.server.openai.app import add_openai
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User

CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "How many sides has a red square?"}]
ANA = User(name="ana", libraries=frozenset({"tiny"}))


@pytest.fixture
def app(tiny_library: Library) -> Iterator[FastAPI]:
    """Return an app with two libraries, of which Ana sees one."""
    service = Service({"tiny": tiny_library, "other": tiny_library}, config=ServerConfig())
    app = FastAPI()
    app.state.service = service
    add_error_answers(app)
    add_openai(app)

    async def user(request: Request) -> User:
        return ANA if request.headers.get("authorization") == "Bearer ana" else LOCAL_USER

    app.dependency_overrides[current_user] = user
    yield app
    service.close()


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def ana(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers={"Authorization": "Bearer ana"}) as client:
        yield client


def events(text: str) -> list[Any]:
    """Return the objects of a stream that ends as it must."""
    lines = [line for line in text.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_a_user_sees_the_models_of_her_libraries(client: TestClient, ana: TestClient) -> None:
    everything = [model["id"] for model in client.get("/v1/models").json()["data"]]

    assert everything == ["tiny", "tiny:text", "tiny:image", "other", "other:text", "other:image"]
    assert [model["id"] for model in ana.get("/v1/models").json()["data"]] == everything[:3]


@pytest.mark.parametrize(
    ("id_", "status"),
    [("tiny", 200), ("tiny:image", 200), ("other", 404), ("tiny:audio", 404), ("nothing", 404)],
)
def test_a_model_is_there_for_those_who_see_its_library(
    ana: TestClient, id_: str, status: int
) -> None:
    answer = ana.get(f"/v1/models/{id_}")

    assert answer.status_code == status
    if status == 200:
        assert answer.json()["id"] == id_
    else:
        assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
def test_a_library_of_others_is_as_if_it_were_not_there(ana: TestClient, path: str) -> None:
    model = "other" if path == CHAT else "other:text"

    answer = ana.post(
        path,
        json={"model": model, "messages": QUESTION}
        if path == CHAT
        else {"model": model, "input": "a"},
    )

    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "model"
    assert "other" in answer.json()["error"]["message"]


def test_a_question_is_answered(client: TestClient) -> None:
    answer = client.post(CHAT, json={"model": "tiny", "messages": QUESTION})

    message = answer.json()["choices"][0]["message"]
    assert message["content"].startswith("A red square has four equal sides. [1]")
    url = message["florilegium"]["citations"][0]["url"]
    assert url.startswith("http://testserver/items/tiny/")


def test_a_stream_has_chunks_and_an_end(client: TestClient) -> None:
    body = {
        "model": "tiny",
        "messages": QUESTION,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    answer = client.post(CHAT, json=body)

    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-1]["usage"]["total_tokens"] > 0


def test_what_is_wrong_before_anything_was_found_is_no_stream(client: TestClient) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": " "}], "stream": True}

    answer = client.post(CHAT, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "query_invalid"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff", b'{"model": "\\ud800"}']
)
def test_a_body_that_is_none_is_refused_in_the_shape_of_errors(
    client: TestClient, body: bytes
) -> None:
    answer = client.post(CHAT, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint", "type", "param"}
    assert error["type"] == "invalid_request_error"


def test_a_parameter_is_named_in_the_error(client: TestClient) -> None:
    answer = client.post(CHAT, json={"model": "tiny", "messages": QUESTION, "n": 3})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "n"
