"""Real processes that are killed: forked from a server that has everything imported already."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from florilegium.errors import FlorilegiumError
from tests.reliability.worker import Job, Outcome, work

_LIMIT = 120  # seconds that any job may take
_IMPORTED = (
    work.__module__,
    "florilegium.encoders.starter",
    # A child imports the module that is run, and this is what those import.
    "tests.reliability.scenarios",
    "benchmarks.bench",
)


@dataclass(slots=True, kw_only=True)
class Running:
    """A process at work."""

    process: ForkServerProcess
    pipe: Connection

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """Send SIGKILL, as the system does when memory is short, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def join(self) -> Outcome | FlorilegiumError | None:
        """Wait for the end and return what came of it, None for a process that was killed."""
        result: Outcome | FlorilegiumError | None = None
        try:
            if self.pipe.poll(_LIMIT):
                result = pickle.loads(self.pipe.recv())
        except EOFError:
            pass  # it was killed
        self.process.join(_LIMIT)
        code = self.process.exitcode
        if code not in ((0,) if result is not None else (-signal.SIGKILL,)):
            raise AssertionError(f"A process ended with {code}, not by a kill or with a result.")
        return result


def start(job: Job) -> Running:
    """Start a process, which is ready to begin when this returns, unless it waits."""
    context = get_context("forkserver")
    # Takes effect once, before the first process: the server imports these and nothing else.
    context.set_forkserver_preload(list(_IMPORTED))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(job, theirs))
    process.start()
    theirs.close()
    running = Running(process=process, pipe=ours)
    if not job.wait:
        running.pipe.recv()
    return running


def run(job: Job) -> Outcome:
    """Run a job to its end. Raises what it raised."""
    result = start(job).join()
    assert result is not None, "nobody killed it"
    if isinstance(result, FlorilegiumError):
        raise result
    return result


def run_and_kill(job: Job, *, after: float | None = None) -> bool:
    """Run a job that kills itself or is killed `after` seconds; return whether it was killed."""
    running = start(job)
    if after is not None:
        time.sleep(after)
        running.kill()
    result = running.join()
    if isinstance(result, FlorilegiumError):
        raise result
    return result is None


@contextmanager
def at_work(job: Job) -> Iterator[Running]:
    """Give a process at work, and end it on the way out."""
    running = start(job)
    try:
        yield running
    finally:
        if running.process.is_alive():
            running.kill()
        running.process.join(_LIMIT)
