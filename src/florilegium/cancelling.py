"""Telling a thread that what it works on is no longer wanted, even while it waits for something.

The cancellation that a thread works under is found by the context, so that no call passes it on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

_LOOK: Final = 0.1  # seconds after which a thread that waits for a lock looks whether it is wanted


class Lock(Protocol):
    """A lock of `threading`, reentrant or not."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...  # noqa: FBT001, FBT002 - theirs
    def release(self) -> None: ...


class CancelledEarly(GeneratorExit):
    """What was worked on is no longer wanted: a generator ends by this as if it were closed."""


class Cancellation:
    """Work that can be cancelled once, from any thread."""

    def __init__(self) -> None:
        self._is_set = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Return whether the work is no longer wanted."""
        return self._is_set.is_set()

    def check(self) -> None:
        """Raise CancelledEarly if the work is no longer wanted."""
        if self._is_set.is_set():
            raise CancelledEarly

    def pause(self, seconds: float) -> None:
        """Sleep. Raises CancelledEarly as soon as the work is no longer wanted."""
        self._is_set.wait(seconds)
        self.check()

    def cancel(self) -> None:
        """Wake whatever the work waits for. Once more does nothing."""
        # Under the lock, so that nothing is woken whose block was left: by then it may be others'.
        with self._lock:
            if not self._is_set.is_set():
                self._is_set.set()
                for callback in self._callbacks:
                    callback()

    @contextmanager
    def waking(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called if the work is cancelled within the block, or was before it.

        It is called in the thread that cancels; it has to return at once, and must not raise.
        """
        with self._lock:
            self._callbacks.append(callback)
            if self._is_set.is_set():
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let what this thread does within the block be cancelled by this."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)


_CURRENT: ContextVar[Cancellation | None] = ContextVar("florilegium-cancellation", default=None)


def current_cancellation() -> Cancellation:
    """Return what the work of this thread is cancelled by; one that nobody has, outside any."""
    return _CURRENT.get() or Cancellation()


@contextmanager
def holding(lock: Lock) -> Iterator[None]:
    """Hold a lock, behind which others may wait for long.

    Raises CancelledEarly if the work of this thread is no longer wanted before it has the lock.
    """
    cancellation = current_cancellation()
    while not lock.acquire(timeout=_LOOK):
        cancellation.check()
    try:
        yield
    finally:
        lock.release()
