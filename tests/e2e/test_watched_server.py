"""A real server in a process of its own: what its log, metrics and traces say, and do not say."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from florilegium import Library
from tests.conftest import FAKES, write_tiny_folder
from tests.otlp_receiver import Receiver, receiving
from tests.unit.server.test_metrics import read

SECRET = "zeugma"  # a word of a question, which must not be found anywhere

KEY = "a-long-random-word-of-a-key"


@contextmanager
def _serving(root: Path, *settings: str, log: Path) -> Iterator[str]:
    """Run `florilegium serve` and give its address; what it logs is in `log`."""
    flags = [flag for one in settings for flag in ("--set", one)]
    command = [sys.executable, "-m", "florilegium", "serve", "--port", "0"]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [*command, "--library", f"tiny={root}", *flags],
            stderr=file,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield _address(log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    while process.poll() is None:
        if at := re.search(r"Serving .* at (http://[^\s\"]+)", log.read_text(encoding="utf-8")):
            return at[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Receiver, str, httpx.Response]]:
    """Search, ask and ingest once; give the log, the collector, the metrics and an answer."""
    folder = tmp_path_factory.mktemp("watched")
    root, log = folder / "tiny", folder / "log"
    write_tiny_folder(root)
    with Library.create(root, overrides=FAKES) as library:
        library.ingest()
    with receiving() as receiver:
        settings = (
            "server.log_format=json",
            "server.metrics=true",
            f"server.traces={receiver.address}",
        )
        with _serving(root, *settings, log=log) as address:
            api = f"{address}/api/libraries/tiny"
            with httpx.Client(timeout=60, trust_env=False) as client:
                question = f"What is a {SECRET}?"
                headers = {"X-Request-ID": "from-the-test"}
                found = client.post(f"{api}/search", json={"text": question}, headers=headers)
                client.post(f"{api}/ask", json={"question": question})
                client.get(f"{address}/{SECRET}?{SECRET}=1")
                (root / "new.txt").write_text("A new file.\n", encoding="utf-8")
                begin = client.post(f"{api}/ingest", json={}, headers={"X-Request-ID": "an-ingest"})
                job = begin.json()["id"]
                while client.get(f"{api}/ingest/{job}").json()["state"] == "running":
                    time.sleep(0.1)
                metrics = client.get(f"{address}/metrics").text
        yield log.read_text(encoding="utf-8"), receiver, metrics, found


def test_each_line_of_the_log_is_json_and_each_request_has_one(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    lines = [json.loads(line) for line in watched[0].splitlines()]

    assert {line["logger"].split(".")[0] for line in lines} >= {"florilegium", "uvicorn"}
    [search] = [line for line in lines if line.get("route") == "/api/libraries/{library}/search"]
    assert search["request"] == "from-the-test"
    assert (search["status"], search["user"], search["library"]) == (200, "local", "tiny")
    assert search["bytes"] == len(watched[3].content)
    assert re.fullmatch(r"[0-9a-f]{32}", search["trace"])


def test_the_client_gets_the_id_of_its_request(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    assert watched[3].headers["x-request-id"] == "from-the-test"


def test_the_metrics_count_what_was_done(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    found = read(watched[2].encode())

    assert found["florilegium_searches_total{code=ok}"] == 1
    assert found["florilegium_answer_seconds_count"] == 1
    assert found["florilegium_ingests_total{state=done}"] == 1
    assert found["florilegium_items{library=tiny,modality=image}"] == 3


def test_the_trace_of_a_request_holds_its_steps(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    spans = watched[1].spans
    [request] = [one for one in spans if one.name == "POST /api/libraries/{library}/ask"]
    within = {one.name for one in spans if one.trace_id == request.trace_id}

    assert {"ask", "understand", "search", "vectors", "fusion", "evidence"} <= within


def test_the_trace_of_an_ingest_is_that_of_the_request_that_began_it(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    spans = watched[1].spans
    [request] = [one for one in spans if one.name == "POST /api/libraries/{library}/ingest"]
    [ingest] = [one for one in spans if one.name == "ingest"]  # of another process

    assert ingest.parent_span_id == request.span_id
    within = {one.name for one in spans if one.trace_id == request.trace_id}
    assert within >= {"ingest", "scan", "plan"}


def test_so_is_the_id_in_its_lines_of_the_log(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    lines = [json.loads(line) for line in watched[0].splitlines()[1:]]

    asked, *of_ingest = [line for line in lines if line.get("request") == "an-ingest"]
    assert asked["route"] == "/api/libraries/{library}/ingest"
    assert len(of_ingest) >= 1
    assert len({line["job"] for line in of_ingest}) == 1
    assert {line["trace"] for line in of_ingest} == {asked["trace"]}


def test_none_of_them_holds_a_word_of_a_question_or_an_address(
    watched: tuple[str, Receiver, str, httpx.Response],
) -> None:
    log, receiver, metrics, _ = watched

    assert SECRET not in log + metrics + "".join(map(str, receiver.spans))


def test_metrics_need_the_key_and_the_health_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHED_KEY", KEY)
    write_tiny_folder(tmp_path / "tiny")
    Library.create(tmp_path / "tiny", overrides=FAKES).close()
    settings = ("server.metrics=true", "server.api_key_env=WATCHED_KEY")
    log = tmp_path / "log"

    with (
        _serving(tmp_path / "tiny", *settings, log=log) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        health = client.get("/api/health")
        without = client.get("/metrics")
        found = client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})

    assert [health.status_code, without.status_code, found.status_code] == [200, 401, 200]
    assert "florilegium_requests_total" in found.text
    assert without.headers["x-request-id"] in log.read_text(encoding="utf-8")
    assert KEY not in log.read_text(encoding="utf-8")
