"""What this process holds of the system: open files, threads, child processes, memory (Linux)."""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 30.0  # seconds
_SELF = Path("/proc/self")
# Of Chroma: the threads of its runtime, and one for each of its connections to SQLite.
_POOLS = ("tokio-rt-worker", "sqlx-sqlite-wor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held at one time."""

    files: Counter[str]
    threads: Counter[str]
    children: tuple[int, ...]
    pool: int = field(compare=False, repr=False)
    """Threads that Chroma starts and ends by itself, as it needs them."""

    def beyond(self, before: Held) -> list[str]:
        """Return what is held and was not before.

        What an earlier test has left may go at any time.
        """
        files, threads = self.files - before.files, self.threads - before.threads
        children = set(self.children) - set(before.children)
        return [*files.elements(), *threads.elements(), *map(str, children)]


def held() -> Held:
    """Return what this process holds now, after the garbage is collected."""
    gc.collect()
    threads = _threads()
    pool = sum(threads.pop(name, 0) for name in _POOLS)
    return Held(files=_open_files(), threads=threads, children=children(), pool=pool)


def settled(before: Held, is_usual: Callable[[str], bool] = lambda _: False) -> Held:
    """Return what is held as soon as no more is held than before, or what is usual; or late.

    Threads that were told to end do so in their own time, and Chroma's close files in theirs.
    """
    until = time.monotonic() + _PATIENCE
    while not all(map(is_usual, (now := held()).beyond(before))) and time.monotonic() < until:
        time.sleep(0.05)
    return now


def resident_bytes(process: int | str = "self") -> int:
    """Return how much memory a process has; 0 when it has ended."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def children() -> tuple[int, ...]:
    """Return the processes that this one has started and that have not ended."""
    found: list[int] = []
    for task in _tasks():
        try:
            some = (task / "children").read_text(encoding="ascii")
        except OSError:  # the thread has just ended
            continue
        found += map(int, some.split())
    return tuple(sorted(found))


def _tasks() -> list[Path]:
    return list((_SELF / "task").iterdir())


def _threads() -> Counter[str]:
    found: Counter[str] = Counter()
    for task in _tasks():
        try:
            found[(task / "comm").read_text(encoding="utf-8").strip()] += 1
        except OSError:  # it has just ended
            continue
    return found


def _open_files() -> Counter[str]:
    found: Counter[str] = Counter()
    for number in (_SELF / "fd").iterdir():
        try:
            found[str(number.readlink())] += 1
        except FileNotFoundError:  # the folder itself, which was open while it was listed
            continue
    return found
