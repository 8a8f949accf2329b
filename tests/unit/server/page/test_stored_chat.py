"""What is read of a stored chat.

What the chat makes of it is tested in test_chat_panel.py.
"""

from __future__ import annotations

import pytest
from PIL import Image

from florilegium.errors import NotFoundError
from florilegium.server.chats import Exchange
from florilegium.server.page.stored_chat import read_held, read_shown
from florilegium.server.page.turns import jpeg, unfinished_reply
from florilegium.server.page.visit import Visit


def test_pictures_are_shown_small_and_the_newest_is_held(visit: Visit) -> None:
    chat = visit.chats.begin(visit.user.owner, visit.identity, title="Roses")
    for number in (1, 2):
        exchange = Exchange(
            question=f"question {number}",
            reply=unfinished_reply("so") | {"stopped": False},
            picture=jpeg(Image.new("RGB", (8, 8)), 8),
            picture_hash=f"hash {number}",
        )
        visit.chats.add(visit.user.owner, visit.identity, chat.id, exchange)

    shown = read_shown(visit, chat.id)
    held = read_held(visit, chat.id)

    assert [one.exchange.picture for one in shown] == [None, None]
    assert all(str(one.picture).startswith("data:image/jpeg") for one in shown)
    assert [one.picture is not None for one in held] == [False, True]
    assert [one.exchange.ordinal for one in read_shown(visit, chat.id, before=2)] == [1]


def test_a_chat_that_is_none_is_not_found(visit: Visit) -> None:
    with pytest.raises(NotFoundError):
        read_shown(visit, "nothing")
    with pytest.raises(NotFoundError):
        read_held(visit, "nothing")
