"""One run of ingest, told line by line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from florilegium import Library
from florilegium.locking import read_holder
from florilegium.server.ingest_worker import main
from tests.conftest import FAKES
from tests.otlp_receiver import receiving


def order_of(folder: Path, **more: object) -> dict[str, object]:
    order: dict[str, object] = {"folder": str(folder), "overrides": FAKES, "rebuild": False}
    return {**order, "allow_empty": False, "job": "j1", "request": "abc", "trace": {}, **more}


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    traces: str = "",
    trace: Mapping[str, str] | None = None,
) -> tuple[int, list[dict[str, Any]]]:
    order = order_of(folder, overrides={**FAKES, "server.traces": traces}, trace=trace or {})
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order) + "\n"))
    # The log is that of the tests.
    monkeypatch.setattr("florilegium.server.ingest_worker.set_up_logging", lambda *_, **__: None)
    code = main(sys.stdout)
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_progress_and_the_report_are_told(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Library.create(tiny_folder, overrides=FAKES).close()

    code, told = run(tiny_folder, monkeypatch, capsys)

    assert code == 0
    assert told[-1]["report"]["added"] == 7
    steps = [line["progress"] for line in told[:-1]]
    assert {step["total"] for step in steps} == {7}
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)


def test_the_report_tells_no_path_of_this_machine(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Library.create(tiny_folder, overrides=FAKES).close()
    stopped = {"caption_problem": "'/srv/models/rose.gguf' broke."}
    monkeypatch.setattr("florilegium.server.ingest_worker.report_to_json", lambda _: stopped)

    _, told = run(tiny_folder, monkeypatch, capsys)

    assert told[-1] == {"report": {"caption_problem": "'…/rose.gguf' broke."}}


def test_a_run_whose_server_was_killed_ends_without_a_traceback(tiny_folder: Path) -> None:
    Library.create(tiny_folder, overrides=FAKES).close()
    order = order_of(tiny_folder)
    command = [sys.executable, "-m", "florilegium.server.ingest_worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.close()
        said = process.stderr.read()

    assert process.returncode == 1
    assert said == ""
    assert read_holder(tiny_folder / ".florilegium") is None


def test_an_error_is_told_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = run(tmp_path, monkeypatch, capsys)

    assert code == 1
    assert [line["error"]["code"] for line in told] == ["index_missing"]


def test_its_spans_go_on_in_the_trace_of_the_request(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Library.create(tiny_folder, overrides=FAKES).close()
    trace, request = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{request}-01"}

    with receiving() as receiver:
        code, _ = run(tiny_folder, monkeypatch, capsys, traces=receiver.address, trace=headers)

        assert code == 0
        [ingest] = [one for one in receiver.spans if one.name == "ingest"]
        assert ingest.parent_span_id.hex() == request
        assert {one.trace_id.hex() for one in receiver.spans} == {trace}


def test_a_crash_is_a_line_of_the_log_too(tiny_folder: Path) -> None:
    Library.create(tiny_folder, overrides=FAKES).close()
    order = order_of(tiny_folder, overrides={**FAKES, "server.log_format": "json"})
    del order["rebuild"]  # which the server never leaves out

    done = subprocess.run(
        [sys.executable, "-m", "florilegium.server.ingest_worker"],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (1, "")
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["level"], line["job"], line["request"]) == ("critical", "j1", "abc")
    assert "KeyError: 'rebuild'" in line["error"]
