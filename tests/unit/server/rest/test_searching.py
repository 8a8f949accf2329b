"""Searching and asking over HTTP: all four directions, filters, follow-ups."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.pictures import picture_bytes
from florilegium.types import Picture
from tests.unit.server.samples import HERE, assert_error, data_address, find

SEARCH = "/api/libraries/tiny/search"
ASK = "/api/libraries/tiny/ask"


@pytest.fixture
def quiet_client(tiny_library: Library) -> Iterator[TestClient]:
    config = ServerConfig(searches=1, waiting=0, answers=1)
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "best"),
    [
        ({"text": "red square", "modality": "image"}, "red square.png"),
        ({"text": "roses in June", "modality": "text"}, "notes/garden.md"),
        ({"images": [data_address("blue", "triangle")], "modality": "image"}, "notes/triangle.png"),
        ({"images": [data_address("red", "square")], "modality": "text"}, "red square.txt"),
    ],
)
def test_all_four_directions_find_the_right_thing_first(
    client: TestClient, body: dict[str, Any], best: str
) -> None:
    answer = client.post(SEARCH, json=body)

    assert answer.status_code == 200
    assert answer.json()["hits"][0]["path"] == best
    assert set(answer.json()) == {"hits"}


def test_a_filter_leaves_out_what_it_does_not_admit(client: TestClient) -> None:
    body = {"text": "red square", "where": {"folders": ["notes"]}}

    hits = client.post(SEARCH, json=body).json()["hits"]

    assert {hit["path"].split("/")[0] for hit in hits} == {"notes"}


def test_an_explanation_says_how_each_hit_came_about(client: TestClient) -> None:
    found = client.post(SEARCH, json={"text": "red square", "explain": True}).json()

    assert found["hits"][0]["contributions"]
    assert 0 <= found["evidence"]["confidence"] <= 1
    assert found["rankings"]


@pytest.mark.parametrize(
    ("place", "body"),
    [
        (SEARCH, {"text": "red \ud83c"}),
        (ASK, {"question": "red \ud83c"}),
        (ASK, {"question": "red \ud83c", "stream": False}),
        (ASK, {"question": "And?", "history": [{"question": "\ud83c", "answer": "It."}]}),
    ],
)
def test_half_a_character_is_refused(client: TestClient, place: str, body: dict[str, Any]) -> None:
    answer = client.post(
        place, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )

    assert_error(answer, 422, "query_invalid")


def test_an_empty_search_is_refused(client: TestClient) -> None:
    assert_error(client.post(SEARCH, json={}), 422, "query_invalid")


def test_a_picture_of_another_machine_is_never_fetched(client: TestClient) -> None:
    body = {"images": ["http://127.0.0.1:1/a.png"]}

    assert (
        "fetches nothing"
        in assert_error(client.post(SEARCH, json=body), 422, "query_invalid")["message"]
    )


def test_an_answer_comes_as_a_whole_where_that_is_asked_for(client: TestClient) -> None:
    body = {"question": "How many sides has a red square?", "stream": False}

    answer = client.post(ASK, json=body).json()

    assert answer["answer"] == "A red square has four equal sides. [1]"
    assert answer["citations"][0]["path"] == "red square.txt"


def test_an_answer_is_written_as_was_asked_and_says_what_had_no_effect(client: TestClient) -> None:
    body = {"question": "How many sides has a red square?", "stream": False}

    answer = client.post(ASK, json=body | {"max_tokens": 6, "temperature": 1.5, "seed": 3}).json()

    assert answer["finish_reason"] == "length"
    assert answer["answer"].startswith("A red")
    assert answer["ignored"] == ["temperature", "seed"]
    assert answer["usage"] is None


@pytest.mark.parametrize(
    "options",
    [{"max_tokens": 0}, {"temperature": 2.5}, {"temperature": -1}, {"seed": -1}, {"seed": 2**31}],
)
def test_an_option_out_of_range_is_refused_by_its_name(
    client: TestClient, options: dict[str, Any]
) -> None:
    answer = client.post(ASK, json={"question": "How many?", **options})

    [name] = options
    assert name in assert_error(answer, 422, "request_invalid")["message"]


def test_a_picture_of_an_earlier_turn_stays_in_play(client: TestClient) -> None:
    turn = {"question": "What is this?", "answer": "A square [1].", "image": data_address()}
    body = {"question": "How many sides has it?", "history": [turn], "stream": False}

    answer = client.post(ASK, json=body).json()

    assert answer["identification"] is not None or "square" in answer["searched"]
    assert answer["hits"][0]["path"].startswith("red square")


@pytest.fixture
def read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return where the bytes of all pictures gather that are decoded."""
    service = client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app
    whole, seen = service.read_picture, []

    async def spy(data: bytes, *, since: float) -> Picture:
        seen.append(data)
        picture = await whole(data, since=since)
        assert isinstance(picture, Picture)
        return picture

    monkeypatch.setattr(service, "read_picture", spy)
    return seen


