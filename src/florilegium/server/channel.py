"""What a thread produces, handed to the event loop piece by piece.

The thread waits while the reader is slow; when the reader has gone, what it does is cancelled.
Knows nothing of what the pieces are.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar, cast

from florilegium.cancelling import Cancellation
from florilegium.streams import closing_stream

_T = TypeVar("_T")
_END = object()
_LOOK = 0.2  # seconds after which a thread that waits for a slow reader looks whether it is there


class Channel(Generic[_T]):
    """Hands pieces from one thread to one reader in the event loop that it was made in."""

    def __init__(self, *, size: int = 32) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[object] = asyncio.Queue(size)
        self._closed = threading.Event()
        self._cancellation = Cancellation()

    def feed(self, produce: Callable[[], Iterator[_T]]) -> None:
        """Run an iterator to its end in this thread; what it raises reaches the reader.

        The iterator is closed in this thread too, also when the reader has gone before its end.
        """
        if self._closed.is_set():
            return
        end: object = _END
        try:
            with self._cancellation.working(), closing_stream(produce()) as pieces:
                for piece in pieces:
                    if not self._put(piece):
                        return
        except BaseException as error:  # noqa: BLE001 - raised again by the reader
            end = _Raised(error)
        self._put(end)

    async def pieces(self, *, seconds: float) -> AsyncIterator[_T]:
        """Yield the pieces as they come; raise what the producer raised.

        Raises TimeoutError when they have not all been read within `seconds`.
        """
        deadline = self._loop.time() + seconds
        while True:
            if self._loop.time() >= deadline:  # which `get` does not see while there are pieces
                raise TimeoutError
            # Not wait_for, which in Python 3.11 forgets that it was cancelled when a piece comes at
            # that very moment: the reader would go on, and with it the answer.
            async with asyncio.timeout_at(deadline):
                piece = await self._queue.get()
            if piece is _END:
                return
            if isinstance(piece, _Raised):
                raise piece.error
            yield cast(_T, piece)

    def close(self) -> None:
        """Tell the thread that nobody reads any more, and wake it from what it waits for."""
        self._closed.set()
        self._cancellation.cancel()
        while not self._queue.empty():
            self._queue.get_nowait()  # lets a thread go on that waits for room

    def stop(self, error: Exception) -> None:
        """Close it from any thread; who still reads gets this error."""
        self._closed.set()
        self._cancellation.cancel()
        with suppress(RuntimeError):  # the event loop has ended, and its readers with it
            self._loop.call_soon_threadsafe(self._end_with, error)

    def _end_with(self, error: Exception) -> None:
        self.close()
        self._queue.put_nowait(_Raised(error))

    def _put(self, piece: object) -> bool:
        """Hand over one piece; return whether there was still somebody to take it."""
        if self._closed.is_set():
            return False
        waiting = self._queue.put(piece)
        try:
            handed = asyncio.run_coroutine_threadsafe(waiting, self._loop)
        except RuntimeError:  # the event loop has ended
            waiting.close()
            return False
        while not self._closed.is_set():
            with suppress(TimeoutError):
                handed.result(_LOOK)
                return True
        handed.cancel()
        return False


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error
