"""An answer that is being written, so that a page which is made anew finds that of its chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import Client

from florilegium.serialize import Json

if TYPE_CHECKING:  # it knows the visit, which holds what is written
    from florilegium.server.page.answering import Answering


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Writing:
    """An answer on its way, in a chat.

    `shown` is the question's picture as an address; `ordinal` the place in the chat that the
    question will have; `answering` gives what has it so far, once it is begun, `stop` ends it.
    `reply` is done once the answer is kept. `readers` are the opened pages that show it.
    """

    chat: str
    question: str
    shown: str | None
    ordinal: int
    answering: Callable[[], Answering | None]
    stop: Callable[[], None]
    reply: asyncio.Future[Json]
    readers: set[Client]

    @property
    def is_read(self) -> bool:
        """Return whether a browser is connected to a page that shows it."""
        return any(reader.has_socket_connection for reader in self.readers)
