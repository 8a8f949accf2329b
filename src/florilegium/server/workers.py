"""Threads for work that would block: so many at a time, and a line of bounded length before them.

Knows nothing of what is done. Who finds the line full is turned away at once, so that a crowd
slows nobody down; who gives up while waiting in line leaves it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

from florilegium.errors import TooBusyError, TooSlowError

_T = TypeVar("_T")
_CLOSE_SECONDS: Final = 2.0


class Workers:
    """A bounded pool of threads for one kind of work.

    Args:
        what: The kind of work in the plural, for errors: "searches".
        running: How many run at a time.
        waiting: How many may wait in line.
    """

    def __init__(self, what: str, *, running: int, waiting: int) -> None:
        self.what = what
        self.most_running = running
        self.most_waiting = waiting
        self._line: OrderedDict[Future[Any], Callable[[], Any]] = OrderedDict()
        self._threads: list[threading.Thread] = []
        self._closed = False
        # Reentrant, since a future that is cancelled leaves under it.
        self._changed = threading.Condition(threading.RLock())
        self._inside = 0

    @property
    def running(self) -> int:
        """Return how many are at work."""
        return min(self._inside, self.most_running)

    @property
    def waiting(self) -> int:
        """Return how many wait in line."""
        return max(0, self._inside - self.most_running)

    def submit(self, function: Callable[[], _T]) -> Future[_T]:
        """Put work in line, in the caller's context. Raises TooBusyError if the line is full."""
        future: Future[_T] = Future()
        with self._changed:
            if self._closed:
                raise TooBusyError(
                    "The server is about to stop.", hint="Try again when it is up again."
                )
            if self._inside >= self.most_running + self.most_waiting:
                raise TooBusyError(
                    f"The server has {self.most_running} {self.what} at work and "
                    f"{self.most_waiting} in line, which is all that it takes.",
                    hint="Try again in a moment.",
                )
            self._inside += 1
            self._line[future] = partial(contextvars.copy_context().run, function)
            self._changed.notify()
            if len(self._threads) < min(self._inside, self.most_running):
                self._add_thread()
        future.add_done_callback(self._leave)
        return future

    async def run(
        self, function: Callable[[], _T], *, seconds: float, since: float | None = None
    ) -> _T:
        """Return what `function` returns, computed in a thread.

        Work that was given up while it ran goes on in its thread and keeps its place until it
        ends, since a thread cannot be stopped.

        Args:
            function: The work.
            seconds: How long it may take, the wait in line included.
            since: When these seconds began, by `time.monotonic`; by default now. So several works
                of one request share its time.

        Raises:
            TooBusyError: The line is full.
            TooSlowError: It took longer.
        """
        left = seconds if since is None else since + seconds - monotonic()
        if left <= 0:
            raise self._too_slow(seconds)
        future = self.submit(function)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), left)
        except TimeoutError as error:
            if future.done() and not future.cancelled() and future.exception():
                raise  # an error of the work itself, and not one that was done at that moment
            raise self._too_slow(seconds) from error

    def close(self, *, seconds: float = _CLOSE_SECONDS) -> None:
        """Turn away what waits in line, and wait so long for what runs.

        What runs longer is left to itself: it ends with the process at the latest.
        """
        with self._changed:
            if not self._closed:
                self._closed = True
                self._turn_away()
        deadline = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _too_slow(self, seconds: float) -> TooSlowError:
        return TooSlowError(
            f"This took longer than {seconds:g} s, the time that {self.what} have here.",
            hint="Try again later, or ask for less.",
        )

    def _turn_away(self) -> None:
        for future in list(self._line):
            future.cancel()
        self._changed.notify_all()

    def _add_thread(self) -> None:
        # Not a pool of the standard library, whose threads the process waits for at its end.
        name = f"florilegium-{self.what}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            _run(*work)
            del work  # its result is not kept until the next

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """Return the first work in line, waiting for one; None when there will be none."""
        with self._changed:
            while not self._line:
                if self._closed:
                    return None
                self._changed.wait()
            return self._line.popitem(last=False)

    def _leave(self, future: Future[Any]) -> None:
        with self._changed:
            self._line.pop(future, None)  # with all that it holds, if it was given up in line
            self._inside -= 1


def close_all(all_: Sequence[Workers], *, seconds: float = _CLOSE_SECONDS) -> None:
    """Close several, and wait so long for all of them together."""
    deadline = monotonic() + seconds
    for workers in all_:
        workers.close(seconds=0.0)
    for workers in all_:
        workers.close(seconds=max(0.0, deadline - monotonic()))


def _run(future: Future[Any], function: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for it
            future.set_exception(error)
        else:
            future.set_result(result)
