"""Kills at system calls that write: strace sends the kill just before the Nth of one kind.

This reaches what no function of ours surrounds: the writes of Chroma's own threads.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.reliability.processes import Running, start
from tests.reliability.worker import Job, Outcome

WRITING: Final = (
    "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
)  # fmt: skip
_ATTACHING = 60  # seconds


def missing() -> str:
    """Return why this machine cannot do it, empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"strace cannot trace here: {done.stderr.strip()[:80]}"


def count(job: Job, place: Path) -> Counter[str]:
    """Return how many calls of each kind one thread makes at most in a run to the end."""
    log = place / "strace.log"
    with _traced(job, ["-o", str(log)]) as running:
        result = running.join()
    assert isinstance(result, Outcome), result
    calls = Counter(tuple(line.split("(")[0].split()) for line in log.read_text().splitlines())
    most: Counter[str] = Counter()
    for words, number in calls.items():
        if len(words) == 2 and words[1] in WRITING:
            most[words[1]] = max(most[words[1]], number)
    return most


def kill_at(job: Job, call: str, number: int) -> bool:
    """Run a job that is killed before call number `number` of any thread; return whether it was."""
    inject = f"inject={call}:signal=KILL:when={number}"
    with _traced(job, ["-o", os.devnull, "-e", inject]) as running:
        return running.join() is None


@contextmanager
def _traced(job: Job, options: Sequence[str]) -> Iterator[Running]:
    assert job.wait, "a process is traced before it begins"
    running = start(job)
    _wait_until_stopped(running.pid)
    line = ["strace", "-f", "-e", f"trace={','.join(WRITING)}", "-e", "signal=none"]
    tracer = subprocess.Popen([*line, *options, "-p", str(running.pid)], stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    try:
        said = tracer.stderr.readline()
        assert b"attached" in said, said
        os.kill(running.pid, signal.SIGCONT)
        yield running
    finally:
        running.kill()
        tracer.wait(_ATTACHING)
        tracer.stderr.close()


def _wait_until_stopped(pid: int) -> None:
    end = time.monotonic() + _ATTACHING
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        if state == "T":
            return
        time.sleep(0.002)
    raise AssertionError(f"Process {pid} did not stop before it began.")
