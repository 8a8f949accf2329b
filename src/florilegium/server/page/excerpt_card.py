"""One thing that was found, as a card that opens it: a thumbnail, or a title and an excerpt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nicegui.element import Element

from florilegium.excerpts import best_excerpt
from florilegium.server.page.controls import block, picture, raw_button, words
from florilegium.server.page.visit import Visit

_WIDTH = 150  # terminal cells, as `best_excerpt` counts them
_MARKUP = re.compile(r"!\[[^\]]*\]\([^)]*\)|^#{1,6} |\*\*", re.MULTILINE)  # of Markdown


def excerpt_card(
    visit: Visit,
    hit: Mapping[str, Any],
    *,
    query: str,
    open_source: Callable[[], object],
    number: int | None = None,
) -> Element:
    """Return a card for a hit as JSON.

    Args:
        visit: The opened page.
        hit: What `hits_to_json` gives.
        query: What was searched for; the excerpt is the stretch that fits it best.
        open_source: Called when the card is chosen.
        number: Its number as a citation.
    """
    is_picture = hit["modality"] == "image"
    title = str(hit["title"] or hit["path"])
    kind = "fl-card fl-card-picture" if is_picture else "fl-card fl-card-text"
    with raw_button(kind, visit.say("item.open_titled", title=title), open_source) as card:
        if number is not None:
            words(str(number), "fl-number")
        if is_picture:
            picture(visit.address(str(hit["id"]), "thumbnail"), alt=title, kind="fl-thumbnail")
        with block("fl-card-words"):
            words(title, "fl-card-title")
            if not is_picture:
                excerpt = best_excerpt(_without_title(hit), query, width=_WIDTH)
                words(excerpt, "fl-card-excerpt")
            words(str(hit["path"]), "fl-path")
    return card


def _without_title(hit: Mapping[str, Any]) -> str:
    # A Markdown text begins with its title, which the card shows already.
    text = _MARKUP.sub("", str(hit["text"])).lstrip("# \n")
    first, _, rest = text.partition("\n")
    return rest.strip() if first.strip() == str(hit["title"]) and rest.strip() else text
