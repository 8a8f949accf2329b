"""Things that are opened once for several threads, and closed once nobody uses them any more.

Knows nothing of what they are. Nobody ever waits for a user to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from florilegium.errors import FlorilegiumError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Once(Generic[T]):
    """Something that is opened by the first thread that needs it; the others wait for that."""

    def __init__(self, open_: Callable[[], T]) -> None:
        """Keep how it is opened. What that raises, the next call may not meet any more."""
        self._open = open_
        self._lock = threading.Lock()
        self._opened: tuple[T] | None = None

    def __call__(self) -> T:
        """Return it, opened."""
        opened = self._opened
        if opened is None:
            with self._lock:
                if self._opened is None:
                    self._opened = (self._open(),)
                opened = self._opened
        return opened[0]

    def opened(self) -> T | None:
        """Return it if it was opened."""
        return None if self._opened is None else self._opened[0]


class Lease(Generic[T]):
    """Something opened that several threads use.

    It is closed exactly once: by `retire` if nobody uses it then, else by the last who leaves it.
    """

    def __init__(self, value: T, *, close: Callable[[T], None]) -> None:
        self.value = value
        self._close = close
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False

    def take(self) -> bool:
        """Use it until `leave`. False if it was retired, so that it may be closed already."""
        with self._lock:
            if not self._retired:
                self._users += 1
            return not self._retired

    def leave(self) -> None:
        """Use it no more. What goes wrong while it is closed is logged: it is not the user's."""
        with self._lock:
            self._users -= 1
            is_last = self._retired and not self._users
        if is_last:
            try:
                self._close(self.value)
            except FlorilegiumError as error:
                logger.warning("What nobody uses any more could not be closed: %s", error)

    def retire(self) -> None:
        """Let nobody take it any more, and close it once nobody uses it. Raises what that does."""
        with self._lock:
            is_free = not self._retired and not self._users
            self._retired = True
        if is_free:
            self._close(self.value)


class Leases(Generic[T]):
    """The one thing that is in use now: opened when it is needed, replaced when it is outdated."""

    def __init__(
        self,
        open_: Callable[[], T],
        *,
        close: Callable[[T], None],
        is_outdated: Callable[[T], bool] = lambda _: False,
    ) -> None:
        """Open nothing yet.

        Args:
            open_: Opens a new one.
            close: Closes one.
            is_outdated: Says of the one in use whether the next user needs a new one.
        """
        self._open = open_
        self._close = close
        self._is_outdated = is_outdated
        self._lock = threading.RLock()
        self._current: Lease[T] | None = None

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Give what is in use. It stays open until the block ends, whatever others do."""
        with self._lock:
            lease = self._fresh()
            taken = lease.take()
            assert taken, "what is in use is retired under the same lock that it is taken under"
        try:
            yield lease.value
        finally:
            lease.leave()

    def current(self) -> T:
        """Return what is in use, opened; it stays open until it is outdated or retired."""
        with self._lock:
            return self._fresh().value

    def opened(self) -> T | None:
        """Return what is in use if it is open."""
        with self._lock:
            return None if self._current is None else self._current.value

    def retire(self) -> None:
        """Let the next user open a new one. Raises what closing does."""
        with self._lock:
            lease, self._current = self._current, None
            if lease is not None:
                lease.retire()

    def _fresh(self) -> Lease[T]:
        if self._current is not None and self._is_outdated(self._current.value):
            self.retire()
        if self._current is None:
            self._current = Lease(self._open(), close=self._close)
        return self._current
