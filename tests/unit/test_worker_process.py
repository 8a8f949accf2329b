"""A worker is asked and answers, is waited for no longer than allowed, and leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from florilegium.config import TextEncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.errors import UnknownBackendError, WorkerError
from florilegium.worker_process import Lost, Reason, WorkerProcess
from tests.unit.trap_loader import install_traps
from tests.unit.worker_samples import children, open_files, runs, wait_until


def setup(**changes: object) -> Mapping[str, object]:
    return {
        "ingest": IngestConfig().model_dump(mode="json"),
        "text_encoder": TextEncoderConfig(name="fake:32").model_dump(mode="json"),
        "cache_folder": "unused",
        "seconds": 60,
        "memory": 500_000_000,
        "reply": 1_000_000,
        **changes,
    }


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    install_traps(tmp_path / "traps", monkeypatch)
    processes, files = children(), open_files()
    worker = WorkerProcess()
    yield worker
    worker.end()
    assert children() <= processes
    assert not open_files() - files


def pid_of(worker: WorkerProcess) -> int:
    return worker._process.pid


def load(folder: Path, text: str, name: str = "a.trap") -> Mapping[str, object]:
    """Return the request to load a file of this text."""
    (folder / name).write_text(text, encoding="utf-8")
    source = {"root": str(folder), "path": name, "size": 1, "modified_ns": 0}
    return {"job": "load", "source": source | {"content_hash": ""}}


def test_a_worker_answers(worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    worker.set_up(setup())
    assert worker.is_fresh

    reply = worker.ask({"job": "hash", "root": str(tmp_path), "path": "a.txt"}, seconds=60)

    assert len(reply.message["hash"]) == 32
    assert not worker.is_fresh


def test_a_worker_imports_what_this_process_would_and_nothing_from_the_folder_it_is_in(
    worker: WorkerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.end()
    (tmp_path / "json.py").write_text("import os; os._exit(9)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    other = WorkerProcess()
    try:
        other.set_up(setup())
        reply = other.ask(load(tmp_path, "fine"), seconds=60)
        assert len(reply.message["items"]) == 1
    finally:
        other.end()


def test_ctrl_c_is_not_for_workers(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup())
    assert os.getpgid(pid_of(worker)) != os.getpgrp()

    os.kill(pid_of(worker), signal.SIGINT)

    assert worker.ask(load(tmp_path, "fine"), seconds=60).message["items"]


def test_a_job_that_takes_too_long_is_lost(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup())
    started = time.monotonic()

    with pytest.raises(Lost) as lost:
        worker.ask(load(tmp_path, "hang"), seconds=1.5)

    assert lost.value.reason is Reason.SLOW
    assert time.monotonic() - started < 60


def test_the_kernel_ends_a_job_that_nobody_ends(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup(seconds=-4))  # a second after it has begun

    with pytest.raises(Lost) as lost:
        worker.ask(load(tmp_path, "hang"), seconds=60)

    assert lost.value.reason is Reason.SLOW
    assert worker._process.returncode == -signal.SIGALRM


def test_a_worker_that_is_killed_is_lost(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup())
    worker.kill()

    with pytest.raises(Lost, match="was killed"):
        worker.ask(load(tmp_path, "fine"), seconds=60)


def test_an_idle_worker_ends_when_its_pipe_is_closed(worker: WorkerProcess) -> None:
    worker.set_up(setup())
    pid = pid_of(worker)

    worker._requests.close()

    wait_until(lambda: not runs(pid))
    assert worker._process.wait(60) == 0


def test_ending_twice_is_no_error(worker: WorkerProcess) -> None:
    worker.end()
    worker.end()
    worker.kill()


def test_an_error_of_the_settings_is_raised_as_it_is(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup(text_encoder={"name": "nobody"}))

    reply = worker.ask(load(tmp_path, "Words.", name="a.txt"), seconds=60)

    # The encoder is opened when tokens are counted, and no sooner.
    assert reply.message["error"]["code"] == UnknownBackendError.code


def test_a_file_that_says_too_much_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.set_up(setup(reply=10_000))

    few = worker.ask(load(tmp_path, "Word. " * 100, name="a.txt"), seconds=60)
    many = worker.ask(load(tmp_path, "Word. " * 10_000, name="a.txt"), seconds=60)

    assert len(few.message["items"]) >= 1
    assert many.message["error"]["code"] == "source_too_large"
    assert "'a.txt'" in many.message["error"]["message"]


def test_a_worker_that_cannot_begin_says_why(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerError, match="cannot be started: it came to the limit") as caught:
        worker.set_up(setup(memory=1_000_000))

    assert "ingest.isolate" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("program", "words"),
    [("", "does not know its own program"), ("/nowhere/python", "No such file or directory")],
)
def test_a_program_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)

    with pytest.raises(WorkerError, match=words):
        WorkerProcess()
