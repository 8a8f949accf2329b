"""The drawer with the chats of this user about this library: open, rename, delete, begin anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from florilegium.errors import FlorilegiumError
from florilegium.server.chats import Chat
from florilegium.server.page.controls import (
    block,
    icon_button,
    primary_button,
    raw_button,
    tell_error,
    words,
)
from florilegium.server.page.visit import Visit


class ChatList:
    """Shows the chats; `on_open` is given the one that was chosen, or None for a new one."""

    def __init__(self, visit: Visit, *, on_open: Callable[[str | None], Awaitable[None]]) -> None:
        self._visit = visit
        self._on_open = on_open
        self._current: str | None = None
        say = visit.say
        new = ui.button(say("chats.new"), icon="add", color=None, on_click=partial(on_open, None))
        new.props("flat no-caps align=left").classes("fl-new-chat")
        self._list = block("fl-chats", tag="nav", aria_label=say("app.menu"))

    async def refresh(self, current: str | None) -> None:
        """Show the chats as they are now, with the current one marked."""
        visit = self._visit
        self._current = current
        try:
            chats = await asyncio.to_thread(visit.chats.all_of, visit.user.owner, visit.identity)
        except FlorilegiumError as error:
            tell_error(self._visit.say, error)
            return
        self._list.clear()
        with self._list:
            if not chats:
                words(visit.say("chats.empty"), "fl-quiet")
            for chat in chats:
                self._row(chat)

    def _row(self, chat: Chat) -> None:
        say = self._visit.say
        current = chat.id == self._current
        with block(f"fl-chat{' fl-current' if current else ''}"):
            with raw_button("fl-chat-title", chat.title, partial(self._on_open, chat.id)) as button:
                if current:
                    button.props["aria-current"] = "true"
                words(chat.title, tag="span")
            icon_button("edit", say("chats.rename"), partial(self._rename, chat))
            icon_button("delete_outline", say("chats.delete"), partial(self._delete, chat))

    async def _rename(self, chat: Chat) -> None:
        say = self._visit.say
        with ui.dialog() as dialog, block("fl-dialog"):
            field = ui.input(say("chats.title"), value=chat.title).props("autofocus outlined dense")
            field.on("keydown.enter", lambda: dialog.submit(field.value), args=[])
            _answers(dialog, no=say("chats.no"), yes=say("chats.save"), value=lambda: field.value)
        title = await dialog
        dialog.delete()
        if title and str(title).strip():
            await self._change(self._visit.chats.rename, chat.id, str(title))

    async def _delete(self, chat: Chat) -> None:
        say = self._visit.say
        with ui.dialog() as dialog, block("fl-dialog", role="alertdialog"):
            words(say("chats.delete_sure", title=chat.title))
            _answers(dialog, no=say("chats.no"), yes=say("chats.yes"), value=lambda: True)
        sure = await dialog
        dialog.delete()
        if sure:
            await self._change(self._visit.chats.delete, chat.id)
            if chat.id == self._current:
                await self._on_open(None)

    async def _change(self, change: Callable[..., None], *values: str) -> None:
        try:
            await asyncio.to_thread(change, self._visit.user.owner, self._visit.identity, *values)
        except FlorilegiumError as error:
            tell_error(self._visit.say, error)
        await self.refresh(self._current)


def _answers(dialog: ui.dialog, *, no: str, yes: str, value: Callable[[], object]) -> None:
    with block("fl-dialog-buttons"):
        ui.button(no, on_click=dialog.close).props("flat no-caps")
        primary_button(yes, lambda: dialog.submit(value()))
