"""Lets an answer go first: an ingest pauses while a chat model in process writes one.

Both on one processor take each other's cores, and a reply crawls. Works across processes by a
lock file in the library's folder. Knows neither ingest nor chat models.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

from florilegium.report import Progress

logger = logging.getLogger(__name__)

LONGEST_PAUSE: Final = 60.0
"""Seconds that an ingest waits before one file; then it goes on, so that it always ends."""

_NAME = "speaking"
_POLL = 0.1


@contextmanager
def going_first(folder: Path) -> Iterator[None]:
    """Make every courteous ingest of the library pause until the block ends.

    Several may speak at once: one holds the lock, and the others are as quick as they can be.

    Args:
        folder: Where the index of the library is.
    """
    lock = filelock.FileLock(folder / _NAME, thread_local=False)
    try:
        lock.acquire(timeout=_POLL)
    except (filelock.Timeout, OSError) as error:
        logger.debug("Nobody is asked to pause: %s", error)
    try:
        yield
    finally:
        lock.release()


def courteous(
    progress: Callable[[Progress], None] | None,
    *,
    folder: Path,
    longest: float = LONGEST_PAUSE,
) -> Callable[[Progress], None]:
    """Return what an ingest calls before each file: it waits while somebody speaks."""
    lock = filelock.FileLock(folder / _NAME, thread_local=False)

    def tell(state: Progress) -> None:
        if progress is not None:
            progress(state)
        try:
            with lock.acquire(timeout=longest, poll_interval=_POLL):
                pass
        except (filelock.Timeout, OSError) as error:
            logger.debug("Not waiting any longer: %s", error)

    return tell
