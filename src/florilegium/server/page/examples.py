"""What there is to ask about: titles of a few things in a library, and a greeting with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice

from nicegui.element import Element

from florilegium.cards import card_words
from florilegium.errors import FlorilegiumError
from florilegium.library import Library
from florilegium.server.page.controls import block, picture, raw_button, words
from florilegium.server.page.visit import Visit
from florilegium.types import Item, Modality

_GREETED_WITH = 4
_LOOKED_AT = 400  # items; a look at a library of millions must be quick
_LONGEST_TITLE = 48


async def example_items(library: Library, *, modality: Modality, count: int) -> list[Item]:
    """Return items with titles that are fit to be read, spread over the library.

    A library without an index, or one that cannot be read now, gives none.
    """
    try:
        return await asyncio.to_thread(_items, library, modality, count)
    except FlorilegiumError:
        return []  # an example is no reason to fail: asking says what is wrong


async def greet(visit: Visit, place: Element, *, ask: Callable[[str], Awaitable[None]]) -> None:
    """Show the greeting of a new chat in a place; `ask` is given the example that is chosen."""
    say = visit.say
    library = visit.service.served(visit.library, visit.user).library
    texts = await example_items(library, modality=Modality.TEXT, count=_GREETED_WITH)
    images = await example_items(library, modality=Modality.IMAGE, count=_GREETED_WITH)
    with place, block("fl-greeting"):
        with block("fl-greeting-pictures", aria_hidden="true"):
            for item in images:
                picture(visit.address(item.id, "thumbnail"), alt="", kind="fl-greeting-picture")
        words(say("ask.greeting"), "fl-greeting-title", tag="h1")
        words(say("ask.intro"), "fl-greeting-intro", tag="p")
        with block("fl-examples"):
            for item in texts:
                example = say("ask.example", title=item.title.strip())
                with raw_button("fl-example", example, partial(ask, example)):
                    words(example, tag="span")


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` of the items, evenly spread."""
    if len(items) <= count:
        return list(items)
    return [items[at * len(items) // count] for at in range(count)]


def _items(library: Library, modality: Modality, count: int) -> list[Item]:
    titled: dict[str, Item] = {}
    with library.reading() as index:
        for item, _ in islice(index.catalog.all_items(modality), _LOOKED_AT):
            title = item.title.strip()
            if title and len(title) <= _LONGEST_TITLE:
                titled.setdefault(title, item)
    # `IMG_0001` is nothing that anybody would ask for.
    named = [item for title, item in titled.items() if card_words(title)]
    return spread(named or list(titled.values()), count)
