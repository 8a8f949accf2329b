"""The text of a reply is shown as it is now, and tells which number was chosen.

That only what differs is changed is tested with a browser, in tests/e2e/test_page_chat_panel.py.
"""

from __future__ import annotations

import asyncio

from nicegui import Client, events

from florilegium.server.page.reply_text import ReplyText


def test_what_is_shown_last_stands_there(canvas: Client) -> None:
    async def nothing(_: int) -> None: ...

    text = ReplyText(on_cite=nothing)
    text.show("<p>so</p>")
    text.show("<p>so far</p>")

    assert text.props["html"] == "<p>so far</p>"
    assert text.client is canvas


def test_a_chosen_number_is_told(canvas: Client) -> None:
    chosen: list[int] = []

    async def note(number: int) -> None:
        chosen.append(number)

    text = ReplyText(on_cite=note)
    event = events.GenericEventArguments(sender=text, client=canvas, args=3)
    asyncio.run(text._clicked(event))

    assert chosen == [3]
