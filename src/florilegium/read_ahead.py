"""Jobs that threads do ahead of the one thread that takes their results, in bounded memory.

Results come in the order in which they are finished. Knows threads and bytes; not what jobs do.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

ROOM = 256_000_000
"""Bytes that jobs and the results nobody has taken yet may hold together.

Four pictures of 12 megapixels with their files. A decoder holds several copies for a moment.
"""

_MOST_THREADS = 8  # more than this wait for the disk and the encoder only
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job(Generic[_T]):
    run: Callable[[], _T]
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Done(Generic[_T]):
    result: _T
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Raised:
    error: BaseException
    weight: int = 0


class ReadAhead(Generic[_T]):
    """A few threads, and two lines of jobs that wait for one and for room.

    A job that takes more than half of the room stands in a line of its own, of which one is done
    at a time and beside the others: so it neither waits until there is nothing else to do nor
    keeps others waiting. Use it in a `with` statement: no thread is left after it. One thread
    only may submit and take.
    """

    def __init__(
        self,
        *,
        weigh: Callable[[_T], int],
        threads: int | None = None,
        room: int = ROOM,
        abandon: Callable[[], None] | None = None,
    ) -> None:
        """Keep the settings; threads are started by the first jobs.

        Args:
            weigh: Says how many bytes a result holds until it is taken.
            threads: How many jobs are done at a time; by default one per core, at most eight.
            room: Bytes that may be held; at most one large job comes on top.
            abandon: Called by `close` if there are jobs whose results nobody has taken, so that
                those under way end soon.
        """
        self.outstanding = 0
        self._weigh = weigh
        self._most_threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._room = room
        self._abandon = abandon
        # Not an executor: Ctrl-C while that starts a thread leaves one that nobody waits for.
        self._threads: list[Thread] = []
        self._changed = Condition()
        self._closed = False
        self._small: deque[_Job[_T]] = deque()
        self._large: deque[_Job[_T]] = deque()
        self._held = 0
        self._held_by_large = 0
        self._finished: SimpleQueue[_Done[_T] | _Raised] = SimpleQueue()

    def submit(self, run: Callable[[], _T], *, weight: int) -> None:
        """Have a job done that holds up to `weight` bytes. Never waits."""
        with self._changed:
            line = self._large if self._is_large(weight) else self._small
            line.append(_Job(run=run, weight=weight))
            self.outstanding += 1
            self._changed.notify()
        if len(self._threads) < self._most_threads:
            thread = Thread(target=self._serve, name="florilegium-read-ahead", daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self) -> _T:
        """Return the result of a finished job, or raise what it raised; wait until there is one.

        There must be an outstanding job.
        """
        finished = self._finished.get()
        with self._changed:
            self.outstanding -= 1
            self._hold(-finished.weight)
            self._changed.notify_all()
        if isinstance(finished, _Raised):
            raise finished.error
        return finished.result

    def close(self) -> None:
        """Drop the jobs that were not begun, and wait for the others to end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self.outstanding and self._abandon is not None:
            self._abandon()
        for thread in self._threads:
            if thread.is_alive():  # one that Ctrl-C kept from starting cannot be joined
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _is_large(self, weight: int) -> bool:
        return weight > self._room // 2

    def _hold(self, weight: int) -> None:
        if self._is_large(abs(weight)):
            self._held_by_large += weight
        else:
            self._held += weight

    # -- in the threads --

    def _serve(self) -> None:
        while (job := self._next_job()) is not None:
            finished = self._do(job)
            with self._changed:
                self._hold(-job.weight)
                self._hold(finished.weight)
                self._changed.notify_all()
            self._finished.put(finished)
            del finished, job  # a picture must not stay until there is another one

    def _next_job(self) -> _Job[_T] | None:
        with self._changed:
            while not self._closed:
                job = self._fitting_job()
                if job is not None:
                    self._hold(job.weight)
                    return job
                self._changed.wait()
        return None

    def _fitting_job(self) -> _Job[_T] | None:
        if self._large and not self._held_by_large:
            return self._large.popleft()
        if self._small and self._held + self._small[0].weight <= self._room:
            return self._small.popleft()
        return None

    def _do(self, job: _Job[_T]) -> _Done[_T] | _Raised:
        try:
            result = job.run()
            return _Done(result=result, weight=self._weigh(result))
        except BaseException as error:  # noqa: BLE001 - whatever it is, `take` raises it
            return _Raised(error=error)
