"""The exact bytes of answers as server-sent events, and of errors, as clients have to read them.

`make golden` writes the files anew; a missing file is a failure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.testing.chat_model import FakeChatModel
from tests.unit.server.samples import HERE, speak_by

FOLDER = Path(__file__).parent / "sse"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
ASK = "/api/libraries/tiny/ask"


@pytest.fixture
def client(tiny_library: Library) -> Iterator[TestClient]:
    config = ServerConfig(page=False)
    with TestClient(create_app(tiny_library, config=config), base_url=HERE) as client:
        yield client


def answer(client: TestClient, _: Library) -> Any:
    return client.post(ASK, json={"question": "How many sides has a red square?"})


def refusal(client: TestClient, _: Library) -> Any:
    return client.post(ASK, json={"question": "Who won the football match in 1954?"})


def words_of_a_model(client: TestClient, library: Library) -> Any:
    speak_by(library, FakeChatModel(["A square [1]\nhas four sides [9]."], generative=False))
    return client.post(ASK, json={"question": "How many sides has a red square?"})


def chinese(client: TestClient, _: Library) -> Any:
    return client.post(ASK, json={"question": "蓝色的三角形有几个角？"})


def error_of_a_value(client: TestClient, _: Library) -> Any:
    return client.post(ASK, json={"question": " "})


def error_of_the_shape(client: TestClient, _: Library) -> Any:
    return client.post(ASK, json={"question": 1, "extra": 2})


def error_of_the_address(client: TestClient, _: Library) -> Any:
    return client.get("/api/libraries/none")


CASES: list[Callable[[TestClient, Library], Any]] = [
    answer,
    refusal,
    words_of_a_model,
    chinese,
    error_of_a_value,
    error_of_the_shape,
    error_of_the_address,
]


@pytest.mark.parametrize("ask", CASES, ids=lambda ask: ask.__name__)
def test_an_answer_is_sent_as_it_was_promised(
    client: TestClient, tiny_library: Library, ask: Callable[[TestClient, Library], Any]
) -> None:
    got = ask(client, tiny_library)
    # Numbers that depend on sums of floating point differ in their last digits between machines.
    body = re.sub(r"(\d\.\d{3})\d+(e-\d+)?", r"\1…", got.text.replace("\r\n", "\n"))
    text = f"{got.status_code} {got.headers['content-type']}\n\n{body}"
    file = FOLDER / f"{ask.__name__}.txt"
    if UPDATE:
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    assert file.exists(), f"{file.name} is missing; `make golden` writes it"
    assert text == file.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {ask.__name__ for ask in CASES}