def test_of_a_history_only_the_newest_picture_is_read(
    client: TestClient, read: list[bytes]
) -> None:
    colours = ["red", "blue", "green"]
    turns = [
        {"question": "What is this?", "answer": "It is [1].", "image": data_address(colour)}
        for colour in colours
    ]
    asked = {"question": "How many sides has it?", "stream": False}

    followed = client.post(ASK, json=asked | {"history": turns})
    renewed = client.post(ASK, json=asked | {"history": turns, "image": data_address("blue")})

    assert (followed.status_code, renewed.status_code) == (200, 200)
    assert read == [picture_bytes(data_address(colour)) for colour in ("green", "blue")]


@pytest.mark.parametrize(
    ("library", "question", "turns", "status"),
    [("tiny", "And?", 21, 422), ("tiny", "x" * 4001, 1, 422), ("none", "And?", 1, 404)],
)
def test_nothing_is_read_of_a_question_that_is_refused(
    client: TestClient, read: list[bytes], library: str, question: str, turns: int, status: int
) -> None:
    turn = {"question": "What?", "answer": "It.", "image": data_address()}
    body = {"question": question, "history": [turn] * turns, "image": data_address()}

    answer = client.post(f"/api/libraries/{library}/ask", json=body)

    assert answer.status_code == status
    assert read == []


def test_nothing_is_read_of_a_search_in_a_library_that_is_not_there(
    client: TestClient, read: list[bytes]
) -> None:
    answer = client.post("/api/libraries/none/search", json={"images": [data_address()]})

    assert answer.status_code == 404
    assert read == []


def test_a_question_that_nothing_answers_is_refused_politely(client: TestClient) -> None:
    body = {"question": "Who won the football match in 1954?", "stream": False}

    answer = client.post(ASK, json=body).json()

    assert answer["refused"] is True
    assert answer["citations"] == []


def test_one_too_many_is_turned_away(quiet_client: TestClient) -> None:
    service = quiet_client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app
    gate = threading.Event()
    held = service.searches.submit(gate.wait)
    try:
        answer = quiet_client.post(SEARCH, json={"text": "red"})
    finally:
        gate.set()
        held.result()

    assert_error(answer, 429, "server_busy")
    assert answer.headers["retry-after"] == "1"


def test_the_pictures_of_a_request_share_its_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app
    whole = service.read_picture

    async def slow(data: bytes, *, since: float) -> Picture:
        await asyncio.sleep(0.15)
        picture = await whole(data, since=since)
        assert isinstance(picture, Picture)
        return picture

    monkeypatch.setattr(service, "read_picture", slow)
    limits = {"search_seconds": 0.3, "answer_seconds": 0.1}
    monkeypatch.setattr(service, "config", service.config.model_copy(update=limits))

    searched = client.post(SEARCH, json={"images": [data_address()] * 4})
    asked = client.post(ASK, json={"image": data_address(), "stream": False})

    assert "0.3 s" in assert_error(searched, 504, "request_too_slow")["message"]
    assert "0.1 s" in assert_error(asked, 504, "request_too_slow")["message"]


def test_the_pictures_of_a_request_have_a_limit_together(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]  # of a FastAPI app
    monkeypatch.setattr(service, "_max_pixels", lambda: 48 * 48)

    within = client.post(SEARCH, json={"images": [data_address()] * 4})
    over = client.post(SEARCH, json={"images": [data_address()] * 5})

    assert within.status_code == 200
    assert "together" in assert_error(over, 422, "query_invalid")["message"]


def test_what_is_like_a_picture_that_is_gone_is_not_searched_for(
    client: TestClient, tiny_folder: Path
) -> None:
    id_ = find(client, "circle", "image")["id"]
    (tiny_folder / "circle.png").unlink()

    error = assert_error(client.post(SEARCH, json={"like": id_}), 410, "source_gone")

    assert "'circle.png'" in error["message"]


def test_a_library_whose_folder_is_gone_is_told_without_its_path(
    client: TestClient, tiny_folder: Path
) -> None:
    assert client.post(SEARCH, json={"text": "red"}).status_code == 200
    away = tiny_folder.with_name("away")
    tiny_folder.rename(away)
    try:
        found = assert_error(client.post(SEARCH, json={"text": "red"}), 409, "index_missing")
        counted = assert_error(client.get("/api/libraries/tiny"), 409, "index_missing")
        asked = client.post(ASK, json={"question": "red?", "stream": False})
    finally:
        away.rename(tiny_folder)

    for error in (found, counted, assert_error(asked, 409, "index_missing")):
        assert error["message"] == "The folder 'tiny' is gone."
    assert client.post(SEARCH, json={"text": "red"}).status_code == 200
