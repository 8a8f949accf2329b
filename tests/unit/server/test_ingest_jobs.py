"""Runs of ingest in processes of their own: watched, one at a time, and ended without harm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from florilegium import Library
from florilegium.errors import IndexLockedError, NotFoundError, TooBusyError, WorkerError
from florilegium.locking import writers_lock
from florilegium.server.ingest_jobs import IngestJobs, Job, Order
from florilegium.server.request_notes import noting
from tests.conftest import FAKES

LONG = 60.0

WAIT = """
import os, time
while not os.path.exists({gate!r}):
    time.sleep(0.01)
"""
STICK = """
import itertools, time
from florilegium.testing.encoder import FakeEncoder
counting, encode = itertools.count(), FakeEncoder.encode_texts
def stick(*inputs, **more):
    if next(counting) == 150:
        time.sleep(600)
    return encode(*inputs, **more)
FakeEncoder.encode_texts = stick
"""


@pytest.fixture
def jobs() -> Iterator[IngestJobs]:
    jobs = IngestJobs()
    yield jobs
    jobs.close()


@pytest.fixture
def order(tiny_folder: Path) -> Order:
    Library.create(tiny_folder, overrides=FAKES).close()
    return Order(folder=tiny_folder, overrides=FAKES)


@pytest.fixture
def begin_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what lets runs begin by some code."""

    def begin_by(code: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(code, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return begin_by


@pytest.fixture
def gate(tmp_path: Path, begin_by: Callable[[str], None]) -> Path:
    """Return a file that has to be there before a run begins."""
    gate = tmp_path / "gate"
    begin_by(WAIT.format(gate=str(gate)))
    return gate


def ended(jobs: IngestJobs, job: Job) -> Job:
    for _ in range(int(LONG / 0.05)):
        found = jobs.get(job.library, job.id)
        if found.state != "running":
            return found
        threading.Event().wait(0.05)
    raise AssertionError("The run did not end.")


def test_a_run_ends_with_the_report(jobs: IngestJobs, order: Order) -> None:
    job = ended(jobs, jobs.start("tiny", order))

    assert job.state == "done"
    assert (job.done, job.total) == (7, 7)
    assert job.report is not None
    assert job.report["added"] == 7
    assert jobs.all("tiny") == [job]
    assert jobs.all("other") == []


def test_a_run_knows_its_job_and_whose_request_began_it(
    jobs: IngestJobs, order: Order, capfd: pytest.CaptureFixture[str]
) -> None:
    told = replace(order, overrides={**FAKES, "server.log_format": "json"})

    with noting("from-the-test"):
        job = ended(jobs, jobs.start("tiny", told))

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert lines
    assert {(line["job"], line["request"]) for line in lines} == {(job.id, "from-the-test")}


def test_a_second_run_of_a_library_is_refused_while_one_is_at_work(
    jobs: IngestJobs, order: Order, gate: Path
) -> None:
    job = jobs.start("tiny", order)

    with pytest.raises(IndexLockedError, match="'tiny' already"):
        jobs.start("tiny", order)

    gate.touch()
    assert ended(jobs, job).state == "done"
    assert ended(jobs, jobs.start("tiny", order)).state == "done"


def test_a_run_that_another_process_locks_out_fails_with_that_error(
    jobs: IngestJobs, order: Order, tiny_folder: Path
) -> None:
    with writers_lock(tiny_folder / ".florilegium", doing="a test"):
        job = ended(jobs, jobs.start("tiny", order))

    assert job.state == "failed"
    assert job.error is not None
    assert job.error["code"] == "index_locked"


def test_a_cancelled_run_keeps_what_it_did(
    jobs: IngestJobs, order: Order, tiny_folder: Path, begin_by: Callable[[str], None]
) -> None:
    begin_by(STICK)
    for number in range(400):
        (tiny_folder / f"note {number}.txt").write_text(f"Note {number}.\n", encoding="utf-8")
    few = {**FAKES, "ingest.batch_files": 1}
    job = jobs.start("tiny", Order(folder=tiny_folder, overrides=few))
    # At most 64 files are done ahead of the one that is written next.
    while (found := jobs.get("tiny", job.id)).done < 70 and found.state == "running":
        threading.Event().wait(0.01)

    jobs.cancel("tiny", job.id)
    found = ended(jobs, job)

    assert found.state == "cancelled"
    assert found.report is not None
    assert found.report["interrupted"] is True
    with Library.open(tiny_folder, overrides=FAKES) as library:
        assert 5 <= library.statistics().sources < 407


def test_who_cancels_a_run_twice_breaks_nothing_off(
    jobs: IngestJobs, order: Order, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.start("tiny", order)
    told: list[int] = []
    monkeypatch.setattr(jobs._processes[job.id], "send_signal", told.append)

    jobs.cancel("tiny", job.id)
    jobs.cancel("tiny", job.id)

    assert told == [signal.SIGINT]
    gate.touch()


@pytest.mark.usefixtures("gate")
def test_a_killed_run_is_told_as_failed(jobs: IngestJobs, order: Order) -> None:
    job = jobs.start("tiny", order)

    jobs._processes[job.id].kill()
    found = ended(jobs, job)

    assert found.state == "failed"
    assert found.error is not None
    assert found.error["code"] == "worker_failed"


def test_closing_ends_what_runs(order: Order) -> None:
    jobs = IngestJobs()
    job = jobs.start("tiny", order)

    jobs.close()

    assert jobs.get("tiny", job.id).state in {"done", "cancelled"}
    assert jobs._processes == {}


def test_a_run_is_told_to_end_once(
    order: Order, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    jobs = IngestJobs()
    job = jobs.start("tiny", order)
    process = jobs._processes[job.id]
    send = process.send_signal

    def note(number: int) -> None:
        sent.append(number)
        send(number)

    monkeypatch.setattr(process, "send_signal", note)

    jobs.tell_to_end()
    gate.touch()
    jobs.close()

    assert sent == [signal.SIGINT]


def test_what_a_library_prints_is_no_message(
    jobs: IngestJobs, order: Order, begin_by: Callable[[str], None]
) -> None:
    begin_by("print('a plugin says hello')")

    assert ended(jobs, jobs.start("tiny", order)).state == "done"


def test_a_process_that_does_not_start_is_an_error(
    jobs: IngestJobs, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(WorkerError, match="does not start: No such file"):
        jobs.start("tiny", order)

    assert jobs.all("tiny") == []


def test_after_the_end_nothing_is_started(order: Order) -> None:
    jobs = IngestJobs()
    jobs.close()

    with pytest.raises(TooBusyError, match="about to stop"):
        jobs.start("tiny", order)


def test_an_unknown_run_is_not_found(jobs: IngestJobs) -> None:
    with pytest.raises(NotFoundError, match="no job 'x'"):
        jobs.get("tiny", "x")


def test_runs_that_do_not_end_have_their_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, now, killed = IngestJobs(), [0.0], []

    class Stuck:
        def send_signal(self, _: int) -> None:
            pass

        def wait(self, seconds: float) -> int:
            now[0] += seconds
            raise subprocess.TimeoutExpired("ingest", seconds)

        def kill(self) -> None:
            killed.append(self)

    monkeypatch.setattr("florilegium.server.ingest_jobs.monotonic", lambda: now[0])
    stuck = {name: Stuck() for name in ("a", "b", "c")}
    jobs._processes = cast("dict[str, subprocess.Popen[str]]", stuck)

    jobs.close()

    assert len(killed) == 3
    assert now[0] <= 20.0
