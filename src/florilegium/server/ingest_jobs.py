"""Runs of ingest that the server started: one at a time for each library, each in its own process.

A process of its own leaves the server's threads to those who search, and can be ended without
harm: whatever it has done stays done, and the next run goes on from there.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Literal

from florilegium import tracing
from florilegium.errors import IndexLockedError, NotFoundError, TooBusyError, WorkerError
from florilegium.serialize import Json
from florilegium.server.observing import UNOBSERVED, Observer
from florilegium.server.request_notes import current_request

logger = logging.getLogger(__name__)

_KEPT = 20  # jobs of one library that are remembered
_PATIENCE = 20.0  # seconds that cancelled runs have together to write down what they did
_NICE = 10  # those who search come first


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is known of one run of ingest.

    `done` of `total` files, or pictures in the stage `captions`; `read` of them were read ahead.
    `path` is the file at hand, empty where several are encoded or written together.
    `report` is that of `florilegium ingest --json`; `error` has a code, a message and a hint.
    """

    id: str
    library: str
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    stage: str = "files"
    step: str = "reading"
    read: int = 0
    done: int = 0
    total: int = 0
    path: str = ""
    report: Json | None = None
    error: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a run is told: a library's folder, the overrides of its settings, and how to run."""

    folder: Path
    overrides: Mapping[str, object]
    rebuild: bool = False
    allow_empty: bool = False


class IngestJobs:
    """Starts, watches and ends runs of ingest. Many threads may use it."""

    def __init__(self, observer: Observer = UNOBSERVED) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._cancelled: set[str] = set()
        self._closed = False
        self._watchers: list[threading.Thread] = []

    def start(self, library: str, order: Order) -> Job:
        """Start a run, whose log and spans go on where those of the request at hand are.

        Raises:
            IndexLockedError: Another run of this library is not over.
            TooBusyError: The server is about to stop.
            WorkerError: Its process does not start.
        """
        with self._lock:
            if self._closed:
                raise TooBusyError(
                    "The server is about to stop.", hint="Try again when it is up again."
                )
            for job in self._jobs.values():
                if job.library == library and job.state == "running":
                    raise IndexLockedError(
                        f"The server is ingesting {library!r} already.",
                        hint="Wait until that run has ended, or cancel it.",
                    )
            job = Job(id=secrets.token_urlsafe(9), library=library)
            process = _spawn(order, job=job.id)
            self._jobs[job.id] = job
            self._processes[job.id] = process
            self._forget_old(library)
            watcher = threading.Thread(target=self._watch, args=(job.id, process), daemon=True)
            self._watchers = [thread for thread in self._watchers if thread.is_alive()]
            self._watchers.append(watcher)
        watcher.start()
        return job

    def all(self, library: str) -> list[Job]:
        """Return the jobs of a library, the newest first."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.library == library]

    def get(self, library: str, id_: str) -> Job:
        """Return one job of a library. Raises NotFoundError."""
        with self._lock:
            job = self._jobs.get(id_)
        if job is None or job.library != library:
            raise NotFoundError(
                f"The library {library!r} has no job {id_!r}.",
                hint="The server remembers the last runs only, until it stops.",
            )
        return job

    def cancel(self, library: str, id_: str) -> None:
        """End a run after the file at hand; one that ends already or has ended is left alone."""
        job = self.get(library, id_)
        with self._lock:
            if process := self._processes.get(job.id):
                self._tell_to_end(job.id, process)

    def tell_to_end(self) -> None:
        """Start no more, and tell all runs to end after the file at hand."""
        with self._lock:
            self._closed = True
            for id_, process in self._processes.items():
                self._tell_to_end(id_, process)

    def close(self) -> None:
        """End all runs: what they have done stays done."""
        self.tell_to_end()
        with self._lock:
            processes = list(self._processes.values())
        deadline = monotonic() + _PATIENCE
        for process in processes:
            try:
                process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()  # which loses nothing either
        for watcher in self._watchers:
            watcher.join()

    def _tell_to_end(self, id_: str, process: subprocess.Popen[str]) -> None:
        if id_ not in self._cancelled:  # a second signal would break off the file at hand
            self._cancelled.add(id_)
            process.send_signal(signal.SIGINT)

    def _watch(self, id_: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._hear(id_, line)
        finally:
            process.stdout.close()
            code = process.wait()
            with self._lock:
                self._processes.pop(id_, None)
                asked = id_ in self._cancelled
                self._cancelled.discard(id_)
                job = self._jobs.get(id_)
            if job is not None and job.state == "running":
                self._change(id_, **_ended_silently(code, asked=asked))

    def _hear(self, id_: str, line: str) -> None:
        try:
            told: dict[str, Json] = json.loads(line)
        except ValueError:
            said = "A run of ingest said what is no message: %s"
            logger.warning(said, line[:200], extra={"fields": {"job": id_}})
            return
        if progress := told.get("progress"):
            self._change(
                id_,
                stage=str(progress["stage"]),
                step=str(progress["step"]),
                read=int(str(progress["read"])),
                done=int(str(progress["done"])),
                total=int(str(progress["total"])),
                path=str(progress["path"]),
            )
        elif report := told.get("report"):
            state = "cancelled" if report["interrupted"] else "done"
            self._change(id_, state=state, report=report)
        elif error := told.get("error"):
            logger.warning("A run of ingest failed: %s", error["message"])
            self._change(id_, state="failed", error=error)

    def _change(self, id_: str, **changes: object) -> None:
        with self._lock:
            job = self._jobs.get(id_)
            if job is None:
                return
            changed = replace(job, **changes)  # type: ignore[arg-type]  # by name
            self._jobs[id_] = changed
        if changed.state != "running" and job.state == "running":
            self._observer.ingested(state=changed.state)

    def _forget_old(self, library: str) -> None:
        ended = [
            job.id
            for job in self._jobs.values()
            if job.library == library and job.state != "running"
        ]
        for id_ in ended[: -_KEPT or None]:
            del self._jobs[id_]


def _spawn(order: Order, *, job: str) -> subprocess.Popen[str]:
    request = current_request()
    told = {
        "folder": str(order.folder),
        "overrides": dict(order.overrides),
        "rebuild": order.rebuild,
        "allow_empty": order.allow_empty,
        "job": job,
        "request": request.id if request else "",
        "trace": tracing.trace_headers(),
    }
    line = json.dumps(told) + "\n"
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "florilegium.server.ingest_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # Ctrl-C at the server's terminal is for the server, which then ends its runs itself.
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(error) from error
    assert process.stdin is not None
    try:
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        with process.stdin as stdin:
            stdin.write(line)
    except OSError as error:
        process.kill()
        process.communicate()
        raise _not_started(error) from error
    return process


def _not_started(error: OSError) -> WorkerError:
    return WorkerError(
        f"The process of an ingest does not start: {error.strerror}.",
        hint="See that the machine has memory and room for another process.",
    )


def _ended_silently(code: int, *, asked: bool) -> dict[str, object]:
    if asked:
        return {"state": "cancelled"}
    return {
        "state": "failed",
        "error": {
            "code": "worker_failed",
            "message": f"The run of ingest ended with the code {code} before it was done.",
            "hint": "Start it again: it goes on from where it was. The server's log may say more.",
        },
    }
