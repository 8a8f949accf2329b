"""What the routes share."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.unit.server.samples import assert_error, data_address, find

SEARCH = "/api/libraries/tiny/search"


def test_an_item_can_be_searched_with_and_never_finds_itself(client: TestClient) -> None:
    circle = find(client, "circle", "image")

    hits = client.post(SEARCH, json={"like": circle["id"], "modality": "image"}).json()["hits"]

    assert circle["id"] not in [hit["id"] for hit in hits]
    assert len(hits) == 2


def test_a_text_is_not_searched_with_as_a_picture(client: TestClient) -> None:
    text = find(client, "roses", "text")

    assert_error(client.post(SEARCH, json={"like": text["id"]}), 422, "query_invalid")


def test_more_pictures_than_are_searched_with_are_refused(client: TestClient) -> None:
    body = {"images": [data_address()] * 17}

    assert_error(client.post(SEARCH, json=body), 422, "request_invalid")
