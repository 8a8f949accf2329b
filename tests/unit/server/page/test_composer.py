"""The field to ask in, without a browser.

How it is used is tested with one, in tests/e2e/test_page_chat_panel.py.
"""

from __future__ import annotations

from nicegui import Client

from florilegium.server.page.composer import Composer
from florilegium.server.page.visit import Visit


def composer(visit: Visit) -> Composer:
    async def ask(_: str) -> None: ...

    return Composer(visit, ask=ask, stop=lambda: None)


def test_it_offers_to_stop_while_it_is_busy(canvas: Client, visit: Visit) -> None:
    made = composer(visit)
    assert not made.is_busy()

    made.set_busy(busy=True)
    assert made.is_busy()
    made.set_busy(busy=False)
    assert not made.is_busy()


def test_the_browser_is_told_whose_words_these_are(canvas: Client, visit: Visit) -> None:
    composer(visit)

    [place] = [one for one in canvas.elements.values() if "fl-composer" in one.classes]
    assert place.props["data-whose"] == f"{visit.user.owner} tiny"
