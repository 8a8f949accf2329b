"""`florilegium serve` as a process with a port: it serves, streams, and stops gracefully."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import httpx
import pytest

from benchmarks.steady_model import SteadyModel, served
from florilegium import Library
from tests.conftest import FAKES

QUESTION = {"question": "How many sides has a red square?"}
LONG = 60.0


@pytest.fixture
def model() -> SteadyModel:
    return SteadyModel(words=40, pause=0.05)


@contextmanager
def serving(
    folder: Path, *settings: str, model: str = ""
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Give the address of a server, and its process, which is ended with the block."""
    chat = ("chat.name=openai:steady", f"chat.base_url={model}", "chat.vision=no") if model else ()
    pairs = [part for pair in (*chat, "server.page=false", *settings) for part in ("--set", pair)]
    command = [sys.executable, "-m", "florilegium", "serve", "--port", "0", *pairs]
    with TemporaryFile("w+", encoding="utf-8") as told:
        process = subprocess.Popen([*command, "--library", str(folder)], stderr=told)
        try:
            yield address_in(told, process), process
        finally:
            process.terminate()
            process.wait(LONG)


def address_in(told: IO[str], process: subprocess.Popen[bytes]) -> str:
    """Return the address that the server tells as soon as it listens."""
    while True:
        told.seek(0)
        if found := re.search(r"http://\S+", text := told.read()):
            return found[0]
        assert process.poll() is None, text
        threading.Event().wait(0.05)


def ask(address: str, names: list[str], data: list[Any]) -> None:
    """Read an answer, and note the names and data of its events as they come."""
    with httpx.stream(
        "POST", f"{address}/api/libraries/tiny/ask", json=QUESTION, timeout=LONG
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
            elif line.startswith("data: "):
                data.append(json.loads(line.removeprefix("data: ")))


def wait_for_tokens(names: list[str], reading: threading.Thread) -> None:
    while names.count("token") < 3 and reading.is_alive():
        reading.join(0.01)
    assert names.count("token") >= 3


def test_it_serves_the_library_until_it_is_told_to_stop(tiny_library: Library) -> None:
    with serving(tiny_library.root) as (address, process):
        body = {"text": "red square", "top_k": 1}
        found = httpx.post(f"{address}/api/libraries/tiny/search", json=body, timeout=LONG).json()
        process.send_signal(signal.SIGTERM)
        code = process.wait(LONG)

    assert found["hits"][0]["path"].startswith("red square")
    assert code == 0


def test_an_answer_that_is_under_way_ends_before_the_server_does(
    tiny_library: Library, model: SteadyModel
) -> None:
    names: list[str] = []
    data: list[Any] = []
    with (
        served(model) as chat,
        serving(tiny_library.root, "server.stop_seconds=30", model=chat) as (address, process),
    ):
        reading = threading.Thread(target=ask, args=(address, names, data))
        reading.start()
        wait_for_tokens(names, reading)
        process.send_signal(signal.SIGTERM)
        reading.join(LONG)
        code = process.wait(LONG)

    assert names[-1] == "finished"
    assert len(data[-1]["answer"].split()) >= 40
    assert code == 0


def test_an_answer_that_takes_too_long_is_cancelled_and_nothing_is_corrupted(
    tiny_library: Library, model: SteadyModel
) -> None:
    model = SteadyModel(words=2000, pause=0.05)
    names: list[str] = []
    data: list[Any] = []
    with (
        served(model) as chat,
        serving(tiny_library.root, "server.stop_seconds=1", model=chat) as (address, process),
    ):
        reading = threading.Thread(target=ask, args=(address, names, data))
        reading.start()
        wait_for_tokens(names, reading)
        process.send_signal(signal.SIGINT)
        code = process.wait(LONG)
        reading.join(LONG)
        model.wait_until_idle()

    assert code == 0
    assert names[-1] == "error"
    assert data[-1]["error"]["code"] == "server_busy"
    assert model.left == 1
    with Library.open(tiny_library.root, overrides=FAKES) as library:
        assert library.inspect() == []


def test_a_client_that_goes_lets_the_chat_model_go(
    tiny_library: Library, model: SteadyModel
) -> None:
    model = SteadyModel(words=2000, pause=0.05)
    with (
        served(model) as chat,
        serving(tiny_library.root, model=chat) as (address, _),
        httpx.stream(
            "POST", f"{address}/api/libraries/tiny/ask", json=QUESTION, timeout=LONG
        ) as answer,
    ):
        lines = answer.iter_lines()
        while not next(lines).startswith("event: token"):
            pass
        answer.close()
        model.wait_until_idle()

    assert model.left == 1


def test_a_chat_model_that_is_silent_does_not_delay_the_end(
    tiny_library: Library, model: SteadyModel
) -> None:
    model = SteadyModel(words=1, pause=LONG)
    names: list[str] = []

    with (
        served(model) as chat,
        serving(tiny_library.root, "server.stop_seconds=1", model=chat) as (address, process),
    ):
        reading = threading.Thread(target=ask, args=(address, names, []))
        reading.start()
        while not model.running:
            reading.join(0.01)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(LONG)
        took = time.monotonic() - began
        reading.join(LONG)
        model.wait_until_idle()

    assert code == 0
    assert names == ["retrieved", "error"]
    assert took < LONG / 2
    assert model.left == 1


def test_a_client_that_goes_while_the_chat_model_is_silent_leaves_its_place_to_the_next(
    tiny_library: Library, model: SteadyModel
) -> None:
    model = SteadyModel(words=1, pause=LONG)
    with (
        served(model) as chat,
        serving(tiny_library.root, "server.answers=1", model=chat) as (address, _),
    ):
        for place in range(1, 3):
            with httpx.stream(
                "POST", f"{address}/api/libraries/tiny/ask", json=QUESTION, timeout=LONG
            ) as answer:
                lines = answer.iter_lines()  # dropping it would hang up
                assert next(lines).startswith("event: retrieved")
                while not model.running:
                    time.sleep(0.01)
            model.wait_until_idle()
            assert model.left == place
