"""Items, pictures and texts by their ids."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from florilegium import Library
from tests.conftest import draw
from tests.unit.server.samples import assert_error, find

ITEMS = "/api/libraries/tiny/items"


def test_an_item_is_told_by_its_id(client: TestClient) -> None:
    hit = find(client, "circle", "image")

    item = client.get(f"{ITEMS}/{hit['id']}").json()

    assert item["path"] == "circle.png"
    assert item == {key: hit.get(key) for key in item}


def test_pictures_come_in_the_size_that_is_asked_for(client: TestClient) -> None:
    id_ = find(client, "circle", "image")["id"]

    sizes = []
    for address in (f"{id_}/thumbnail?side=16", f"{id_}/picture"):
        answer = client.get(f"{ITEMS}/{address}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"].startswith("private")
        assert answer.headers["vary"] == "Authorization, Cookie"
        with Image.open(io.BytesIO(answer.content)) as picture:
            sizes.append(picture.size)

    assert sizes == [(16, 16), (64, 64)]


def test_a_text_is_plain_whatever_it_holds(client: TestClient) -> None:
    id_ = find(client, "roses", "text")["id"]

    answer = client.get(f"{ITEMS}/{id_}/text")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("# Garden notes")
    assert answer.headers["x-text-start"] == "0"


def test_a_picture_has_no_text_and_a_text_no_picture(client: TestClient) -> None:
    picture, text = (find(client, "circle", kind)["id"] for kind in ("image", "text"))

    assert_error(client.get(f"{ITEMS}/{picture}/text"), 415, "source_unsupported")
    assert_error(client.get(f"{ITEMS}/{text}/thumbnail"), 415, "source_unsupported")


def test_an_unknown_id_is_not_found(client: TestClient) -> None:
    for suffix in ("", "/thumbnail", "/picture", "/text"):
        assert_error(client.get(f"{ITEMS}/{'0' * 32}{suffix}"), 404, "item_not_found")


@pytest.mark.parametrize(
    "id_",
    [
        "circle.png",
        "%2e%2e",
        "..%5c..%5ccircle.png",
        "%00",
        "circle.png%00",
        "a" * 31,
        "a" * 33,
        "a" * 50_000,
        "A" * 32,
        "a" * 32 + "%0a",
        "%EF%BD%81" * 32,
        "%D9%A0" * 32,
        "%E8%8A%B1",
        "%ff",
        "%ed%a0%80",
        "%20",
    ],
)
def test_what_is_no_id_is_an_item_that_is_not_there_and_reaches_no_library(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, id_: str
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the library was asked")

    monkeypatch.setattr(Library, "item", fail)
    monkeypatch.setattr(Library, "read_image", fail)

    for suffix in ("", "/thumbnail", "/picture", "/text"):
        error = assert_error(client.get(f"{ITEMS}/{id_}{suffix}"), 404, "item_not_found")
        assert len(error["message"]) < 500
        assert "32 characters" in error["hint"]


@pytest.mark.parametrize("id_", ["..%2fcircle.png", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%2f"])
def test_an_id_with_a_slash_is_another_address(client: TestClient, id_: str) -> None:
    for suffix in ("/thumbnail", "/picture", "/text"):
        assert_error(client.get(f"{ITEMS}/{id_}{suffix}"), 404, "not_found")


@pytest.mark.parametrize("name", ["a" * 50_000, "%00", "..", "%E8%8A%B1"])
@pytest.mark.parametrize(
    "path", ["/api/libraries/%s/ingest/x", "/api/libraries/tiny/ingest/%s", "/v1/models/%s"]
)
def test_names_and_runs_that_nobody_has_are_not_found(
    client: TestClient, path: str, name: str
) -> None:
    answer = client.get(path.replace("%s", name.replace("..", "%2e%2e")))

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert len(answer.content) < 1000


@pytest.mark.parametrize("side", ["0", "15", "4097", "x", "1e3"])
def test_a_side_out_of_range_is_refused(client: TestClient, side: str) -> None:
    id_ = find(client, "circle", "image")["id"]

    assert_error(client.get(f"{ITEMS}/{id_}/thumbnail?side={side}"), 422, "request_invalid")


@pytest.mark.parametrize("kind", ["thumbnail", "picture"])
def test_a_picture_that_the_client_has_is_not_sent_again(client: TestClient, kind: str) -> None:
    address = f"{ITEMS}/{find(client, 'circle', 'image')['id']}/{kind}"
    etag = client.get(address).headers["etag"]

    again = client.get(address, headers={"If-None-Match": etag})
    smaller = client.get(f"{address}?side=20", headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["etag"], "cache-control" in again.headers) == (etag, True)
    assert smaller.status_code == 200


def test_a_text_has_no_picture_whatever_the_client_has(client: TestClient) -> None:
    address = f"{ITEMS}/{find(client, 'roses', 'text')['id']}/picture"

    answer = client.get(address, headers={"If-None-Match": "*"})

    assert_error(answer, 415, "source_unsupported")


def test_a_picture_whose_file_is_gone_or_another_is_gone(
    client: TestClient, tiny_folder: Path
) -> None:
    circle, square = (find(client, name, "image")["id"] for name in ("circle", "red square"))
    addresses = [
        f"{ITEMS}/{id_}/{kind}" for id_ in (circle, square) for kind in ("picture", "thumbnail")
    ]
    tags = {address: client.get(address).headers["etag"] for address in addresses}
    (tiny_folder / "circle.png").unlink()
    draw("blue", "triangle").save(tiny_folder / "red square.png")

    for address, tag in tags.items():
        assert_error(client.get(address), 410, "source_gone")
        known = {"If-None-Match": tag}
        assert_error(client.get(address, headers=known), 410, "source_gone")
