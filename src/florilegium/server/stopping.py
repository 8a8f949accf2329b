"""What a server that stops waits for: answers under way, and what is to be kept of them.

Knows neither what they are nor who reads them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from florilegium.errors import TooBusyError

logger = logging.getLogger(__name__)

End: TypeAlias = Callable[[Exception], None]

LEAVE_SECONDS: Final = 1.0
"""How long what was ended has to tell its reader so."""

_SEND_SECONDS = 0.2  # until what was written last has left the process


class Stopping:
    """Counts what is under way in one event loop, and lets it end before the server does."""

    def __init__(self) -> None:
        self.begun = False
        self._ends: dict[object, End] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()

    def check(self) -> None:
        """Raise TooBusyError once the server is about to stop."""
        if self.begun:
            raise self._error()

    @contextmanager
    def waits_for(self, end: End | None = None) -> Iterator[None]:
        """Let the server stop only after this block.

        Args:
            end: Called, from any thread, with the error for its reader when there is no more time
                for the block; None if what it waits for is ended otherwise.
        """
        here = object()
        self._ends[here] = end or _leave
        self._quiet.clear()
        try:
            yield
        finally:
            del self._ends[here]
            if not self._ends:
                self._quiet.set()

    async def drain(self, seconds: float) -> None:
        """Refuse what is new, wait so long for what is under way, then end it.

        To be called again with less time, the first call is cancelled.
        """
        self.begun = True
        if self._quiet.is_set():
            return
        logger.info("Answers under way get %g s to end; a second Ctrl-C ends them", seconds)
        if not await self._is_quiet(seconds):
            self.end_all()
            await self._is_quiet(LEAVE_SECONDS)
        await asyncio.sleep(_SEND_SECONDS)

    def end_all(self) -> None:
        """Refuse what is new, and end what is under way. May be called from any thread."""
        self.begun = True
        for end in self._ends.copy().values():  # which another thread may change
            end(self._error())

    async def _is_quiet(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    def _error(self) -> TooBusyError:
        return TooBusyError("The server is about to stop.", hint="Try again when it is up again.")


def _leave(_: Exception) -> None:
    pass
