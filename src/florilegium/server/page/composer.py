"""The field to ask in: words, a picture, send and stop, and what the browser keeps of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from nicegui import events, ui

from florilegium.server.chats import Exchange
from florilegium.server.page.controls import block, icon_button, picture, words
from florilegium.server.page.picture_input import PictureInput
from florilegium.server.page.turns import data_url, small
from florilegium.server.page.visit import Visit

# Enter sends and Shift+Enter breaks the line; while a Chinese word is being composed, Enter
# belongs to the input method.
ENTER = (
    "(e) => { if (e.key !== 'Enter' || e.shiftKey || e.isComposing || e.keyCode === 229) return;"
    " e.preventDefault(); emit(e.target.value); }"
)


class Composer:
    """Calls `ask` with the words that are sent, and `stop` when the answer is to end."""

    def __init__(
        self, visit: Visit, *, ask: Callable[[str], Awaitable[None]], stop: Callable[[], None]
    ) -> None:
        self._visit = visit
        self._ask = ask
        self._whose = f"{visit.user.owner} {visit.library}"
        say = visit.say
        with block("fl-composer") as composer, block("fl-field"):
            composer.props["data-whose"] = self._whose
            self._in_play = block("fl-in-play")
            self.picture = PictureInput(visit, on_change=lambda: None)
            with block("fl-field-row"):
                self.picture.add_button()
                self._field = ui.textarea(placeholder=say("ask.placeholder"))
                self._field.props("autogrow borderless dense").classes("fl-question-field")
                self._field.props["aria-label"] = say("ask.placeholder")
                self._field.props["maxlength"] = visit.service.config.max_question_characters
                self._field.on("keydown", self._entered, js_handler=ENTER)
                self._send = icon_button("arrow_upward", say("ask.send"), self._clicked)
                self._send.classes("fl-send")
                self._stop = icon_button("stop", say("ask.stop"), stop)
                self._stop.classes("fl-send").set_visibility(False)

    def is_busy(self) -> bool:
        """Return whether it offers to stop instead of to send."""
        return self._stop.visible and not self._send.visible

    def set_busy(self, *, busy: bool) -> None:
        """Offer to stop, or to send."""
        self._send.set_visibility(not busy)
        self._stop.set_visibility(busy)

    def clear(self) -> None:
        """Empty it: what was in it is asked."""
        self._field.set_value("")
        self.picture.clear()

    def hold(self, question: str, *, chat: str | None, ordinal: int) -> None:
        """Let the browser hold a question until its answer is kept, should the server die."""
        told = json.dumps([self._whose, question, chat, ordinal])
        ui.run_javascript(f"fl.hold(...{told})")

    def give_back(self, *, chat: str | None, count: int, is_written: bool) -> None:
        """Put in what the browser holds, unless the chat that is shown has it already.

        Args:
            chat: The chat that is shown.
            count: Exchanges that are kept in it.
            is_written: Whether the answer to the next is being written.
        """
        told = json.dumps([self._whose, chat, count, is_written])
        ui.run_javascript(f"fl.giveBack(...{told})")
        self._field.run_method("focus")

    def show_in_play(self, exchanges: Sequence[Exchange]) -> None:
        """Show the picture that the next question goes on from, if there is one."""
        self._in_play.clear()
        newest = next((one for one in reversed(exchanges) if one.picture), None)
        if newest is None or newest.picture is None:
            return
        say = self._visit.say
        with self._in_play:
            picture(
                data_url(small(newest.picture)), alt=say("ask.picture"), kind="fl-in-play-picture"
            )
            words(say("ask.picture_in_play"))

    async def _entered(self, event: events.GenericEventArguments) -> None:
        await self._ask(str(event.args))

    async def _clicked(self) -> None:
        await self._ask(str(self._field.value or ""))
