"""One answer on its way: takes the events of the service, shows them, and can be stopped.

Knows the view that it writes into; nothing of how chats are kept.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from functools import partial

from florilegium.answers import Event, Failed, Finished, Retrieved, Token
from florilegium.errors import FlorilegiumError, StoreError
from florilegium.serialize import Json, identification_to_json
from florilegium.server.error_shapes import INTERNAL
from florilegium.server.page.answer_view import AnswerView
from florilegium.server.page.turns import (
    error_to_json,
    finished_reply,
    hits_with_contributions,
    unfinished_reply,
)
from florilegium.server.page.visit import Visit
from florilegium.server.served import Asked

logger = logging.getLogger(__name__)

PACE = 0.05  # seconds between two updates of the page


class Answering:
    """Answers one question into a view."""

    def __init__(self, visit: Visit, view: AnswerView) -> None:
        self._visit = visit
        self._view = view
        self._text = ""
        self._found: Retrieved | None = None
        self._reply: Json | None = None
        self._due: asyncio.TimerHandle | None = None

    @property
    def found(self) -> Retrieved | None:
        """Return what was found, once it is."""
        return self._found

    def show_found(self, view: AnswerView) -> None:
        """Show in a view what was found, and what is written of it when a number is chosen."""
        if self._found is None:
            return
        named = identification_to_json(self._found.identification)
        hits = hits_with_contributions(self._found.hits)
        view.found(named, hits, self._found.searched, so_far=partial(self._unfinished, None))

    def write(self, view: AnswerView) -> None:
        """Write into a view what is written so far."""
        view.write(self._text, len(self._found.hits) if self._found else 0)

    async def run(self, asked: Asked) -> Json:
        """Return the reply; one that was stopped has what was written by then.

        The task that runs this is cancelled to stop it, which frees the chat model.
        """
        visit = self._visit
        try:
            async with visit.service.answer(visit.user, visit.library, asked) as stream:
                async for event in stream:
                    self._take(event)
            if self._reply is None:
                raise StoreError("The answer ended without its last event.")
        except asyncio.CancelledError:
            self._reply = self._unfinished(None)
        except FlorilegiumError as error:
            self._reply = self._unfinished(error_to_json(error))
        except Exception:
            logger.exception("An answer on the page failed")
            self._reply = self._unfinished(INTERNAL)
        finally:
            if self._due is not None:
                self._due.cancel()
        return self._reply

    def _unfinished(self, error: Json | None) -> Json:
        return unfinished_reply(self._text, found=self._found, error=error)

    def _take(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._reply = finished_reply(event.answer)
        elif isinstance(event, Retrieved):
            self._found = event
        elif isinstance(event, Token):
            self._text += event.text
        if not self._view.is_gone:  # one that was made anew may read on
            self._show(event)

    def _show(self, event: Event) -> None:
        if isinstance(event, Retrieved):
            self.show_found(self._view)
        elif isinstance(event, Token):
            if self._due is None:
                self._due = asyncio.get_running_loop().call_later(PACE, self._write)
        elif isinstance(event, Failed):
            self._view.warn(asdict(event.failure))

    def _write(self) -> None:
        self._due = None
        if self._view.is_gone:
            return
        self.write(self._view)
