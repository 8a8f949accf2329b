"""A query holds what its route takes, and each once."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.unit.server.samples import assert_error, find

ITEMS = "/api/libraries/tiny/items"


def test_an_unknown_parameter_is_told_with_the_one_that_is_meant(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]

    error = assert_error(client.get(f"{ITEMS}/{id_}/thumbnail?sied=20"), 422, "request_invalid")

    assert error["message"] == "There is no query parameter 'sied'; did you mean 'side'?"
    assert error["hint"] == "It takes 'side'."


def test_a_parameter_that_is_given_twice_is_refused(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]

    error = assert_error(
        client.get(f"{ITEMS}/{id_}/thumbnail?side=20&side=40"), 422, "request_invalid"
    )

    assert error["message"] == "The query parameter 'side' is given 2 times."


def test_every_route_of_the_api_refuses_what_it_does_not_have(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]
    asked = 0
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if not path.startswith("/api/"):
            continue
        address = path.format(library="tiny", id_=id_, job="x")
        for method in methods:
            # Bodies are read before queries.
            body: Any = {"files": {"file": b"x"}} if path.endswith("/files") else {"json": {}}
            given: Any = {} if method in {"get", "delete"} else body
            answer = client.request(method, f"{address}?zzz=1", **given)

            error = assert_error(answer, 422, "request_invalid")
            assert error["message"] == "There is no query parameter 'zzz'.", (method, path)
            assert error["hint"].startswith("It takes "), (method, path)
            asked += 1
    assert asked > 10


@pytest.mark.parametrize("name", ["x" * 5000, "%00", "%ed%a0%80", "%E8%8A%B1", ""])
def test_a_hostile_name_is_refused_in_few_words(client: TestClient, name: str) -> None:
    error = assert_error(client.get(f"/api/health?{name}=1"), 422, "request_invalid")

    assert len(error["message"]) < 200


def test_the_page_of_an_item_takes_what_links_are_given_on_their_way(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]

    assert client.get(f"/items/tiny/{id_}?utm_source=letter").status_code == 200


def test_clients_of_openai_may_send_parameters_of_their_own(client: TestClient) -> None:
    assert client.get("/v1/models?api-version=2024-10-21").status_code == 200
