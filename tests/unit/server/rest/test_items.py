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


@pytest.mark.parametrize("suffix", ["", "/thumbnail", "/picture", "/text"])
@pytest.mark.parametrize(
    "id_", ["circle.png", "a" * 33, "A" * 32, "a" * 32 + "%0a", "%00", "%ff", "花", "a" * 5000]
)
def test_what_is_no_id_is_not_found_and_not_looked_for(
    client: TestClient, id_: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Library, "item", lambda _, id_: asked.append(id_))

    assert_error(client.get(f"{ITEMS}/{id_}{suffix}"), 404, "item_not_found")
    assert asked == []


@pytest.mark.parametrize("id_", ["..%2fcircle.png", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"])
def test_a_path_is_no_id(client: TestClient, id_: str) -> None:
    assert client.get(f"{ITEMS}/{id_}/picture").status_code == 404


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
