"""The app as a whole: what it has, and what becomes of it when it stops."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError
from florilegium.server.app import create_app
from tests.unit.server.samples import HERE


def test_a_library_is_served_under_the_name_of_its_folder(client: TestClient) -> None:
    assert client.get("/api/libraries").json() == [{"name": "tiny", "title": "tiny"}]


def test_libraries_are_served_under_the_names_that_are_given(tiny_library: Library) -> None:
    with TestClient(create_app({"b": tiny_library, "a": tiny_library}), base_url=HERE) as client:
        assert [one["name"] for one in client.get("/api/libraries").json()] == ["b", "a"]
        assert client.get("/api/libraries/a").json()["images"] == 3


def test_a_wrong_name_is_refused(tiny_library: Library) -> None:
    with pytest.raises(ConfigError):
        create_app({"a b": tiny_library})


def test_the_library_is_open_after_the_app_has_stopped(tiny_library: Library) -> None:
    with TestClient(create_app(tiny_library), base_url=HERE) as client:
        client.get("/api/libraries/tiny")

    assert tiny_library.search("red square")


def test_every_route_is_described_with_an_example_and_its_errors(client: TestClient) -> None:
    described = client.get("/openapi.json").json()

    assert "/api/libraries/{library}/search" in described["paths"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            if path.startswith("/api"):
                assert "429" in operation["responses"], (method, path)
            told = [one["description"] for one in operation["responses"].values()]
            assert "Successful Response" not in told, (method, path)
            needs_key = path != "/api/health"
            assert operation.get("security", []) == [{"key": []}] * needs_key, (method, path)
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


@pytest.mark.parametrize("path", ["/items/{library}/{id_}", "/metrics"])
def test_what_is_no_api_is_described_too(tiny_library: Library, path: str) -> None:
    app = create_app(tiny_library, config=ServerConfig(metrics=True, page=False))

    [operation] = app.openapi()["paths"][path].values()

    assert list(operation["responses"]["200"]["content"]) in (["text/html"], ["text/plain"])
    assert list(operation["responses"]["401"]["content"]) == ["application/json"]


def test_the_examples_of_bodies_can_be_sent(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    schemas = described["components"]["schemas"]
    sent = []
    for path, methods in described["paths"].items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {})
        name = body.get("application/json", {}).get("schema", {}).get("$ref", "").split("/")[-1]
        schema = schemas.get(name, {})
        for example in [*schema.get("examples", []), *filter(None, [schema.get("example")])]:
            ours = json.loads(json.dumps(example).replace("flowers", "tiny"))
            answer = client.post(path.replace("{library}", "tiny"), json=ours)
            assert answer.status_code == 200, (path, answer.text)
            sent.append(path)
    [picture] = schemas["ImageUrl"]["properties"]["url"]["examples"]
    parts = [{"type": "image_url", "image_url": {"url": picture}}]
    chat = {"model": "tiny", "messages": [{"role": "user", "content": parts}]}

    assert client.post("/v1/chat/completions", json=chat).status_code == 200
    assert len(sent) == 4


def test_an_unknown_address_hints_at_what_there_is(client: TestClient) -> None:
    error = client.get("/docs").json()["error"]

    assert error["hint"] == "The document /openapi.json lists the addresses of the API."
