"""Keeps the pages few that were asked for and that no browser has connected to.

Whoever asks without a browser, as `curl` does, would fill the memory with them in the minute that
NiceGUI keeps them.
"""

from __future__ import annotations

from typing import Final

from nicegui import Client

from florilegium.server.attempts import network
from florilegium.server.users import User

MOST_WAITING: Final = 32
"""Pages of one account that wait for their browser; without accounts, of one address."""

SENT: Final = "page_sent"
"""Under which the state of a request says that its page has been sent."""

_CAME: Final = "florilegium.came"


def drop_oldest(newest: Client) -> None:
    """Clear away the oldest pages of whoever asked for the newest one, where they are too many.

    A browser that comes for one of them after all is told by NiceGUI to load the page again.
    """
    asking = _asking(newest)
    newest.on_connect(_note)
    # In the order of their making; one that had a browser once is another matter, and one that
    # is not sent yet would become a page that says that it failed.
    waiting = [
        client
        for client in Client.instances.values()
        if _CAME not in client.storage
        and getattr(client.request.state, SENT, False)
        and _asking(client) == asking
    ]
    for client in waiting[: 1 - MOST_WAITING]:
        client.delete()


def _note(client: Client) -> None:
    client.storage[_CAME] = True


def _asking(client: Client) -> str:
    user = getattr(client.request.state, "user", None)
    # The server's key and the machine itself may be shared; nobody is to drop another's pages.
    if isinstance(user, User) and user.id is not None:
        return user.owner
    return network(client.ip)
