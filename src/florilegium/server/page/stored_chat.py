"""What is read of a stored chat: the newest exchanges to show, and those a follow-up rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from florilegium.server.chats import Exchange
from florilegium.server.page.turns import data_url, held, small
from florilegium.server.page.visit import Visit

_SHOWN = 20  # exchanges of a chat that are shown at first, and again for each asking for more


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An exchange without its picture, and the picture as an address."""

    exchange: Exchange
    picture: str | None


def read_shown(visit: Visit, chat: str, *, before: int | None = None) -> list[Shown]:
    """Return the newest exchanges of a chat, or those before an ordinal. Raises NotFoundError."""
    exchanges = visit.chats.exchanges(
        visit.user.owner, visit.identity, chat, before=before, most=_SHOWN
    )
    return [_thumbnail(one) for one in exchanges]


def read_held(visit: Visit, chat: str) -> list[Exchange]:
    """Return what the next question of a chat rests on. Raises NotFoundError."""
    most = visit.service.config.max_turns
    exchanges = visit.chats.exchanges(
        visit.user.owner, visit.identity, chat, most=max(most, 1), pictures=False
    )
    newest = visit.chats.newest_picture(visit.user.owner, visit.identity, chat)
    if newest is not None:
        later = [one for one in exchanges if one.ordinal > newest.ordinal]
        earlier = [one for one in exchanges if one.ordinal < newest.ordinal]
        exchanges = [*earlier, newest, *later]
    return held(exchanges, most=most)


def _thumbnail(exchange: Exchange) -> Shown:
    shown = None if exchange.picture is None else data_url(small(exchange.picture))
    return Shown(exchange=replace(exchange, picture=None), picture=shown)
