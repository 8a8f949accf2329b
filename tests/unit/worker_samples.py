"""Watches processes: which ones this one has started, and whether one is still there."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0  # seconds until a test gives up that would else hang


def children(parent: int | None = None) -> set[int]:
    """Return the processes that one, by default this one, has started and not yet seen end."""
    found: set[int] = set()
    for thread in Path(f"/proc/{parent or os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found |= set(map(int, (thread / "children").read_text(encoding="ascii").split()))
    return found


def open_files() -> Counter[str]:
    """Return the files, pipes and sockets that this process has open.

    What another test has left may be closed at any time, so that to be compared is what came.
    """
    found: Counter[str] = Counter()
    for number in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself, open while it was listed
            found[str(number.readlink())] += 1
    return found


def runs(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not yet seen to does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(holds: Callable[[], bool]) -> float:
    """Wait until something holds, and return the seconds that took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < PATIENCE, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - started


def read_pid(file: Path) -> int:
    """Return the process that leaves its number in a file, once it has."""
    wait_until(lambda: file.exists() and file.read_text(encoding="utf-8") != "")
    return int(file.read_text(encoding="utf-8"))
