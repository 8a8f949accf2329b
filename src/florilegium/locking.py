"""One writer at a time: the lock of a library, and who holds it.

Works across processes by a lock file, which the system frees when its holder dies.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import filelock

from florilegium.errors import IndexLockedError, StoreError

_LOCK: Final = "lock"
_HOLDER: Final = "lock.json"
_POLL = 0.1  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who writes to a library: what it does, in which process of which machine, since when."""

    doing: str
    process: int
    machine: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.machine!r}, {self.doing}, since {self.since}"


@contextmanager
def writers_lock(
    folder: Path,
    *,
    doing: str,
    wait: float = 0.0,
    on_wait: Callable[[Holder | None], None] | None = None,
) -> Iterator[None]:
    """Hold the writers' lock of the library whose index folder is `folder`.

    Args:
        folder: The folder `.florilegium`.
        doing: What this process does, in a few words for others that wait.
        wait: Seconds to wait for a holder to end.
        on_wait: Called once, with who holds the lock, before waiting for it.

    Raises:
        IndexLockedError: Another writer holds it still; the message says who.
        StoreError: The lock cannot be made, or the block met an error of the disk.
    """
    lock = filelock.FileLock(folder / _LOCK)
    try:
        _acquire(lock, folder, wait=wait, on_wait=on_wait)
        try:
            _note(folder, doing)
            yield
        finally:
            (folder / _HOLDER).unlink(missing_ok=True)
            lock.release()
    except ConnectionError:
        raise  # of a pipe or a network, such as that which progress is told on: no file has it
    except OSError as error:
        raise StoreError(
            f"The index in {str(folder)!r} cannot be written: {error}.",
            hint="Check the disk, and that you may write to the subfolder .florilegium.",
        ) from error


def read_holder(folder: Path) -> Holder | None:
    """Return who holds the writers' lock, None if nobody does or it is not known."""
    try:
        return Holder(**json.loads((folder / _HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_written(folder: Path) -> bool:
    """Return whether somebody writes to the library whose index folder is `folder`.

    Looks at the lock only where a writer has left a note, so that no writer is kept out: the note
    of one that was killed is cleared away.
    """
    note = folder / _HOLDER
    if not note.exists():
        return False
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except OSError:  # nothing can be written here, and whether others can is not known
        return False
    try:
        note.unlink(missing_ok=True)
    finally:
        lock.release()
    return False


def _acquire(
    lock: filelock.BaseFileLock,
    folder: Path,
    *,
    wait: float,
    on_wait: Callable[[Holder | None], None] | None,
) -> None:
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if wait > 0:
            if on_wait is not None:
                on_wait(read_holder(folder))
            _wait(lock, folder, seconds=wait)
            return
        raise _locked(folder) from None


def _wait(lock: filelock.BaseFileLock, folder: Path, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if time.monotonic() >= end:
                raise _locked(folder) from None
            time.sleep(_POLL)
        else:
            return


def _locked(folder: Path) -> IndexLockedError:
    holder = read_holder(folder)
    return IndexLockedError(
        f"Another process is writing to the index of {str(folder.parent)!r}"
        f"{f': {holder}' if holder else ''}.",
        hint="Wait until it has ended, or let this one wait: `florilegium ingest --wait 600`.",
    )


def _note(folder: Path, doing: str) -> None:
    holder = Holder(
        doing=doing,
        process=os.getpid(),
        machine=platform.node(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    partial = folder / f"{_HOLDER}.partial"
    partial.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    partial.replace(folder / _HOLDER)
